// SPDX-License-Identifier: MIT
#include "truth.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace oracle {
namespace {

namespace cb = commonbuf;

/// Heaps that make buffers of single pages or chunks, where they can be used.
bool is_scattered(const cb::HeapInfo& heap)
{
    return !heap.obstacle && heap.same_as.empty() && (!heap.scarce || heap.kind == cb::HeapKind::drm_dumb);
}

/// What makes one layout another one, as text.
std::string signature(const cb::Layout& layout)
{
    std::string text = cb::to_string(layout);
    for (const cb::Plane& plane : layout.used_planes())
        text += " " + std::to_string(plane.memory) + "@" + std::to_string(plane.offset);
    return text;
}

} // namespace

const Truth& Truths::of(const NamedUse& use, const OracleHeap& heap, const cb::Layout& layout)
{
    const Key key{use.name, heap.name(), signature(layout)};
    if (const auto found = known_.find(key); found != known_.end())
        return found->second;
    return known_[key] = find(use, heap, layout);
}

Truth Truths::stream(const NamedUse& use, const std::vector<cb::Buffer>& buffers, std::uint32_t frames)
{
    ++streams_;
    const auto started = std::chrono::steady_clock::now();
    const auto content = cb::verify(use.use, buffers, frames, cb::deadline_in(std::chrono::seconds(60)));
    seconds_[use.name] += std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    if (!content)
        return {Answer::fails, content.error().message()};
    compared_ += content->frames;
    switch (content->result) {
    case cb::Sameness::same: return {Answer::works, {}};
    case cb::Sameness::not_checked: return {Answer::unknown, content->reason};
    default: break;
    }
    return {Answer::fails, std::to_string(content->wrong_bytes) + " wrong bytes, cause " +
                               std::string(to_string(content->cause)) + ": " + content->reason};
}

Truth Truths::find(const NamedUse& use, const OracleHeap& heap, const cb::Layout& layout)
{
    const auto first = allocate(heap, layout, buffers_, 0);
    if (!first)
        return {Answer::fails, first.error().message()};
    Truth truth = stream(use, *first, frames_);
    constexpr std::uint64_t odd_page = 4096;
    // What a device's driver gives may be of ordinary memory. A single page is contiguous, whichever it is.
    const cb::HeapInfo& info = heap.heap->info();
    const bool region = info.scarce && (info.kind == cb::HeapKind::dma_heap || info.kind == cb::HeapKind::custom);
    const auto sizes = layout.used_memories();
    const bool pages = std::all_of(sizes.begin(), sizes.end(), [](std::uint64_t size) { return size <= odd_page; }) &&
                       first->front().size() <= odd_page;
    if (truth.answer != Answer::works || region || pages)
        return truth;
    // A few pages in a row are no rare luck: right after a boot all small buffers have it. So
    // what is small is made large.
    const bool small = layout.total_size() <= 65536;
    const std::uint64_t extra = small ? (1U << 20U) + odd_page : odd_page;
    // All are held at once, and no board has endless memory; large ones are never lucky.
    constexpr std::uint64_t most_held = 128U << 20U;
    const int rounds = small ? 8 : layout.total_size() * buffers_ * 3 <= most_held ? 2 : 0;
    constexpr std::uint32_t few = 3;
    std::vector<std::vector<cb::Buffer>> held;
    for (int i = 0; i < rounds; ++i) {
        auto more = allocate(heap, layout, buffers_, extra);
        if (!more)
            break;
        truth = stream(use, *more, few);
        if (truth.answer != Answer::works) {
            truth.reason = "the first buffers worked by luck: " + truth.reason;
            return truth;
        }
        held.push_back(std::move(*more));
    }
    // GBM makes nothing larger. What the device does with scattered memory, other heaps tell.
    const bool open = small && heap.gbm != nullptr;
    for (const OracleHeap& other : heaps_) {
        if (open && is_scattered(other.heap->info()) && of(use, other, layout).answer == Answer::fails)
            return {Answer::unknown, "it may have worked by luck: " + other.name() + " fails"};
    }
    return truth;
}

} // namespace oracle
