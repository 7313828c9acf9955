// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

#include <cstdint>
#include <string>
#include <vector>

/// What both the DRM backend and the dumb-buffer heap need of a DRM node.
namespace commonbuf::os {

struct DrmNode {
    std::string path;   ///< "/dev/dri/card0"
    std::string device; ///< its name in sysfs, for example "vkms"
    std::string bus;    ///< "pci", "platform", "faux"...
    std::string driver; ///< from sysfs; empty where the bus knows none of its own
    bool render = false;
    std::vector<std::string> connectors;
};

/// Every DRM node in /sys/class/drm. libdrm's own list leaves out buses that it does
/// not know, the faux bus of vkms and vgem among them.
std::vector<DrmNode> drm_nodes();

/// Opens a DRM node and gives up being its master, which the first to open a card
/// node becomes without asking: nobody else could set modes while it is open.
Result<UniqueFd> open_drm(const std::string& path);

/// The value of a DRM capability; 0 where the kernel does not know it.
std::uint64_t drm_capability(int fd, std::uint64_t capability) noexcept;

/// The driver's name as the driver itself says it; empty when it does not.
std::string drm_driver_name(int fd);

/// The driver's version as it says it, "1.6.0"; empty when it does not.
std::string drm_driver_version(int fd);

} // namespace commonbuf::os
