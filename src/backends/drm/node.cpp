// SPDX-License-Identifier: MIT
#include <commonbuf/drm/node.hpp>

#include "backends/drm/file.hpp"
#include "os/drm_node.hpp"

#include <utility>

namespace commonbuf::drm {

std::vector<NodeInfo> nodes()
{
    std::vector<NodeInfo> infos;
    for (const os::DrmNode& node : os::drm_nodes()) {
        auto fd = os::open_drm(node.path);
        const auto file = fd ? File::create(std::move(*fd), node.path) : fd.error();
        if (file) {
            infos.push_back((*file)->info());
            continue;
        }
        NodeInfo info;
        info.path = node.path;
        info.name = node.device;
        info.driver = node.driver;
        info.bus = node.bus;
        info.render = node.render;
        info.connectors = node.connectors;
        info.obstacle = file.error();
        infos.push_back(std::move(info));
    }
    return infos;
}

} // namespace commonbuf::drm
