// SPDX-License-Identifier: MIT
//
// Proof by content of a plan: every use works in real buffers, one after the other, and what that shows
// is remembered.
#include "base/log.hpp"
#include "base/text.hpp"
#include "buffer/buffer_state.hpp"
#include "heaps/heaps.hpp"
#include "os/os.hpp"
#include "os/reach.hpp"
#include "plan/planning.hpp"

#include <commonbuf/allocator.hpp>

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

namespace commonbuf {
namespace {

/// As many buffers as a device has at once in practice, or fewer if the heap has room only for
/// those that the plan asked for.
Result<std::vector<Buffer>> make_buffers(const Plan& plan)
{
    constexpr std::uint32_t usual = 4;
    const std::uint32_t wanted = std::max(usual, plan.report().request.count);
    std::vector<Buffer> buffers;
    for (std::uint32_t i = 0; i < wanted; ++i) {
        auto buffer = plan.allocate();
        if (buffer && buffer->fallback().empty()) {
            buffers.push_back(std::move(*buffer));
            continue;
        }
        if (i >= plan.report().request.count)
            break;
        if (!buffer)
            return buffer.error();
        return Error::out_of_memory("verify " + plan.chosen().heap.name, buffer->fallback());
    }
    return buffers;
}

/// Buffers of the same layout in memory that certainly has breaks. Errors: why there is none.
Result<std::vector<Buffer>> make_broken_buffers(const Layout& layout, std::size_t count)
{
    const auto available = os::available_memory();
    if (available && layout.total_size() > *available / (2 * count))
        return Error::out_of_memory("verify in scattered memory", "there is too little memory for it");
    std::vector<Buffer> buffers;
    while (buffers.size() < count) {
        std::vector<UniqueFd> memories;
        for (const std::uint64_t size : layout.used_memories()) {
            const auto orders = heaps::PageOrders::create(size);
            if (!orders)
                return orders.error();
            auto pages = orders->make(heaps::PageOrders::Order::mixed);
            if (!pages)
                return pages.error();
            memories.push_back(std::move(*pages));
        }
        auto buffer = make_buffer(layout, std::move(memories), "", "");
        if (!buffer)
            return buffer.error();
        buffers.push_back(std::move(*buffer));
    }
    return buffers;
}

Content failed(const Error& error)
{
    return {.result = Sameness::failed,
            .stage = error.call.empty() ? error.operation : error.call,
            .reason = error.message(),
            .sys_errno = error.sys_errno};
}

const Verdict* verdict_of(const HeapVerdict& heap, const std::string& use)
{
    const auto found = std::ranges::find(heap.uses, use, &UseVerdict::use);
    return found != heap.uses.end() ? &found->verdict : nullptr;
}

/// Whether every buffer of the plan's heap is in one piece: the heap promises it, or a use that refuses
/// scattered pages is proved with it, which takes luck out of it; or a memory is a single page.
bool is_in_one_piece(const Plan& plan)
{
    constexpr std::uint64_t smallest_page = 4096;
    const HeapVerdict& heap = plan.chosen();
    const auto sizes = plan.layout().used_memories();
    if (heap.heap.memory.contiguous == true ||
        std::ranges::all_of(sizes, [](std::uint64_t size) { return size <= smallest_page; }))
        return true;
    return std::ranges::any_of(plan.report().constraints.origins, [&heap](const Origin& origin) {
        const Verdict* verdict = verdict_of(heap, origin.device);
        return origin.constraint == Constraint::contiguous && verdict != nullptr && verdict->outcome <= Outcome::proved;
    });
}

std::string what_was_the_same(const Content& content)
{
    return text::format("{} frames compared with {}", content.frames, content.stage);
}

Verdict shown_wrong(const Content& content, std::string_view where)
{
    Verdict verdict = Verdict::refused(
        Error::incompatible("", text::format("its content {}was different: {} wrong bytes in {} frames, compared with "
                                             "{}{}{}",
                                             where, content.wrong_bytes, content.frames, content.stage,
                                             content.reason.empty() ? "" : "; ", content.reason)));
    verdict.call = "verify";
    return verdict;
}

/// Learns from the content of one use after the other.
class Lesson {
public:
    Lesson(const Plan& plan, std::size_t buffers, const VerifyOptions& options)
        : plan_(plan),
          buffers_(buffers),
          options_(options),
          one_piece_(is_in_one_piece(plan))
    {}

