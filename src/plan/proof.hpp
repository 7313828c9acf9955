// SPDX-License-Identifier: MIT
#pragma once

#include "negotiate/objection.hpp"
#include "plan/verdict_cache.hpp"

#include <commonbuf/heap.hpp>
#include <commonbuf/layout.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/use.hpp>
#include <commonbuf/report.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace commonbuf {

/// What the machine has of memory, in bytes, each asked once: nothing inside if the kernel does not say.
struct KnownMemory {
    std::optional<std::optional<std::uint64_t>> available{};
    std::optional<std::optional<std::uint64_t>> total{};
};

/// Proves one layout on one heap after another, for a set of uses, by trials.
///
/// A trial may pass by luck: a heap of scattered pages sometimes gives contiguous ones, on a
/// fresh boot even megabytes of them. So before a pass counts, one of two things must be known:
///
///   the use takes scattered memory    It took the pages of one memory file both in
///                                     their order and backwards (udmabuf). Not both
///                                     can be contiguous.
///   the heap is not lucky             The use also took several buffers that are
///                                     held at once and end in a single small page.
///                                     A heap of chunks takes that page from
///                                     elsewhere; a contiguous region cannot.
///
/// Memory of a single page is contiguous without luck.
///
/// The first is asked once for each use, the second once for each use and heap, and only if the
/// first does not hold. Lasting answers are not asked for again: a use whose verdicts are all
/// known is not even opened for a trial.
///
/// A trial that fails for a reason that may pass (Error::is_final()) says nothing: the verdict is
/// "not tried", nothing follows from it, and it is not remembered. Neither is what was found out
/// without the first question because that could not be asked just then.
///
/// Some devices want bytes beyond the layout that no query tells. A use that refuses memory is offered
/// larger memory; if it takes that, and refuses the exact size again, the difference is its slack().
class Proof {
public:
    /// What is proved: a layout, the same layout in odd sizes (none if the constraints allow
    /// none), and the constraints, which speak for what no device can be asked.
    struct Subject {
        Layout layout;
        std::optional<Layout> odd{};
        Constraints constraints{};
    };

    /// `count` buffers must fit into a heap at once. `cache` must outlive the proof.
    Proof(const Subject& subject, std::uint32_t count, VerdictCache& cache);

    /// Add a use, which is to be tried with these heaps. Add all uses before begin().
    void add(const Use& use, std::span<const std::shared_ptr<Heap>> heaps);

    /// Begin the trials of the uses whose verdict on one of their heaps is not known, in an order that all
    /// plans have: a trial holds its device until the proof ends, and two plans in two orders would wait for
    /// each other. Call it before the first attempt(). Returns the use that could not be tried and why
    /// (begin_trial()), or nothing.
    struct Failed {
        std::string use;
        Error error;
    };
    std::optional<Failed> begin();

    Proof(Proof&&) noexcept = default;
    Proof& operator=(Proof&&) = delete;
    Proof(const Proof&) = delete;
    Proof& operator=(const Proof&) = delete;
    ~Proof();

    /// Try all uses with memory of this heap, one of those that they were added with. Errors: what stops
    /// planning (stops_planning()).
    Result<HeapVerdict> attempt(Heap& heap);

    /// What uses want in each memory beyond the layout, and how that is known. Ask when all heaps were
    /// tried.
    struct Slack {
        std::uint64_t bytes = 0;
        std::vector<Origin> origins; ///< with the size that a memory must have at least
    };
    Slack slack() const;

    /// The uses that need contiguous memory, and how that is known: they refused scattered pages,
    /// and took memory of a heap. Ask when all heaps were tried.
    std::vector<Origin> contiguity() const;

private:
    struct TriedUse {
        Use use;
        std::string name;
        std::string identity;
        bool all_known = true;
        std::map<std::string, Verdict> known; ///< by heap
        std::unique_ptr<Trial> trial;         ///< none when all is known
        /// What the page orders say of the use. Undecided: nothing, and they may say more at the next try.
        enum class Scatter : std::uint8_t { unknown, undecided, taken, refused } scatter = Scatter::unknown;
        bool takes_something = false; ///< memory of some heap, in this layout
        bool slack_sought = false;
        std::uint64_t slack = 0; ///< bytes beyond the layout in each memory
    };
    /// A verdict, and whether another trial would give the same.
    struct Finding {
        Verdict verdict;
        bool lasting = true;
    };

    Status look_for_scatter();
    Result<std::vector<UniqueFd>> allocate_if_needed(Heap& heap) const;
    Result<std::vector<UseVerdict>> ask_uses(Heap& heap, std::vector<UniqueFd> memories);
    Status judge(TriedUse& use, Heap& heap, Verdict& verdict, bool is_in_one_piece) const;
    Result<Finding> rule_out_luck(TriedUse& use, Heap& heap, Verdict first) const;
    static bool may_want_more(const TriedUse& use, const HeapInfo& heap, const Verdict& verdict);
    Outcome offer(const TriedUse& use, Heap& heap, const Layout& layout) const;
    std::optional<std::uint64_t> look_for_slack(const TriedUse& use, Heap& heap) const;
    Verdict lacks(std::uint64_t slack, Verdict verdict) const;
    Result<Verdict> make_room(Heap& heap, Verdict verdict) const;
    std::optional<Verdict> without_trial(const HeapInfo& heap, const std::optional<negotiate::Objection>& objection);
    std::optional<Verdict> too_large(const HeapInfo& heap);
    std::optional<Verdict> not_in_one_piece(const HeapInfo& heap) const;

    Subject subject_;
    std::string class_;
    std::uint32_t count_;
    VerdictCache* cache_;
    std::vector<TriedUse> uses_;
    std::vector<std::size_t> begun_; ///< the uses with a trial, in the order of their beginning
    bool scatter_open_ = false;      ///< some use was not asked yet
    KnownMemory available_;          ///< asked once
};

/// Tell whether a failure of a device ends planning, because trials say nothing as long as it lasts: the
/// device itself is the obstacle (Error::concerns_device()), or the descriptors ran out.
bool stops_planning(const Error& error);

/// Tell whether only a trial can say what becomes of a heap.
bool is_tryable(const HeapInfo& heap);

/// Refuse buffers that do not fit into the machine, before memory is taken from anybody. Ordinary memory
/// does not run out with an error: the kernel ends some program instead. So no more than is available must be
/// asked for. Errors: out_of_memory, with both sizes.
Status check_room(const HeapInfo& heap, const Layout& layout, std::uint64_t count, KnownMemory& known);

/// Allocate a dma-buf for each memory of a layout. Errors: those of Heap::allocate_image();
/// kernel_failure (the heap gave another number of them).
Result<std::vector<UniqueFd>> allocate_memories(Heap& heap, const Layout& layout);

} // namespace commonbuf
