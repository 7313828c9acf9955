// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/v4l2/node_info.hpp>

#include <string>
#include <vector>

namespace commonbuf::v4l2 {

/// A node as sysfs lists it.
struct NodeName {
    std::string path; ///< "/dev/video0"
    std::string name; ///< "vivid-000-vid-cap"; empty if sysfs does not say
};

/// The video nodes in the order of their numbers; without radio, VBI and sub-devices.
std::vector<NodeName> node_names();

} // namespace commonbuf::v4l2
