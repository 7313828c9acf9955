// SPDX-License-Identifier: MIT
#pragma once

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

/// Proves one layout on one heap after another, for a set of uses, by trying.
///
/// A trial that passes may pass by luck: a heap of scattered pages sometimes gives
/// contiguous ones, on a fresh boot even megabytes of them. So before a pass counts,
/// one of two things must be known:
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
/// The first is asked once for each use, the second once for each use and heap, and
/// only where the first does not hold. What was asked before and lasts is not asked
/// again: a use whose verdicts are all known is not even opened for a trial.
class Proof {
public:
    /// A use that cannot be tried with this layout.
    struct Obstacle {
        std::string use;
        Error error;
    };

    /// Begins the trials that are needed for these heaps. `count` buffers must fit into a
    /// heap at once. `cache` must outlive the proof. Errors: what begin_trial() gives.
    static tl::expected<Proof, Obstacle> begin(const Layout& layout, std::uint32_t count, std::span<const Use> uses,
                                               const std::vector<std::shared_ptr<Heap>>& heaps, VerdictCache& cache);

    Proof(Proof&&) noexcept = default;
    Proof& operator=(Proof&&) = delete;
    Proof(const Proof&) = delete;
    Proof& operator=(const Proof&) = delete;
    ~Proof();

    /// What becomes of the uses with memory of this heap, one of those it began with.
    /// `constraints` speak for what no device can be asked.
    HeapVerdict attempt(Heap& heap, const Constraints& constraints);

    /// Which uses turned out to need contiguous memory, and how that is known: they refused
    /// scattered pages, and took memory of a heap. To be asked when the heaps were tried.
    std::vector<Origin> contiguity() const;

private:
    struct TriedUse {
        std::string name;
        std::string identity;
        std::map<std::string, Verdict> known; ///< by heap
        std::unique_ptr<Trial> trial;         ///< none when all is known
        /// What the page orders say of the use.
        enum class Scatter : std::uint8_t { unknown, taken, refused } scatter = Scatter::unknown;
        bool takes_something = false; ///< memory of some heap, in this layout
    };
    /// A verdict, and whether another trial would give the same.
    struct Finding {
        Verdict verdict;
        bool lasting = true;
    };

    Proof(const Layout& layout, std::uint32_t count, VerdictCache& cache);
    void look_for_scatter();
    Status fill(HeapVerdict& result, Heap& heap, const Constraints& constraints);
    Finding rule_out_luck(TriedUse& use, Heap& heap, const Constraints& constraints, Verdict first) const;
    Verdict make_room(Heap& heap, Verdict verdict) const;
    std::optional<Verdict> too_large(const Heap& heap);
    std::optional<Verdict> not_in_one_piece(const Heap& heap) const;

    Layout layout_;
    std::string class_;
    std::uint32_t count_;
    VerdictCache* cache_;
    std::vector<TriedUse> uses_;
    std::optional<std::optional<std::uint64_t>> available_; ///< memory, asked once
};

/// Whether nothing but a trial can say what becomes of a heap.
bool is_tryable(const HeapInfo& heap);

/// A dma-buf for each memory of a layout. Errors: what Heap::allocate_image() gives;
/// kernel_failure (the heap gave another number of them).
Result<std::vector<UniqueFd>> allocate_memories(Heap& heap, const Layout& layout);

} // namespace commonbuf
