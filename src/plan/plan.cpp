// SPDX-License-Identifier: MIT
#include "buffer/buffer_state.hpp"
#include "buffer/image_place.hpp"
#include "base/log.hpp"
#include "os/os.hpp"
#include "plan/planning.hpp"
#include "plan/proof.hpp"
#include "base/text.hpp"
#include "base/unshared_heap.hpp"

#include <commonbuf/plan.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <utility>

namespace commonbuf {
namespace {

/// Replaces a verdict if the device refuses such memory at work.
void watch_refusals(const Buffer& buffer, const std::shared_ptr<VerdictCache>& cache, const Heap& heap)
{
    buffer.state().on_import_failure([cache, heap = heap.identity(), name = heap.info().name,
                                      layout = class_of(buffer.layout())](const std::vector<std::string>& identities,
                                                                          const Error& error) {
        bool is_news = false;
        for (const std::string& identity : identities) {
            // Others that have never been tried get a trial of their own.
            if (identity == identities.front() || cache->find(identity, heap, layout))
                is_news = cache->replace(identity, heap, layout, refused_at_work(error)) || is_news;
        }
        if (!is_news)
            return;
        log(text::format("{} refused memory of {} that it took before: its verdict is thrown away, and is a refusal "
                         "now: {}",
                         identities.front(), name, error.message()));
        if (const Status saved = cache->save(); !saved)
            log(saved.error().message());
    });
}

} // namespace

Verdict refused_at_work(const Error& error)
{
    Verdict verdict = Verdict::refused(error);
    verdict.reason = "it took such memory in a trial, and refused it at work" +
                     (verdict.reason.empty() ? std::string() : ": " + verdict.reason);
    return verdict;
}

Plan::Plan(std::shared_ptr<const PlanState> state) noexcept : state_(std::move(state)) {}

const Report& Plan::report() const noexcept { return *state_->report; }
const Layout& Plan::layout() const noexcept { return *state_->report->layout; }
const HeapVerdict& Plan::chosen() const noexcept { return state_->report->heaps.front(); }
std::string Plan::explain() const { return state_->report->explain(); }

namespace {

/// Allocates one buffer, with `more` still to come.
Result<Buffer> allocate_one(const PlanState& state, const Layout& layout, std::uint32_t more)
{
    const auto no_room = [&layout](std::string why, std::string advice) {
        return Error::out_of_memory(text::format("allocate {} bytes", layout.total_size()), std::move(why),
                                    std::move(advice))
            .with_errno(ENOMEM);
    };
    std::string full;
    std::optional<Error> too_small; // if it is about sizes, these are the last heap's
    KnownMemory known;
    for (const auto& heap : state.serving) {
        const Status room = more != 0 ? check_room(heap->info(), layout, std::uint64_t{more} + 1, known) : Status();
        auto memories = room ? allocate_memories(*heap, layout) : Result<std::vector<UniqueFd>>(room.error());
        if (memories) {
            auto buffer = make_buffer(layout, std::move(*memories), heap->info().name, full);
            if (buffer) {
                if (dynamic_cast<const UnsharedHeap*>(heap.get()) == nullptr)
                    buffer->state().share();
                watch_refusals(*buffer, state.cache, *heap);
                if (!full.empty())
                    log(text::format("a buffer comes from {}: {}", heap->info().name, full));
            }
            return buffer;
        }
        // Only a full heap makes way for the next one: no other heap mends any other failure.
        if (memories.error().category != Category::out_of_memory)
            return memories.error();
        full += (full.empty() ? "" : "; ") + memories.error().message();
        too_small = memories.error();
        if (!state.preferences.fall_back)
            break;
    }
    Error error =
        state.preferences.fall_back
            ? no_room("every heap of the plan is full: " + full, "release buffers, or plan with fewer or smaller ones")
            : no_room("the first heap is full, and the plan was made without fall-back: " + full,
                      "release buffers, or allow the other heaps of the plan");
    if (too_small) {
        error.needed = too_small->needed;
        error.offered = too_small->offered;
    }
    return error;
}

/// Refuses a number of buffers that have more descriptors than the process may have.
Status check_descriptors(const Layout& layout, std::uint32_t count)
{
    const std::uint64_t needed = std::uint64_t{count} * layout.memory_count;
    // Fewer can fail too, if others are open: at the call itself.
    constexpr std::uint64_t always_there = 64;
    if (needed <= always_there)
        return {};
    const auto most = os::max_descriptors();
    if (!most || needed < *most)
        return {};
    return Error::too_many_files(text::format("allocate {} buffers", count),
                                 text::format("they need {} descriptors, and this process may have {}", needed, *most),
                                 "allocate fewer, or raise the limit (ulimit -n)")
        .with_errno(EMFILE);
}

} // namespace

Result<Buffer> Plan::allocate() const { return allocate_one(*state_, layout(), 0); }

Result<std::vector<Buffer>> Plan::allocate(std::uint32_t count) const
{
    if (const Status possible = check_descriptors(layout(), count); !possible)
        return possible.error();
    std::vector<Buffer> buffers;
    for (std::uint32_t more = count; more != 0; --more) {
        auto buffer = allocate_one(*state_, layout(), more - 1);
        if (!buffer)
            return buffer.error();
        buffers.push_back(std::move(*buffer));
    }
    return buffers;
}

Status Plan::serves(const Buffer& buffer) const
{
    const std::string operation = "use a buffer of " + (buffer.heap().empty() ? "unknown origin" : buffer.heap());
    const auto place = find_image(buffer, layout());
    if (!place)
        return Error::incompatible(operation,
                                   text::format("it is {}, and the plan is for {}: {}", to_string(buffer.layout()),
                                                to_string(layout()), place.error().detail));
    for (std::uint32_t i = 0; i < layout().memory_count; ++i) {
        if (buffer.size((*place)[i]) < layout().memory_sizes[i])
            return Error::incompatible(operation, text::format("memory {} has {} bytes, and {} are needed", i,
                                                               buffer.size((*place)[i]), layout().memory_sizes[i]));
    }
    const auto& heaps = state_->report->heaps;
    const auto verdict = std::ranges::find(heaps, buffer.heap(), [](const auto& each) { return each.heap.name; });
    if (verdict == heaps.end())
        return Error::incompatible(operation, "its heap is not among those of the plan");
    if (!verdict->verdict.serves())
        return Error::incompatible(operation, text::format("its memory is {}: {}", to_string(verdict->verdict.outcome),
                                                           verdict->verdict.reason));
    return {};
}

} // namespace commonbuf
