// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/cpu_cost.hpp>
#include <commonbuf/layout.hpp>
#include <commonbuf/preferences.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/use.hpp>
#include <commonbuf/report.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace commonbuf::negotiate {

/// Whether costs make sense: named, each heap once, nothing negative. Errors: invalid_argument.
Status check_costs(std::span<const CpuCost> costs);

/// What the CPU does in two uses together.
std::optional<Access> together(std::optional<Access> a, std::optional<Access> b) noexcept;

/// What one access to all of `bytes` costs, brackets included. At most what the type holds.
std::chrono::nanoseconds cpu_time(const CpuCost& cost, Access access, std::uint64_t bytes) noexcept;

/// Sort heaps as compare() says, best first, and note for each the key that put it there. If the
/// CPU is among the uses and costs are given, their `cpu_time` for an image of this size counts
/// too; the answer then says what the costs did to the choice. None without costs or heaps.
std::optional<CpuCostEffect> order(std::vector<HeapVerdict>& heaps, const Preferences& preferences,
                                   std::optional<Access> cpu, std::uint64_t bytes);

} // namespace commonbuf::negotiate
