// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

#include <cstdint>
#include <string>
#include <vector>

/// DRM nodes, for the DRM backend and the heap of dumb buffers.
namespace commonbuf::os {

struct DrmNode {
    std::string name;   ///< the kernel's: "card0"
    std::string path;   ///< "/dev/dri/card0", or what else it is called there
    std::string device; ///< its name in sysfs, for example "vkms"
    std::string bus;    ///< "pci", "platform", "faux"...
    std::string driver; ///< from sysfs; empty if the bus has no driver for each device
    bool render = false;
    std::vector<std::string> connectors;
};

/// Lists every DRM node in /sys/class/drm. libdrm's own list leaves out buses that it does not
/// know, such as the faux bus of vkms and vgem.
std::vector<DrmNode> drm_nodes();

/// Opens a DRM node and drops DRM master, which the first to open a card node becomes without
/// asking: otherwise nobody else could set modes while it is open. Errors: see open_failure().
Result<UniqueFd> open_drm(const std::string& path);

/// Whether a file is DRM master, or a lessee that may act as one.
bool is_drm_master(int fd) noexcept;

/// Opens the node of an open file again, by whatever name it was opened, and drops DRM master as
/// open_drm() does. Errors: see open_failure().
Result<UniqueFd> open_drm_again(int fd);

/// Returns the value of a DRM capability; 0 if the kernel or the driver does not know it. `node`
/// names the file in errors. Errors: device_gone, device_failed, and what else the kernel answers.
Result<std::uint64_t> drm_capability(int fd, std::uint64_t capability, const std::string& node);

/// Returns the name that the driver gives itself; empty if this is not a DRM file. Errors:
/// device_gone, device_failed, and what else the kernel answers.
Result<std::string> drm_driver_name(int fd, const std::string& node);

/// Returns the driver's version, for example "1.6.0"; empty if this is not a DRM file.
std::string drm_driver_version(int fd);

} // namespace commonbuf::os
