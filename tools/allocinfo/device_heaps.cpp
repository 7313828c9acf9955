// SPDX-License-Identifier: MIT
#include "device_heaps.hpp"

#include "text.hpp"
#include "uses.hpp"
#include "words.hpp"

#ifdef ALLOCINFO_VULKAN
#include "gpus.hpp"
#endif
#ifdef ALLOCINFO_GBM
#include <gbm.h>
#endif

#include <algorithm>
#include <map>
#include <optional>

namespace allocinfo {
namespace {

using commonbuf::Error;
using commonbuf::Heap;
using commonbuf::text::format;

using HeapResult = Expected<std::shared_ptr<Heap>>;

#if defined(ALLOCINFO_GBM) && defined(ALLOCINFO_DRM)
/// A card and GBM on it. Both are never closed: heaps need them.
struct Card {
    commonbuf::drm::Device device;
    gbm_device* gbm = nullptr;
};

HeapResult gbm_heap(const Parts& parts)
{
    using commonbuf::gbm::BufferUse;
    const std::map<std::string_view, BufferUse> uses{{"scanout", BufferUse::scanout},
                                                     {"render", BufferUse::render},
                                                     {"scanout-render", BufferUse::scanout_and_render}};
    const auto purpose = uses.find(parts.role);
    if (purpose == uses.end())
        return wrong(format("'{}' is not a purpose of GBM images", parts.role),
                     "write scanout, render or scanout-render");
    const auto device = open_gbm(parts.target);
    if (!device)
        return device.error();
    return commonbuf::gbm::heap(*device, purpose->second);
}
#else
HeapResult gbm_heap(const Parts& /*parts*/) { return left_out("GBM"); }
#endif

#ifdef ALLOCINFO_VULKAN
HeapResult vulkan_heap(const Parts& parts)
{
    const auto usage = gpu_usage(parts.role);
    if (!usage)
        return usage.error();
    const auto device = open_gpu(without_at(parts.target));
    if (!device)
        return Problem(device.error(), trouble);
    return commonbuf::vulkan::heap(*device, *usage);
}
#else
HeapResult vulkan_heap(const Parts& /*parts*/) { return left_out("Vulkan"); }
#endif

#ifdef ALLOCINFO_V4L2
HeapResult v4l2_heap(const Parts& parts)
{
    using commonbuf::v4l2::Role;
    if (parts.role != "capture" && parts.role != "output")
        return wrong(format("'{}' is not a queue of a V4L2 device", parts.role), "write capture or output");
    const auto device = commonbuf::v4l2::Device::open(parts.target);
    if (!device)
        return Problem(device.error(), trouble);
    auto heap = device->heap(parts.role == "capture" ? Role::capture : Role::output);
    if (heap == nullptr)
        return Error::unsupported(format("take memory of {}", parts.target),
                                  format("its driver does not export buffers of the {} queue", parts.role));
    return heap;
}
#else
HeapResult v4l2_heap(const Parts& /*parts*/) { return left_out("V4L2"); }
#endif

} // namespace

#if defined(ALLOCINFO_GBM) && defined(ALLOCINFO_DRM)
Expected<gbm_device*> open_gbm(std::string_view target)
{
    // Heaps may live as long as the program, so these are never destroyed.
    static auto& opened = *new std::map<std::string, Card, std::less<>>;
    if (const auto known = opened.find(target); known != opened.end())
        return known->second.gbm;
    auto device = commonbuf::drm::Device::open(target);
    if (!device)
        return Problem(device.error(), trouble);
    gbm_device* made = gbm_create_device(device->fd());
    if (made == nullptr)
        return Error::unsupported(format("gbm_create_device on {}", device->info().path), "GBM has no driver for it",
                                  "install Mesa's drivers (libgbm1, mesa-libgallium)");
    return opened.emplace(target, Card{*device, made}).first->second.gbm;
}
#endif

HeapResult parse_heap(std::string_view word)
{
    const auto parts = split(word);
    if (parts && parts->kind == "gbm")
        return gbm_heap(*parts);
    if (parts && parts->kind == "vulkan")
        return vulkan_heap(*parts);
    if (parts && parts->kind == "v4l2")
        return v4l2_heap(*parts);
    return wrong(format("'{}' is not a heap of a device", word),
                 "write gbm:TARGET:scanout, vulkan:TARGET:storage (or other words of --help) or v4l2:TARGET:capture, "
                 "where TARGET is a path or @name");
}

Expected<void> add_heaps(commonbuf::Allocator& allocator, const std::vector<std::string>& words)
{
    for (const std::string& word : words) {
        const auto heap = parse_heap(word);
        if (!heap)
            return heap.error();
        if (const auto added = allocator.add_heap(*heap); !added)
            return added.error();
    }
    return {};
}

Expected<std::vector<std::shared_ptr<Heap>>> heaps_with(const std::vector<std::string>& words)
{
    commonbuf::Allocator allocator;
    if (const auto added = add_heaps(allocator, words); !added)
        return added.error();
    return allocator.heaps();
}

} // namespace allocinfo
