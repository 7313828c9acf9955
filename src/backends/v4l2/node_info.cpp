// SPDX-License-Identifier: MIT
#include <commonbuf/v4l2/node_info.hpp>

#include "backends/v4l2/node.hpp"

namespace commonbuf::v4l2 {

std::string_view to_string(Role role) noexcept { return role == Role::capture ? "capture" : "output"; }

std::vector<NodeInfo> nodes()
{
    std::vector<NodeInfo> infos;
    for (const NodePlace& place : node_places()) {
        auto fd = place.open();
        const auto node = fd ? Node::create(std::move(*fd), place.path) : fd.error();
        NodeInfo& info = infos.emplace_back();
        if (node) {
            info = (*node)->info();
        } else {
            info.path = place.path;
            info.name = place.name;
            info.obstacle = node.error();
        }
    }
    return infos;
}

} // namespace commonbuf::v4l2
