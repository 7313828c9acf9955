// SPDX-License-Identifier: MIT
#include "negotiate/rank.hpp"

#include <algorithm>
#include <limits>
#include <tuple>

namespace commonbuf {

std::string_view to_string(Outcome outcome) noexcept
{
    switch (outcome) {
    case Outcome::proved: return "proved";
    case Outcome::accepted: return "accepted";
    case Outcome::not_tried: return "not-tried";
    case Outcome::refused: return "refused";
    }
    return "unknown";
}

Verdict refused(const Error& error)
{
    Verdict verdict = refused(error, error.call);
    verdict.needed = error.needed.value_or(0);
    verdict.offered = error.offered.value_or(0);
    return verdict;
}

Verdict refused(const Error& error, std::string stage)
{
    Verdict verdict;
    verdict.outcome = Outcome::refused;
    verdict.stage = std::move(stage);
    verdict.sys_errno = error.sys_errno;
    verdict.reason = error.message();
    return verdict;
}

} // namespace commonbuf

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

bool better(const HeapVerdict& a, const HeapVerdict& b, const Preferences& preferences,
            std::optional<std::chrono::nanoseconds> cheapest)
{
    const auto preferred = [&preferences](const HeapVerdict& entry) {
        return std::find_if(preferences.prefer.begin(), preferences.prefer.end(),
                            [&entry](const std::string& word) { return names(word, entry.heap); }) -
               preferences.prefer.begin();
    };
    const auto key = [&preferred, cheapest](const HeapVerdict& entry) {
        return std::tuple(entry.verdict.outcome, preferred(entry), cheapest ? doublings(entry.cpu_time, *cheapest) : 0,
                          entry.heap.scarce, entry.heap.kind, std::string_view(entry.heap.name));
    };
    return key(a) < key(b);
}

Rank rank_of(const Way& way, std::size_t format_place) noexcept
{
    const auto arrangement = [](Modifier modifier) -> std::uint8_t {
        switch (classify(modifier)) {
        case ModifierClass::compressed: return 0;
        case ModifierClass::tiled: return 1;
        case ModifierClass::linear: return 2;
        case ModifierClass::unknown: return 3;
        case ModifierClass::implicit: break;
        }
        return 4; // NOLINT(readability-magic-numbers)
    };
    return {static_cast<std::uint32_t>(format_place), arrangement(way.modifier),
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
