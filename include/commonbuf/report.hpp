// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/constraints.hpp>
#include <commonbuf/cpu_cost.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/heap_info.hpp>
#include <commonbuf/layout.hpp>
#include <commonbuf/preferences.hpp>
#include <commonbuf/purpose.hpp>
#include <commonbuf/verdict.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace commonbuf {

/// What ranks heaps, the first key that differs decides.
enum class RankKey : std::uint8_t {
    outcome,    ///< a proved heap before one that merely accepted
    preference, ///< the caller's order (Preferences::prefer)
    cpu_time,   ///< what the CPU pays (Preferences::cpu_costs); twice as much or more stands below
    scarcity,   ///< plenty before scarce
    kind,       ///< memory made for sharing before memory of one device
    name,       ///< by the alphabet, so that the order does not depend on chance
};

/// Name a key as it stands in JSON: "outcome", "preference", "cpu-time", "scarcity", "kind", "name".
COMMONBUF_API std::string_view to_string(RankKey key) noexcept;

/// What became of one heap in a plan.
struct HeapVerdict {
    HeapInfo heap;
    Verdict verdict; ///< the worst of its uses, or what failed before any use
    std::vector<UseVerdict> uses;

    /// The key that put it below the heap above it; none for the first heap.
    std::optional<RankKey> below_by{};

    /// Its place in Preferences::prefer, by its name or its kind; none if it is not there.
    std::optional<std::uint32_t> preference{};

    /// What the CPU's uses cost for one image in this heap, by Preferences::cpu_costs. None
    /// if the CPU is no use or the heap was not measured.
    std::optional<std::chrono::nanoseconds> cpu_time{};

    friend bool operator==(const HeapVerdict&, const HeapVerdict&) = default;
};

/// A layout that was considered before the chosen one, and who refused it.
struct LayoutVerdict {
    Layout layout;
    std::string use;
    Verdict verdict;

    friend bool operator==(const LayoutVerdict&, const LayoutVerdict&) = default;
};

/// What one flag of a purpose stood for (see resolve()).
struct ResolvedPurpose {
    Purpose purpose = Purpose::none; ///< one flag
    std::vector<std::string> uses;
    std::vector<UseVerdict> left_out; ///< devices of the class that do not take the image, and why

    friend bool operator==(const ResolvedPurpose&, const ResolvedPurpose&) = default;
};

/// Where a conversion would do, for uses that share no arrangement.
struct NearestConversion {
    /// A use that lacks the arrangement, and what it has instead: the arrangements of the same
    /// format, or all of them if it has none of that format.
    struct Lacking {
        std::string use;
        std::vector<Arrangement> has;

        friend bool operator==(const Lacking&, const Lacking&) = default;
    };

    Arrangement arrangement;      ///< the one that the fewest uses lack
    std::uint32_t taken_by = 0;   ///< how many uses take it
    std::vector<Lacking> lacking; ///< the others

    friend bool operator==(const NearestConversion&, const NearestConversion&) = default;
};

/// What Preferences::cpu_costs did to the choice. The times are in HeapVerdict::cpu_time.
struct CpuCostEffect {
    enum class Kind : std::uint8_t {
        no_cpu_use,   ///< nothing: the CPU is none of the uses
        not_measured, ///< nothing: no heap that serves is among the costs
        unchanged,    ///< the same heap is first with and without them
        changed,      ///< another heap is first because of them
    };

    Kind kind = Kind::no_cpu_use;
    std::optional<Access> access; ///< what the CPU does in all uses together
    std::string without;          ///< the heap that is first without the costs

    friend bool operator==(const CpuCostEffect&, const CpuCostEffect&) = default;
};

/// Name an effect as it stands in JSON: "no-cpu-use", "not-measured", "unchanged", "changed".
COMMONBUF_API std::string_view to_string(CpuCostEffect::Kind kind) noexcept;

/// Everything behind a plan, or behind there being none.
struct COMMONBUF_API Report {
    Request request;
    Preferences preferences;
    std::vector<std::string> uses;
    std::vector<ResolvedPurpose> purposes; ///< how the devices were found, if the caller named none
    std::optional<Layout> layout;          ///< the layout of the heap verdicts
    Constraints constraints;               ///< merged over all uses
    std::vector<HeapVerdict> heaps;        ///< in the order of the choice, best first
    std::vector<LayoutVerdict> set_aside;  ///< layouts that some use refused
    std::vector<UseVerdict> not_served;    ///< uses that no layout at all serves

    /// Set if the uses share no arrangement: where the caller can convert.
    std::optional<NearestConversion> nearest;

    /// Set if there were Preferences::cpu_costs, and heaps to rank by them.
    std::optional<CpuCostEffect> cpu_cost_effect;

    /// Explain the report to people: a few lines, the chosen heap first.
    std::string explain() const;

    friend bool operator==(const Report&, const Report&) = default;
};

} // namespace commonbuf
