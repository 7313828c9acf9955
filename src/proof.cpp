// SPDX-License-Identifier: MIT
#include "proof.hpp"

#include "format/checked.hpp"
#include "heaps/heaps.hpp"
#include "negotiate/rank.hpp"
#include "os/os.hpp"
#include "text/text.hpp"

#include <algorithm>
#include <cerrno>

namespace commonbuf {
namespace {

using Scatter = Proof::UseTrial::Scatter;

constexpr std::uint32_t held_in_trials = 4;

std::vector<int> borrow(const std::vector<UniqueFd>& memories)
{
    std::vector<int> fds;
    fds.reserve(memories.size());
    for (const UniqueFd& memory : memories)
        fds.push_back(memory.get());
    return fds;
}

Verdict not_tried(std::string stage, const Error& error)
{
    Verdict verdict = refused(error, std::move(stage));
    verdict.outcome = Outcome::not_tried;
    return verdict;
}

bool passed(const Verdict& verdict) { return verdict.outcome <= Outcome::accepted; }

Verdict refused_allocation(const Error& error, const Layout& layout)
{
    // The first word of the operation is the call.
    Verdict verdict = refused(error, error.operation.substr(0, error.operation.find(' ')));
    verdict.needed = layout.total_size();
    return verdict;
}

/// A size whose last page a heap of chunks serves from its smallest ones.
std::uint64_t with_odd_tail(std::uint64_t bytes)
{
    constexpr std::uint64_t medium_chunk = 65536;
    constexpr std::uint64_t small_chunk = 4096;
    return checked::add(checked::round_up(bytes, medium_chunk), small_chunk).value_or(bytes);
}

} // namespace

Result<std::vector<UniqueFd>> allocate_memories(Heap& heap, const Layout& layout)
{
    std::vector<UniqueFd> memories;
    for (const std::uint64_t size : layout.used_memories()) {
        auto memory = heap.allocate(size);
        if (!memory)
            return fail(memory.error());
        memories.push_back(std::move(*memory));
    }
    return memories;
}

Proof::Proof(const Layout& layout, std::uint32_t count, std::vector<UseTrial> uses)
    : layout_(layout),
      count_(count),
      uses_(std::move(uses))
{
    const auto sizes = layout_.used_memories();
    const auto available = os::available_memory();
    if (available && layout_.total_size() > *available / held_in_trials)
        return;
    // Without udmabuf nothing is known of the uses, and each heap is asked for its luck.
    const auto orders = heaps::PageOrders::create(*std::max_element(sizes.begin(), sizes.end()));
    if (!orders)
        return;
    std::vector<Scatter> found(uses_.size(), Scatter::taken);
    for (const bool backwards : {false, true}) {
        const auto pages = orders->make(backwards);
        if (!pages)
            return;
        const std::vector<int> memories(sizes.size(), pages->get());
        for (std::size_t i = 0; i < uses_.size(); ++i) {
            if (found[i] == Scatter::taken && !passed(uses_[i].trial->attempt(memories)))
                found[i] = Scatter::refused;
        }
    }
    for (std::size_t i = 0; i < uses_.size(); ++i)
        uses_[i].scatter = found[i];
}

HeapVerdict Proof::attempt(Heap& heap)
{
    HeapVerdict result{heap.info(), {}, {}};
    if (heap.info().obstacle) {
        result.verdict = not_tried("open", *heap.info().obstacle);
        return result;
    }
    if (!heap.info().same_as.empty()) {
        result.verdict.reason = "another name of " + heap.info().same_as;
        return result;
    }
    if (auto refusal = too_large(heap)) {
        result.verdict = std::move(*refusal);
        return result;
    }
    {
        const auto memories = allocate_memories(heap, layout_);
        if (!memories) {
            result.verdict = refused_allocation(memories.error(), layout_);
            return result;
        }
        for (UseTrial& use : uses_)
            result.uses.push_back({use.name, use.trial->attempt(borrow(*memories))});
    }
    for (std::size_t i = 0; i < uses_.size(); ++i) {
        Verdict& verdict = result.uses[i].verdict;
        if (passed(verdict) && uses_[i].scatter != Scatter::taken)
            verdict = rule_out_luck(uses_[i], heap, std::move(verdict));
        else if (!passed(verdict) && uses_[i].scatter == Scatter::refused)
            verdict.reason += "; it needs contiguous memory: it refused scattered pages of another origin too";
    }
    result.verdict = negotiate::overall(result.uses);
    if (passed(result.verdict) && heap.info().scarce && count_ > 1)
        result.verdict = make_room(heap, std::move(result.verdict));
    return result;
}

Verdict Proof::rule_out_luck(UseTrial& use, Heap& heap, Verdict first) const
{
    constexpr std::size_t rounds = 3;
    Layout odd = layout_;
    for (std::uint64_t& size : odd.memory_sizes)
        size = size != 0 ? with_odd_tail(size) : 0;

    std::vector<std::vector<UniqueFd>> held;
    for (std::size_t round = 0; round < rounds; ++round) {
        auto memories = allocate_memories(heap, odd);
        if (!memories)
            break; // a small region is full after one or two
        Verdict verdict = use.trial->attempt(borrow(*memories));
        if (!passed(verdict)) {
            verdict.reason = text::format("a buffer of {} bytes passed by luck, one of {} did not: the use needs "
                                          "contiguous memory, and this heap does not promise it; {}",
                                          layout_.total_size(), odd.total_size(), verdict.reason);
            return verdict;
        }
        held.push_back(std::move(*memories));
    }
    if (held.empty()) {
        first.outcome = Outcome::accepted;
        first.reason += "; whether by luck is open: the heap has no room for a second look";
        return first;
    }
    // It refuses scattered memory when it imports; so its consent means something.
    if (use.scatter == Scatter::refused && first.outcome == Outcome::accepted) {
        first.outcome = Outcome::proved;
        first.reason += "; the device checks memory at import: it refused scattered pages and took these";
    }
    return first;
}

Verdict Proof::make_room(Heap& heap, Verdict verdict) const
{
    std::vector<std::vector<UniqueFd>> held;
    for (std::uint32_t i = 1; i <= count_; ++i) {
        auto memories = allocate_memories(heap, layout_);
        if (!memories) {
            verdict = refused_allocation(memories.error(), layout_);
            verdict.reason = text::format("{} of {} buffers fit; {}", i - 1, count_, verdict.reason);
            return verdict;
        }
        held.push_back(std::move(*memories));
    }
    return verdict;
}

/// Ordinary memory does not run out with an error: the kernel ends some program
/// instead. So what cannot be had is not asked for.
std::optional<Verdict> Proof::too_large(const Heap& heap) const
{
    if (heap.info().scarce)
        return std::nullopt;
    const auto available = os::available_memory();
    // Trials hold up to four buffers at once.
    const checked::Number needed =
        checked::multiply(layout_.total_size(), std::max<std::uint32_t>(count_, held_in_trials));
    if (!available || (needed && *needed <= *available))
        return std::nullopt;
    Verdict verdict;
    verdict.outcome = Outcome::refused;
    verdict.stage = "/proc/meminfo";
    verdict.sys_errno = ENOMEM;
    verdict.needed = needed.value_or(UINT64_MAX);
    verdict.offered = *available;
    verdict.reason = text::format("{} buffers of {} bytes do not fit into the {} bytes that are available", count_,
                                  layout_.total_size(), *available);
    return verdict;
}

std::vector<Origin> Proof::contiguity() const
{
    std::vector<Origin> origins;
    for (const UseTrial& use : uses_) {
        if (use.scatter == Scatter::refused)
            origins.push_back({"contiguous", 1, use.name, "import of UDMABUF_CREATE_LIST, pages reversed"});
    }
    return origins;
}

} // namespace commonbuf
