// SPDX-License-Identifier: MIT
#include "negotiate/cpu_time.hpp"

#include "negotiate/rank.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <set>

namespace commonbuf::negotiate {
namespace {

using std::chrono::nanoseconds;

const char* what(Access access)
{
    switch (access) {
    case Access::read: return "reading";
    case Access::write: return "writing";
    case Access::read_write: break;
    }
    return "reading and writing";
}

/// "0.31 ms", as long as that says something.
std::string in_words(nanoseconds time)
{
    constexpr double milli = 1e6;
    constexpr std::int64_t least = 10'000;
    if (time.count() < least)
        return text::format("{} ns", time.count());
    return text::format("{:.2f} ms", static_cast<double>(time.count()) / milli);
}

std::string time_in(const HeapVerdict& heap)
{
    return heap.cpu_time ? text::format("{} in {}", in_words(*heap.cpu_time), heap.heap.name)
                         : text::format("an unknown time in {}, which was not measured", heap.heap.name);
}

/// The cheapest of the heaps that may serve, beside which the others are seen.
std::optional<nanoseconds> cheapest_of(std::span<const HeapVerdict> heaps)
{
    std::optional<nanoseconds> least;
    for (const HeapVerdict& heap : heaps) {
        if (heap.cpu_time && heap.verdict.outcome <= Outcome::accepted && (!least || *heap.cpu_time < *least))
            least = heap.cpu_time;
    }
    return least;
}

} // namespace

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
    constexpr auto most = nanoseconds::max();
    return time < static_cast<double>(most.count()) ? nanoseconds(static_cast<nanoseconds::rep>(time)) : most;
}

std::string order(std::vector<HeapVerdict>& heaps, const Preferences& preferences, std::optional<Access> cpu,
                  std::uint64_t bytes)
{
    const auto sort = [&heaps, &preferences](std::optional<nanoseconds> cheapest) {
        std::stable_sort(heaps.begin(), heaps.end(), [&](const HeapVerdict& a, const HeapVerdict& b) {
            return better(a, b, preferences, cheapest);
        });
    };
    for (HeapVerdict& heap : heaps)
        heap.cpu_time.reset();
    sort(std::nullopt);
    if (preferences.cpu_costs.empty() || heaps.empty())
        return {};
    if (!cpu)
        return "the CPU costs decide nothing: the CPU is none of the uses";
    const std::string without = heaps.front().heap.name;
    for (HeapVerdict& heap : heaps) {
        const auto found = std::find_if(preferences.cpu_costs.begin(), preferences.cpu_costs.end(),
                                        [&heap](const CpuCost& cost) { return cost.heap == heap.heap.name; });
        if (found != preferences.cpu_costs.end())
            heap.cpu_time = cpu_time(*found, *cpu, bytes);
    }
    const auto cheapest = cheapest_of(heaps);
    if (!cheapest)
        return "no heap that serves is among the CPU costs";
    sort(cheapest);
    const HeapVerdict& first = heaps.front();
    if (first.heap.name == without)
        return text::format("the CPU costs changed nothing: {} an image takes {}", what(*cpu), time_in(first));
    const auto other = std::find_if(heaps.begin(), heaps.end(),
                                    [&without](const HeapVerdict& heap) { return heap.heap.name == without; });
    return text::format("the CPU costs decided: {} an image takes {}, and {}", what(*cpu), time_in(first),
                        time_in(*other));
}

} // namespace commonbuf::negotiate
