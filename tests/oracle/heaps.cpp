// SPDX-License-Identifier: MIT
#include "heaps.hpp"

#include "device_heaps.hpp"
#include "gpus.hpp"

#include <gbm.h>

#include <utility>

namespace oracle {
namespace {

namespace cb = commonbuf;

truth::Heap raw_of(const cb::HeapInfo& info)
{
    truth::Heap raw{info.name, truth::HeapKind::dma_heap, info.path};
    switch (info.kind) {
    case cb::HeapKind::udmabuf: raw.kind = truth::HeapKind::udmabuf; break;
    case cb::HeapKind::drm_dumb: raw.kind = truth::HeapKind::dumb; break;
    default: raw.region = info.path != "/dev/dma_heap/system"; break; // dma-buf-heaps.rst
    }
    return raw;
}

} // namespace

std::vector<NamedHeap> find_heaps(bool brief)
{
    std::vector<NamedHeap> heaps;
    for (auto& heap : cb::find_heaps()) {
        truth::Heap raw = raw_of(heap->info());
        heaps.push_back({std::move(heap), std::move(raw)});
    }
    const auto add = [&heaps](std::shared_ptr<cb::Heap> heap, truth::HeapKind kind, const std::string& path,
                              std::uint32_t flags) {
        truth::Heap raw{heap->info().name, kind, path, flags};
        heaps.push_back({std::move(heap), std::move(raw)});
    };
    for (const cb::drm::NodeInfo& node : cb::drm::nodes()) {
        if (node.obstacle || !node.modesetting || node.connectors.empty())
            continue;
        const auto device = allocinfo::open_gbm(node.path);
        if (!device)
            continue;
        add(cb::gbm::heap(*device, cb::gbm::BufferUse::scanout), truth::HeapKind::gbm, node.path, GBM_BO_USE_SCANOUT);
        if (!brief)
            add(cb::gbm::heap(*device, cb::gbm::BufferUse::render), truth::HeapKind::gbm, node.path,
                GBM_BO_USE_RENDERING);
    }
    for (const allocinfo::GpuInfo& gpu : allocinfo::gpus().value_or(std::vector<allocinfo::GpuInfo>{})) {
        if (const auto heap = allocinfo::parse_heap("vulkan:" + gpu.name + ":sampled+storage");
            heap && !(*heap)->info().obstacle)
            add(*heap, truth::HeapKind::vulkan, gpu.name, VK_IMAGE_USAGE_SAMPLED_BIT | VK_IMAGE_USAGE_STORAGE_BIT);
    }
    return heaps;
}

truth::Layout plain(const cb::Layout& layout)
{
    truth::Layout result{layout.format.fourcc, layout.modifier.value, layout.width, layout.height, {}, {}};
    for (const cb::Plane& plane : layout.used_planes())
        result.planes.push_back({plane.memory, plane.stride, plane.offset});
    const auto memories = layout.used_memories();
    result.memories.assign(memories.begin(), memories.end());
    return result;
}

} // namespace oracle
