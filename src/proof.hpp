// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/heap.hpp>
#include <commonbuf/layout.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/use.hpp>
#include <commonbuf/verdict.hpp>

#include <memory>
#include <optional>
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
/// The first is asked once for each use, the second once for each use and heap, and
/// only where the first does not hold.
class Proof {
public:
    struct UseTrial {
        std::string name;
        std::unique_ptr<Trial> trial;
        /// What the page orders say of the use.
        enum class Scatter : std::uint8_t { unknown, taken, refused } scatter = Scatter::unknown;
    };

    /// Asks every use whether it takes scattered memory. `count` buffers must fit into
    /// a heap at once.
    Proof(const Layout& layout, std::uint32_t count, std::vector<UseTrial> uses);

    /// What becomes of the uses with memory of this heap.
    HeapVerdict attempt(Heap& heap);

    /// Which uses turned out to need contiguous memory, and how that is known.
    std::vector<Origin> contiguity() const;

private:
    Verdict rule_out_luck(UseTrial& use, Heap& heap, Verdict first) const;
    Verdict make_room(Heap& heap, Verdict verdict) const;
    std::optional<Verdict> too_large(const Heap& heap) const;

    Layout layout_;
    std::uint32_t count_;
    std::vector<UseTrial> uses_;
};

/// A dma-buf for each memory of a layout. Errors: what Heap::allocate() gives;
/// nothing is kept when one of several fails.
Result<std::vector<UniqueFd>> allocate_memories(Heap& heap, const Layout& layout);

} // namespace commonbuf
