// SPDX-License-Identifier: MIT
#include "negotiate/nearest.hpp"

#include "negotiate/rank.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace commonbuf::negotiate {
namespace {

/// What a use has of the same format, or else of any.
std::vector<Arrangement> what_it_has(const Support& support, const Arrangement& wanted)
{
    std::set<Arrangement> same_format;
    std::set<Arrangement> all;
    for (const Arrangement& each : support.entries) {
        all.insert(each);
        if (each.format == wanted.format)
            same_format.insert(each);
    }
    const std::set<Arrangement>& shown = same_format.empty() ? all : same_format;
    return {shown.begin(), shown.end()};
}

} // namespace

std::optional<NearestConversion> nearest_conversion(const Request& request, std::span<const UseSupport> uses)
{
    std::map<Arrangement, std::uint32_t> having;
    for (const UseSupport& use : uses) {
        const std::set<Arrangement> ways(use.support->entries.begin(), use.support->entries.end());
        for (const Arrangement& way : ways)
            ++having[way];
    }
    if (having.empty())
        return std::nullopt;
    const FormatOrder order(request);
    const auto nearest = std::min_element(having.begin(), having.end(), [&order](const auto& a, const auto& b) {
        if (a.second != b.second)
            return a.second > b.second;
        return rank_of(a.first, order.place(a.first.format)) < rank_of(b.first, order.place(b.first.format));
    });
    NearestConversion result{nearest->first, nearest->second, {}};
    for (const UseSupport& use : uses) {
        if (find_entry(*use.support, nearest->first) == nullptr)
            result.lacking.push_back({use.use, what_it_has(*use.support, nearest->first)});
    }
    return result;
}

} // namespace commonbuf::negotiate
