// SPDX-License-Identifier: MIT
#include "heaps.hpp"

#include "device_heaps.hpp"
#include "gpus.hpp"

#include <drm_fourcc.h>
#include <gbm.h>

#include <cerrno>
#include <utility>

namespace oracle {
namespace {

namespace cb = commonbuf;

struct Destroy {
    void operator()(gbm_bo* object) const { gbm_bo_destroy(object); }
};

/// What a program would do that uses GBM itself, and wraps what comes of it.
cb::Result<cb::Buffer> make_object(const OracleHeap& heap, const cb::Layout& layout)
{
    const std::string operation = "make an image with GBM";
    errno = 0;
    const std::unique_ptr<gbm_bo, Destroy> object(
        gbm_bo_create(heap.gbm, layout.width, layout.height, layout.format.fourcc, heap.gbm_flags | GBM_BO_USE_LINEAR));
    if (object == nullptr)
        return cb::Error::incompatible(operation, "gbm_bo_create: errno " + std::to_string(errno));
    auto made = cb::gbm::wrap(object.get());
    if (!made)
        return made.error();
    const cb::Layout& its = made->layout();
    bool same = its.plane_count == layout.plane_count && its.memory_count == layout.memory_count;
    for (std::uint32_t i = 0; same && i < layout.plane_count; ++i)
        same = its.planes.at(i).stride == layout.planes.at(i).stride &&
               its.planes.at(i).offset == layout.planes.at(i).offset &&
               its.planes.at(i).memory == layout.planes.at(i).memory;
    if (!same)
        return cb::Error::incompatible(operation, "GBM makes " + cb::to_string(its));
    // In the layout that the plan has: linear, where GBM says nothing, and with the plan's sizes.
    std::vector<cb::UniqueFd> memories;
    for (std::uint32_t i = 0; i < its.memory_count; ++i) {
        auto copy = cb::duplicate(made->dma_buf_fd(i));
        if (!copy)
            return copy.error();
        memories.push_back(std::move(*copy));
    }
    return cb::Buffer::wrap(layout, std::move(memories));
}

cb::Result<cb::Buffer> make_buffer(const OracleHeap& heap, const cb::Layout& layout, std::uint64_t extra)
{
    if (heap.gbm != nullptr)
        return make_object(heap, layout);
    cb::Layout larger = layout;
    for (std::uint32_t i = 0; i < layout.memory_count; ++i)
        larger.memory_sizes.at(i) += extra;
    auto memories = heap.heap->allocate_image(larger);
    if (!memories)
        return memories.error();
    return cb::Buffer::wrap(layout, std::move(*memories));
}

} // namespace

std::vector<OracleHeap> find_heaps(bool brief)
{
    std::vector<OracleHeap> heaps;
    for (auto& heap : cb::find_heaps())
        heaps.push_back({std::move(heap)});
    for (const cb::drm::NodeInfo& node : cb::drm::nodes()) {
        if (node.obstacle || !node.modesetting || node.connectors.empty())
            continue;
        const auto device = allocinfo::open_gbm(node.path);
        if (!device)
            continue;
        heaps.push_back({cb::gbm::heap(*device, cb::gbm::BufferUse::scanout), *device, GBM_BO_USE_SCANOUT});
        if (!brief)
            heaps.push_back({cb::gbm::heap(*device, cb::gbm::BufferUse::render), *device, GBM_BO_USE_RENDERING});
    }
    for (const allocinfo::GpuInfo& gpu : allocinfo::gpus().value_or(std::vector<allocinfo::GpuInfo>{})) {
        if (const auto heap = allocinfo::parse_heap("vulkan:" + gpu.name + ":sampled+storage");
            heap && !(*heap)->info().obstacle)
            heaps.push_back({*heap});
    }
    return heaps;
}

cb::Result<std::vector<cb::Buffer>> allocate(const OracleHeap& heap, const cb::Layout& layout, std::uint32_t count,
                                             std::uint64_t extra)
{
    std::vector<cb::Buffer> buffers;
    for (std::uint32_t i = 0; i < count; ++i) {
        auto buffer = make_buffer(heap, layout, extra);
        if (!buffer)
            return buffer.error();
        buffers.push_back(std::move(*buffer));
    }
    return buffers;
}

} // namespace oracle
