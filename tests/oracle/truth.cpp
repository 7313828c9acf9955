// SPDX-License-Identifier: MIT
#include "truth.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace oracle {
namespace {

namespace cb = commonbuf;

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
    const auto content = use.use.importer().verify(buffers, frames, cb::in(std::chrono::seconds(60)));
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
    // A few pages in a row are no rare luck.
    constexpr std::uint64_t small = 65536;
    // All are held at once, and no board has endless memory; large ones are never lucky.
    constexpr std::uint64_t most_held = 128U << 20U;
    const int rounds = layout.total_size() <= small ? 8 : layout.total_size() * buffers_ * 3 <= most_held ? 2 : 0;
    constexpr std::uint32_t few = 3;
    std::vector<std::vector<cb::Buffer>> held;
    for (int i = 0; i < rounds; ++i) {
        auto more = allocate(heap, layout, buffers_, odd_page);
        if (!more)
            break;
        truth = stream(use, *more, few);
        if (truth.answer != Answer::works) {
            truth.reason = "the first buffers worked by luck: " + truth.reason;
            return truth;
        }
        held.push_back(std::move(*more));
    }
    return truth;
}

} // namespace oracle
