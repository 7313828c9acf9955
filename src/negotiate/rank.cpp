// SPDX-License-Identifier: MIT
#include "negotiate/rank.hpp"

#include <algorithm>
#include <limits>

namespace commonbuf::negotiate {

Verdict overall(const std::vector<UseVerdict>& uses)
{
    const auto worst = std::max_element(
        uses.begin(), uses.end(), [](const auto& a, const auto& b) { return a.verdict.outcome < b.verdict.outcome; });
    return worst != uses.end() ? worst->verdict : Verdict{};
}

bool names(std::string_view word, const HeapInfo& heap) { return word == heap.name || word == to_string(heap.kind); }

namespace {

/// How often the cheapest time doubles until a time is reached; a class of its own for none.
int doublings(std::optional<std::chrono::nanoseconds> time, std::chrono::nanoseconds cheapest)
{
    if (!time)
        return std::numeric_limits<int>::max();
    int count = 0;
    // What costs nothing at all has no double.
    for (auto rest = time->count() / std::max<std::int64_t>(cheapest.count(), 1); rest > 1; rest /= 2)
        ++count;
    return count;
}

} // namespace

std::optional<std::uint32_t> preference(const HeapInfo& heap, const Preferences& preferences)
{
    const auto& words = preferences.prefer;
    const auto found =
        std::find_if(words.begin(), words.end(), [&heap](const std::string& word) { return names(word, heap); });
    return found != words.end() ? std::optional(static_cast<std::uint32_t>(found - words.begin())) : std::nullopt;
}

Standing compare(const HeapVerdict& a, const HeapVerdict& b, const Preferences& preferences,
                 std::optional<std::chrono::nanoseconds> cheapest)
{
    const auto place = [&preferences](const HeapVerdict& entry) {
        return preference(entry.heap, preferences).value_or(std::numeric_limits<std::uint32_t>::max());
    };
    const auto cost = [cheapest](const HeapVerdict& entry) {
        return cheapest ? doublings(entry.cpu_time, *cheapest) : 0;
    };
    if (const auto order = a.verdict.outcome <=> b.verdict.outcome; order != 0)
        return {order, RankKey::outcome};
    if (const auto order = place(a) <=> place(b); order != 0)
        return {order, RankKey::preference};
    if (const auto order = cost(a) <=> cost(b); order != 0)
        return {order, RankKey::cpu_time};
    if (const auto order = a.heap.scarce <=> b.heap.scarce; order != 0)
        return {order, RankKey::scarcity};
    if (const auto order = a.heap.kind <=> b.heap.kind; order != 0)
        return {order, RankKey::kind};
    return {a.heap.name <=> b.heap.name, RankKey::name};
}

Rank rank_of(const Arrangement& way, std::size_t format_place) noexcept
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
    return {static_cast<std::uint32_t>(format_place), class_of(way.modifier),
            static_cast<std::uint8_t>(way.memories == Memories::single ? 0 : 1)};
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
    // Of a format that stands there twice, the better place comes first.
    const auto found = std::lower_bound(places_.begin(), places_.end(), std::pair(format, std::size_t{0}));
    return found != places_.end() && found->first == format ? found->second : places_.size();
}

} // namespace commonbuf::negotiate
