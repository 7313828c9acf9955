// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/error.hpp>
#include <commonbuf/export.hpp>

#include <optional>
#include <string>
#include <vector>

namespace commonbuf::drm {

/// One /dev/dri/cardN or /dev/dri/renderDN.
struct NodeInfo {
    std::string path;         ///< for example "/dev/dri/card0"
    std::string name;         ///< the device's name in sysfs, for example "vkms" or "0000:00:02.0"
    std::string driver;       ///< for example "i915"
    std::string bus;          ///< the bus the device is on, for example "pci" or "faux"
    bool render = false;      ///< a render node: no displays
    bool modesetting = false; ///< has displays
    bool dumb_buffers = false;
    bool imports = false;     ///< DRM_PRIME_CAP_IMPORT
    bool exports = false;     ///< DRM_PRIME_CAP_EXPORT
    bool async_flips = false; ///< can flip without waiting for vblank in the legacy call (DRM_CAP_ASYNC_PAGE_FLIP)
    bool atomic_async_flips = false;     ///< the same in an atomic commit (DRM_CAP_ATOMIC_ASYNC_PAGE_FLIP)
    bool modifiers = false;              ///< DRM_CAP_ADDFB2_MODIFIERS
    std::vector<std::string> connectors; ///< for example "Virtual-1"
    std::optional<Error> obstacle;       ///< why the node could not be asked
};

/// Lists every DRM node on every bus, including those that cannot be opened.
COMMONBUF_API std::vector<NodeInfo> nodes();

} // namespace commonbuf::drm
