// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/cpu_cost.hpp>
#include <commonbuf/preferences.hpp>
#include <commonbuf/report.hpp>
#include <commonbuf/result.hpp>

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

/// The order of heaps in a plan. Pure.
namespace commonbuf::ranking {

/// The verdict on a heap: the worst among its uses.
Verdict overall(const std::vector<UseVerdict>& uses);

/// Tell whether a word of the caller's names this heap or its kind.
bool names(std::string_view word, const HeapInfo& heap);

/// The place of a heap in Preferences::prefer, by its name or its kind.
std::optional<std::uint32_t> preference(const HeapInfo& heap, const Preferences& preferences);

/// How two heaps stand to each other, and the key that decides.
struct Standing {
    std::strong_ordering order = std::strong_ordering::equal; ///< less: the first one stands above
    RankKey key = RankKey::name;
};

/// Compare two heaps of a plan. The keys, the first that differs decides:
///   1. what is known: a proved heap before one that merely accepted. Memory that was never
///      shown to work is no choice, however nice it looks;
///   2. what the caller prefers, in the caller's order;
///   3. what the CPU pays, if the caller gave costs: how often the cheapest heap's time doubles
///      until it is reached, so that differences by chance decide nothing. Heaps that were not
///      measured come last. Without `cheapest` this key does not count;
///   4. plenty before scarce: memory that was set aside for devices which can use nothing else is
///      not spent on those which can;
///   5. the kind (heaps::heap_traits());
///   6. the name, so that the order does not depend on chance.
Standing compare(const HeapVerdict& a, const HeapVerdict& b, const Preferences& preferences,
                 std::optional<std::chrono::nanoseconds> cheapest = {});

/// Check that costs make sense: named, each heap once, nothing negative. Errors: invalid_argument.
Status check_costs(std::span<const CpuCost> costs);

/// What the CPU does in two uses together.
std::optional<Access> together(std::optional<Access> a, std::optional<Access> b) noexcept;

/// What one access to all of `bytes` costs, brackets included. At most what the type holds.
std::chrono::nanoseconds cpu_time(const CpuCost& cost, Access access, std::uint64_t bytes) noexcept;

/// Sort heaps as compare() says, best first, and note for each the key that put it there. If the
/// CPU is among the uses and there are costs, their `cpu_time` for an image of this size counts
/// too, and the answer tells what the costs did to the choice. None without costs or heaps.
std::optional<CpuCostEffect> order(std::vector<HeapVerdict>& heaps, const Preferences& preferences,
                                   std::optional<Access> cpu, std::uint64_t bytes);

} // namespace commonbuf::ranking