    /// What is known after this content; not_tried if it says nothing new.
    Verdict learn(const Use& use, const Content& content)
    {
        if (content.result == Sameness::different)
            return shown_wrong(content, "");
        const Verdict* known = verdict_of(plan_.chosen(), use.name());
        if (content.result != Sameness::same || known == nullptr || !known->serves())
            return {};
        // A part that was not looked at, or a buffer, may be wrong.
        if (!is_whole(content))
            return {};
        if (one_piece_ || use.importer().cpu_access())
            return Verdict::verified("verify", what_was_the_same(content) + "; " + known->reason);
        return in_broken_memory(use, content, *known);
    }

private:
    /// These buffers may have been in one piece by luck, and the next ones may not be.
    Verdict in_broken_memory(const Use& use, const Content& content, const Verdict& known)
    {
        // What is wrong in pages that a device does not reach says nothing of breaks.
        constexpr std::uint32_t all = 64;
        const std::uint32_t reach = plan_.report().constraints.address_bits;
        if (reach < os::bits_of_memory().value_or(all))
            return Verdict::not_tried(
                text::format("later buffers may have breaks where these had none, and memory that "
                             "certainly has some may lie beyond the {} bits of an address that a "
                             "device reaches",
                             reach));
        if (!broken_)
            broken_ = make_broken_buffers(plan_.layout(), buffers_);
        if (!*broken_)
            return Verdict::not_tried("later buffers may have breaks where these had none, and memory that certainly "
                                      "has some could not be tried: " +
                                      broken_->error().message());
        const auto again = commonbuf::verify(use, **broken_, options_.frames, options_.deadline);
        if (again && again->result == Sameness::same && is_whole(*again))
            return Verdict::verified("verify", text::format("{}, in this memory and in scattered memory; {}",
                                                            what_was_the_same(content), known.reason));
        if (again && again->result == Sameness::different && plan_.chosen().heap.memory.contiguous == false)
            return shown_wrong(*again, "in scattered memory ");
        return Verdict::not_tried(
            "later buffers may have breaks where these had none, and in scattered memory " +
            (!again ? "it failed: " + again.error().message()
                    : text::format("the content was {}: {}", to_string(again->result), again->reason)));
    }

    /// Whether every buffer was compared as a whole. A reason beside "same" says what was left out.
    bool is_whole(const Content& content) const { return content.reason.empty() && content.frames >= buffers_; }

    const Plan& plan_;
    std::size_t buffers_;
    const VerifyOptions& options_;
    bool one_piece_;
    std::optional<Result<std::vector<Buffer>>> broken_; ///< made when a use needs them
};

} // namespace

Result<Verification> Allocator::verify(const Plan& plan, std::span<const Use> uses, const VerifyOptions& options)
{
    if (uses.empty() || options.frames == 0)
        return Error::invalid_argument("verify", "there is no use, or no frame to look at");
    const auto buffers = make_buffers(plan);
    if (!buffers)
        return buffers.error();
    Verification verification;
    verification.heap = plan.chosen().heap.name;
    verification.buffers = static_cast<std::uint32_t>(buffers->size());
    const std::string& heap = plan.state().serving.front()->identity();
    const std::string layout = class_of(plan.layout());
    Lesson lesson(plan, buffers->size(), options);
    for (const Use& use : uses) {
        auto content = commonbuf::verify(use, *buffers, options.frames, options.deadline);
        if (!content && content.error().category == Category::unsupported && content.error().operation == "verify")
            return content.error(); // the library was built without it
        UseContent entry{use.name(), content ? std::move(*content) : failed(content.error()), {}};
        entry.verdict = lesson.learn(use, entry.content);
        if (entry.verdict.outcome != Outcome::not_tried)
            cache_->replace(use.identity(), heap, layout, entry.verdict);
        verification.uses.push_back(std::move(entry));
    }
    if (const Status saved = cache_->save(); !saved)
        log(saved.error().message());
    return verification;
}

} // namespace commonbuf
