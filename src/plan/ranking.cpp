// SPDX-License-Identifier: MIT
#include "plan/ranking.hpp"

#include "base/text.hpp"
#include "heaps/heap_info.hpp"

#include <algorithm>
#include <limits>
#include <set>

namespace commonbuf::ranking {
namespace {

using std::chrono::nanoseconds;

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

/// The cheapest of the heaps that may serve, beside which the others are seen.
std::optional<nanoseconds> cheapest_of(std::span<const HeapVerdict> heaps)
{
    std::optional<nanoseconds> cheapest;
    for (const HeapVerdict& heap : heaps) {
        if (heap.cpu_time && heap.verdict.serves())
            cheapest = std::min(*heap.cpu_time, cheapest.value_or(nanoseconds::max()));
    }
    return cheapest;
}

} // namespace

Verdict overall(const std::vector<UseVerdict>& uses)
{
    const auto worst = std::ranges::max_element(uses, {}, [](const auto& use) { return use.verdict.outcome; });
    return worst != uses.end() ? worst->verdict : Verdict{};
}

bool names(std::string_view word, const HeapInfo& heap) { return word == heap.name || word == to_string(heap.kind); }

std::optional<std::uint32_t> preference(const HeapInfo& heap, const Preferences& preferences)
{
    const auto& words = preferences.prefer;
    const auto found = std::ranges::find_if(words, [&heap](const std::string& word) { return names(word, heap); });
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
    if (const auto order = heaps::heap_traits(a.heap.kind).rank <=> heaps::heap_traits(b.heap.kind).rank; order != 0)
        return {order, RankKey::kind};
    return {a.heap.name <=> b.heap.name, RankKey::name};
}

Status check_costs(std::span<const CpuCost> costs)
{
    std::set<std::string_view> names;
    for (const CpuCost& cost : costs) {
        const auto wrong = [&cost](const char* why) {
            return Error::invalid_argument("CPU costs", text::format("of '{}': {}", cost.heap, why),
                                           "measure the heaps again");
        };
        if (cost.heap.empty())
            return wrong("a heap has a name");
        if (!names.insert(cost.heap).second)
            return wrong("it stands there twice");
        if (std::min({cost.read, cost.write, cost.read_bracket, cost.write_bracket}) < nanoseconds(0))
            return wrong("a time is negative");
    }
    return {};
}

std::optional<Access> together(std::optional<Access> a, std::optional<Access> b) noexcept
{
    if (!a || !b)
        return a ? a : b;
    return *a == *b ? a : Access::read_write;
}

nanoseconds cpu_time(const CpuCost& cost, Access access, std::uint64_t bytes) noexcept
{
    constexpr double mebibyte = 1U << 20U;
    const auto one = [bytes](nanoseconds bracket, nanoseconds each) {
        return static_cast<double>(bracket.count()) +
               static_cast<double>(each.count()) * (static_cast<double>(bytes) / mebibyte);
    };
    const double time = (access != Access::write ? one(cost.read_bracket, cost.read) : 0) +
                        (access != Access::read ? one(cost.write_bracket, cost.write) : 0);
    // The double below the largest count: the largest itself has none.
    constexpr auto max_time = nanoseconds::max();
    return time < static_cast<double>(max_time.count()) ? nanoseconds(static_cast<nanoseconds::rep>(time)) : max_time;
}

std::optional<CpuCostEffect> order(std::vector<HeapVerdict>& heaps, const Preferences& preferences,
                                   std::optional<Access> cpu, std::uint64_t bytes)
{
    const auto sort = [&heaps, &preferences](std::optional<nanoseconds> cheapest) {
        std::stable_sort(heaps.begin(), heaps.end(), [&](const HeapVerdict& a, const HeapVerdict& b) {
            return compare(a, b, preferences, cheapest).order < 0;
        });
        for (std::size_t i = 1; i < heaps.size(); ++i)
            heaps[i].below_by = compare(heaps[i - 1], heaps[i], preferences, cheapest).key;
        if (!heaps.empty())
            heaps.front().below_by.reset();
    };
    for (HeapVerdict& heap : heaps) {
        heap.cpu_time.reset();
        heap.preference = preference(heap.heap, preferences);
    }
    sort(std::nullopt);
    if (preferences.cpu_costs.empty() || heaps.empty())
        return std::nullopt;
    CpuCostEffect effect{CpuCostEffect::Kind::no_cpu_use, cpu, heaps.front().heap.name};
    if (!cpu)
        return effect;
    for (HeapVerdict& heap : heaps) {
        const auto found = std::ranges::find(preferences.cpu_costs, heap.heap.name, &CpuCost::heap);
        if (found != preferences.cpu_costs.end())
            heap.cpu_time = cpu_time(*found, *cpu, bytes);
    }
    const auto cheapest = cheapest_of(heaps);
    effect.kind = CpuCostEffect::Kind::not_measured;
    if (!cheapest)
        return effect;
    sort(cheapest);
    effect.kind =
        heaps.front().heap.name == effect.without ? CpuCostEffect::Kind::unchanged : CpuCostEffect::Kind::changed;
    return effect;
}

} // namespace commonbuf::ranking
