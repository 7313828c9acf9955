// SPDX-License-Identifier: MIT
#include "negotiate/ways.hpp"

#include "text/text.hpp"

#include <algorithm>

namespace commonbuf::negotiate {
namespace {

using Entries = std::vector<const Support::Entry*>;

Way way_of(const Support::Entry& entry) { return {entry.format, entry.modifier, entry.memories}; }

bool before(const Support::Entry* a, const Support::Entry* b) { return way_of(*a) < way_of(*b); }

/// Of entries for one way, the first that the importer gave counts.
Entries sorted_entries(const Support& support)
{
    Entries entries;
    entries.reserve(support.entries.size());
    for (const Support::Entry& entry : support.entries)
        entries.push_back(&entry);
    if (!std::is_sorted(entries.begin(), entries.end(), before))
        std::stable_sort(entries.begin(), entries.end(), before);
    return entries;
}

} // namespace

std::string to_string(const Way& way)
{
    return text::format("{} {}{}", commonbuf::to_string(way.format), commonbuf::to_string(way.modifier),
                        way.memories == Memories::single ? "" : " with one memory per plane");
}

SharedWays::SharedWays(std::span<const UseSupport> uses)
{
    sorted_.reserve(uses.size());
    for (const UseSupport& use : uses)
        sorted_.push_back(sorted_entries(*use.support));
    if (sorted_.empty())
        return;
    ways_.reserve(sorted_.front().size());
    for (const Support::Entry* entry : sorted_.front()) {
        if (ways_.empty() || ways_.back() != way_of(*entry))
            ways_.push_back(way_of(*entry));
    }
    for (std::size_t i = 1; i < sorted_.size(); ++i) {
        auto theirs = sorted_[i].begin();
        const auto end = sorted_[i].end();
        std::erase_if(ways_, [&](const Way& way) {
            while (theirs != end && way_of(**theirs) < way)
                ++theirs;
            return theirs == end || way_of(**theirs) != way;
        });
    }
}

std::vector<const Support::Entry*> SharedWays::entries(const Way& way) const
{
    std::vector<const Support::Entry*> result;
    result.reserve(sorted_.size());
    for (const Entries& entries : sorted_) {
        const auto found =
            std::lower_bound(entries.begin(), entries.end(), way,
                             [](const Support::Entry* entry, const Way& wanted) { return way_of(*entry) < wanted; });
        if (found != entries.end())
            result.push_back(*found);
    }
    return result;
}

const Support::Entry* find_entry(const Support& support, const Way& way) noexcept
{
    const auto found = std::find_if(support.entries.begin(), support.entries.end(),
                                    [&way](const auto& entry) { return way_of(entry) == way; });
    return found != support.entries.end() ? &*found : nullptr;
}

} // namespace commonbuf::negotiate
