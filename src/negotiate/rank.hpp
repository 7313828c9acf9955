// SPDX-License-Identifier: MIT
#pragma once

#include "negotiate/ways.hpp"

#include <commonbuf/layout.hpp>
#include <commonbuf/preferences.hpp>
#include <commonbuf/report.hpp>

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace commonbuf::negotiate {

/// The verdict on a heap: the worst among its uses.
Verdict overall(const std::vector<UseVerdict>& uses);

/// Whether a word of the caller's names this heap or its kind.
bool names(std::string_view word, const HeapInfo& heap);

/// The place of a heap in Preferences::prefer, by its name or its kind.
std::optional<std::uint32_t> preference(const HeapInfo& heap, const Preferences& preferences);

/// How two heaps stand to each other, and the key that says so.
struct Standing {
    std::strong_ordering order = std::strong_ordering::equal; ///< less: the first one stands above
    RankKey key = RankKey::name;
};

/// Compare two heaps of a plan. The keys, the first decides:
///   1. what is known: a proved heap before one that merely accepted. Memory that was
///      never shown to work is no choice, however nice it looks;
///   2. what the caller prefers, in the caller's order;
///   3. what the CPU pays, where the caller gave costs: by how often the cheapest one's time
///      doubles until it is reached, so that what differs by chance decides nothing. Behind
///      them come heaps that were not measured. No `cheapest`, and this key is none;
///   4. plenty before scarce: memory that was set aside for devices which can use nothing
///      else is not spent on those which can (scarce memory last);
///   5. the kind: dma-heaps are made for sharing, and the system heap has large chunks;
///      udmabuf has pages of 4 KiB, and limits on size and number; dumb buffers are memory
///      of one display driver, meant for it alone, and so are GBM's, V4L2's and Vulkan's of
///      theirs; of a caller's own heap nothing is known;
///   6. the name, so that the order does not depend on chance.
Standing compare(const HeapVerdict& a, const HeapVerdict& b, const Preferences& preferences,
                 std::optional<std::chrono::nanoseconds> cheapest = {});

/// How good a way of lying in memory is, the least is best. The keys, the first decides:
///   1. the caller's order of formats;
///   2. compressed before tiled before linear, where all agree: less memory is read and
///      written. What is unknown to this library comes behind linear, which the CPU and
///      strangers understand too, and implicit last, since it says nothing to anybody;
///   3. the fewest memories: one descriptor, one import.
/// Padding comes after that, among the layouts of one way (see Candidates).
struct Rank {
    std::uint32_t format = 0;
    std::uint8_t modifier = 0;
    std::uint8_t memories = 0;

    friend constexpr auto operator<=>(const Rank&, const Rank&) noexcept = default;
};
Rank rank_of(const Arrangement& way, std::size_t format_place) noexcept;

/// Where formats stand in the caller's order.
class FormatOrder {
public:
    explicit FormatOrder(const Request& request);

    /// 0 for the best; beyond the last for what the caller did not ask for.
    std::size_t place(Format format) const noexcept;
    std::size_t size() const noexcept { return places_.size(); }

private:
    std::vector<std::pair<Format, std::size_t>> places_; ///< sorted by format
};

} // namespace commonbuf::negotiate
