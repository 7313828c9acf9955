// SPDX-License-Identifier: MIT
#include <commonbuf/v4l2/node_info.hpp>

#include "backends/v4l2/node.hpp"

namespace commonbuf::v4l2 {

std::string_view to_string(Role role) noexcept { return role == Role::capture ? "capture" : "output"; }

std::vector<NodeInfo> nodes()
{
    std::vector<NodeInfo> infos;
    for (const std::string& path : node_paths()) {
        auto fd = os::open(path);
        const auto node = fd ? Node::create(std::move(*fd), path) : fd.error();
        NodeInfo& info = infos.emplace_back();
        if (node) {
            info = (*node)->info();
        } else {
            info.path = path;
            info.name = node_name(path);
            info.obstacle = node.error();
        }
    }
    return infos;
}

} // namespace commonbuf::v4l2
