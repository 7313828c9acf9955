// SPDX-License-Identifier: MIT
#include "backends/gbm/describe.hpp"

#include "base/text.hpp"
#include "os/os.hpp"

#include <gbm.h>

#include <algorithm>
#include <cerrno>
#include <vector>

namespace commonbuf::gbm {

Result<Image> describe(gbm_bo* object, const Tried& tried)
{
    Layout layout;
    layout.format = gbm_bo_get_format(object);
    layout.modifier = gbm_bo_get_modifier(object);
    layout.width = gbm_bo_get_width(object);
    layout.height = gbm_bo_get_height(object);
    const FormatInfo* info = format_info(layout.format);
    const int planes = gbm_bo_get_plane_count(object);
    if (info == nullptr || planes < 1 || planes > static_cast<int>(max_planes))
        return Error::unsupported(
            tried, text::format("the library does not know {} with {} planes", to_string(layout.format), planes));
    layout.plane_count = static_cast<std::uint32_t>(planes);

    std::vector<UniqueFd> memories;
    std::vector<os::FileId> ids;
    for (int i = 0; i < planes; ++i) {
        UniqueFd fd(gbm_bo_get_fd_for_plane(object, i));
        if (!fd)
            return Error::from_errno(errno, {"gbm_bo_get_fd_for_plane", tried.call.target},
                                     text::format("GBM does not export plane {}", i));
        // Each export is a descriptor of its own, so the inodes are compared.
        const auto id = os::id_of(fd.get());
        const auto size = os::size_of(fd.get());
        if (!id || !size)
            return id ? size.error() : id.error();
        const auto known = std::find_if(ids.begin(), ids.end(), [&](const os::FileId& each) {
            return each.device == id->device && each.inode == id->inode;
        });
        const auto memory = static_cast<std::uint32_t>(known - ids.begin());
        layout.planes[static_cast<std::size_t>(i)] = {
            .memory = memory, .stride = gbm_bo_get_stride_for_plane(object, i), .offset = gbm_bo_get_offset(object, i)};
        if (known != ids.end())
            continue;
        layout.memory_sizes[layout.memory_count++] = *size;
        ids.push_back(*id);
        memories.push_back(std::move(fd));
    }
    // GBM does not say how long a plane is. A linear plane ends with its last row; any other
    // reaches to the next plane or the end of the memory.
    for (std::uint32_t i = 0; i < layout.plane_count; ++i) {
        Plane& plane = layout.planes[i];
        std::uint64_t end = layout.memory_sizes[plane.memory];
        for (const Plane& other : layout.used_planes()) {
            if (other.memory == plane.memory && other.offset > plane.offset)
                end = std::min(end, other.offset);
        }
        plane.size = end > plane.offset ? end - plane.offset : 0;
        if (layout.modifier == linear && i < info->plane_count)
            plane.size = std::min(plane.size, std::uint64_t{plane.stride} * plane_rows(*info, i, layout.height));
    }
    return Image{layout, std::move(memories)};
}

} // namespace commonbuf::gbm
