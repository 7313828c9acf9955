// SPDX-License-Identifier: MIT
#include "negotiate/ways.hpp"

#include <algorithm>
#include <numeric>

namespace commonbuf::negotiate {
namespace {

bool before(const Support::Entry& a, const Support::Entry& b) noexcept
{
    // Formats and modifiers differ mostly in their codes.
    if (a.format != b.format)
        return a.format < b.format;
    if (a.modifier != b.modifier)
        return a.modifier < b.modifier;
    return a.memories < b.memories;
}

/// The entries of a support in their order, without copying those that come sorted.
class Sorted {
public:
    explicit Sorted(const Support& support) : entries_(support.entries)
    {
        if (std::is_sorted(entries_.begin(), entries_.end(), before))
            return;
        order_.resize(entries_.size());
        std::iota(order_.begin(), order_.end(), 0U);
        std::stable_sort(order_.begin(), order_.end(),
                         [this](std::uint32_t a, std::uint32_t b) { return before(entries_[a], entries_[b]); });
    }

    std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(entries_.size()); }
    std::uint32_t index(std::uint32_t place) const noexcept { return order_.empty() ? place : order_[place]; }
    const Support::Entry& operator[](std::uint32_t place) const noexcept { return entries_[index(place)]; }

private:
    const std::vector<Support::Entry>& entries_;
    std::vector<std::uint32_t> order_;
};

} // namespace
} // namespace commonbuf::negotiate

namespace commonbuf {

void Support::sort() { std::stable_sort(entries.begin(), entries.end(), negotiate::before); }

} // namespace commonbuf

namespace commonbuf::negotiate {

SharedWays::SharedWays(std::span<const UseSupport> uses) : uses_(uses)
{
    if (uses.empty())
        return;
    const auto& first = uses.front().support->entries;
    {
        const Sorted sorted(*uses.front().support);
        shared_.reserve(sorted.size());
        for (std::uint32_t i = 0; i < sorted.size(); ++i) {
            // Of several entries for one arrangement, the importer's first counts.
            if (shared_.empty() || before(first[shared_.back()], sorted[i]))
                shared_.push_back(sorted.index(i));
        }
    }
    for (std::size_t i = 1; i < uses.size(); ++i) {
        // One device often has two accesses: the same answer takes nothing away.
        if (uses[i].support == uses[i - 1].support)
            continue;
        const Sorted theirs(*uses[i].support);
        std::uint32_t place = 0;
        std::size_t kept = 0;
        for (const std::uint32_t ours : shared_) {
            while (place < theirs.size() && before(theirs[place], first[ours]))
                ++place;
            if (place == theirs.size())
                break;
            if (!before(first[ours], theirs[place]))
                shared_[kept++] = ours;
        }
        shared_.resize(kept);
    }
}

Arrangement SharedWays::operator[](std::size_t index) const noexcept
{
    return uses_.front().support->entries[shared_[index]];
}

std::vector<const Support::Entry*> SharedWays::entries(const Arrangement& way) const
{
    std::vector<const Support::Entry*> result;
    result.reserve(uses_.size());
    for (const UseSupport& use : uses_) {
        if (const Support::Entry* entry = find_entry(*use.support, way))
            result.push_back(entry);
    }
    return result;
}

const Support::Entry* find_entry(const Support& support, const Arrangement& way) noexcept
{
    const auto found = std::find_if(support.entries.begin(), support.entries.end(), [&way](const auto& entry) {
        return static_cast<const Arrangement&>(entry) == way;
    });
    return found != support.entries.end() ? &*found : nullptr;
}

} // namespace commonbuf::negotiate
