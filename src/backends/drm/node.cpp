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
        const auto file = fd ? File::of(std::move(*fd), node.path) : fd.error();
        NodeInfo& info = infos.emplace_back(file ? (*file)->info() : info_of(node));
        if (!file)
            info.obstacle = file.error();
    }
    return infos;
}

} // namespace commonbuf::drm
