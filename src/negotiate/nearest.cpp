// SPDX-License-Identifier: MIT
#include "negotiate/nearest.hpp"

#include "negotiate/rank.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace commonbuf::negotiate {
namespace {

/// What a use has of the same format, or else of any.
std::string what_it_has(const Support& support, const Way& wanted)
{
    constexpr std::size_t most = 8;
    std::set<Way> same_format;
    std::set<Way> all;
    for (const Support::Entry& entry : support.entries) {
        const Way way{entry.format, entry.modifier, entry.memories};
        all.insert(way);
        if (way.format == wanted.format)
            same_format.insert(way);
    }
    const std::set<Way>& shown = same_format.empty() ? all : same_format;
    if (shown.empty())
        return "nothing of what is asked for";
    std::vector<std::string> names;
    for (const Way& way : shown) {
        if (names.size() == most) {
            names.emplace_back("...");
            break;
        }
        names.push_back(to_string(way));
    }
    return text::join(names, ", ");
}

} // namespace

std::string nearest_conversion(const Request& request, std::span<const UseSupport> uses)
{
    std::map<Way, std::size_t> having;
    for (const UseSupport& use : uses) {
        std::set<Way> ways;
        for (const Support::Entry& entry : use.support->entries)
            ways.insert({entry.format, entry.modifier, entry.memories});
        for (const Way& way : ways)
            ++having[way];
    }
    if (having.empty())
        return {};
    const FormatOrder order(request);
    const auto nearest = std::min_element(having.begin(), having.end(), [&order](const auto& a, const auto& b) {
        if (a.second != b.second)
            return a.second > b.second;
        return rank_of(a.first, order.place(a.first.format)) < rank_of(b.first, order.place(b.first.format));
    });
    std::string lacking;
    for (const UseSupport& use : uses) {
        if (find_entry(*use.support, nearest->first) == nullptr)
            lacking += text::format("{}{} lacks it (it has {})", lacking.empty() ? "" : "; ", use.use,
                                    what_it_has(*use.support, nearest->first));
    }
    return text::format("nearest is {}, which {} of {} uses take: {}", to_string(nearest->first), nearest->second,
                        uses.size(), lacking);
}

} // namespace commonbuf::negotiate
