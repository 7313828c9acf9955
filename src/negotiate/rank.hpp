// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/layout.hpp>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace commonbuf::negotiate {

/// How good an arrangement is, the least is best. The keys, the first decides:
///   1. the caller's order of formats;
///   2. compressed before tiled before linear, if all uses agree: less memory is read and
///      written. A modifier that this library does not know comes after linear, which the CPU and
///      strangers understand too, and implicit comes last, since it tells nothing to anybody;
///   3. the fewest memories: one descriptor, one import.
/// Padding comes after that, among the layouts of one arrangement (see Candidates).
struct Rank {
    std::uint32_t format = 0;
    std::uint8_t modifier = 0;
    std::uint8_t memories = 0;

    friend constexpr auto operator<=>(const Rank&, const Rank&) noexcept = default;
};
Rank rank_of(const Arrangement& arrangement, std::size_t format_place) noexcept;

/// The places of formats in the caller's order.
class FormatOrder {
public:
    explicit FormatOrder(const Request& request);

    /// 0 for the best; size() for a format that the caller did not ask for.
    std::size_t place(Format format) const noexcept;
    std::size_t size() const noexcept { return places_.size(); }

private:
    std::vector<std::pair<Format, std::size_t>> places_; ///< sorted by format
};

} // namespace commonbuf::negotiate
