// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/v4l2/node_info.hpp>

#include <nlohmann/json.hpp>

namespace allocinfo {

/// What the pictures of a node's queue mean as colours, by the names of videodev2.h; null if it has no
/// pictures or does not say.
nlohmann::ordered_json colours_json(const commonbuf::v4l2::NodeInfo& node, commonbuf::v4l2::Role role);

} // namespace allocinfo
