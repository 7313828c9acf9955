// SPDX-License-Identifier: MIT
#include "negotiate/sizes.hpp"

#include "format/checked.hpp"
#include "negotiate/objection.hpp"

namespace commonbuf::negotiate {
namespace {

constexpr std::uint64_t small_page = 4096;

/// A size whose last page a heap of chunks serves from its smallest ones.
std::uint64_t with_odd_tail(std::uint64_t bytes)
{
    constexpr std::uint64_t medium_chunk = 65536;
    return checked::add(checked::round_up(bytes, medium_chunk), small_page).value_or(bytes);
}

} // namespace

Status fit_sizes(Layout& layout, const Constraints& constraints)
{
    for (std::uint32_t i = 0; i < layout.memory_count; ++i) {
        const auto size = fit_size(constraints, layout.memory_sizes[i]);
        if (!size)
            return size.error();
        layout.memory_sizes[i] = *size;
    }
    return {};
}

std::optional<Layout> with_odd_sizes(const Layout& layout, const Constraints& constraints)
{
    Layout odd = layout;
    for (std::uint64_t& size : odd.memory_sizes)
        size = size != 0 ? with_odd_tail(size) : 0;
    // A device that wants whole blocks would refuse the size, not the pages.
    if (constraints.size_align <= small_page && !objection(odd, constraints))
        return odd;
    if (!fit_sizes(odd, constraints) || objection(odd, constraints))
        return std::nullopt;
    return odd;
}

} // namespace commonbuf::negotiate
