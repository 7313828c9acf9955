// SPDX-License-Identifier: MIT
#include "negotiate/rank.hpp"

#include <algorithm>

namespace commonbuf::negotiate {

Rank rank_of(const Arrangement& arrangement, std::size_t format_place) noexcept
{
    const auto class_of = [](Modifier modifier) -> std::uint8_t {
        switch (classify(modifier)) {
        case ModifierClass::compressed: return 0;
        case ModifierClass::tiled: return 1;
        case ModifierClass::linear: return 2;
        case ModifierClass::unknown: return 3;
        case ModifierClass::implicit: break;
        }
        return 4; // NOLINT(readability-magic-numbers)
    };
    return {static_cast<std::uint32_t>(format_place), class_of(arrangement.modifier),
            static_cast<std::uint8_t>(arrangement.memories == Memories::single ? 0 : 1)};
}

FormatOrder::FormatOrder(const Request& request)
{
    places_.reserve(request.alternatives.size() + 1);
    for (const Format format : request.formats())
        places_.emplace_back(format, places_.size());
    std::sort(places_.begin(), places_.end());
}

std::size_t FormatOrder::place(Format format) const noexcept
{
    // Of a format that was named twice, the better place comes first.
    const auto found = std::lower_bound(places_.begin(), places_.end(), std::pair(format, std::size_t{0}));
    return found != places_.end() && found->first == format ? found->second : places_.size();
}

} // namespace commonbuf::negotiate
