// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/constraints.hpp>
#include <commonbuf/cpu_cost.hpp>

#include <string>
#include <vector>

namespace commonbuf {

/// What a caller wants of the choice, beyond what the devices ask for.
///
/// A word names a heap by its name ("system"), or all heaps of a kind ("udmabuf", "dma-heap",
/// "drm-dumb", "gbm", "v4l2", "vulkan", "custom"). A word that fits no heap of this machine has
/// no effect.
struct Preferences {
    /// Heaps that stand above the others of which as much is known, in this order. A preference
    /// never lifts a heap above one of which more is proved.
    std::vector<std::string> prefer;

    /// Heaps that are not tried, and never serve.
    std::vector<std::string> forbid;

    /// Whether the next heap with as good a verdict serves when the first is full.
    bool fall_back = true;

    /// What the devices cannot tell about themselves. Give each an origin (add_origin()), so that
    /// refusals can name it.
    Constraints constraints;

    /// What the CPU pays for memory of the heaps, as measure_cpu_cost() measures it. If the CPU is
    /// among the uses, heaps of which as much is known are ordered by it, after `prefer` and
    /// before everything else: a heap that costs twice as much or more stands below the cheaper
    /// one. A smaller difference does not count, and a heap that is not among the costs stands
    /// below all that are. Each heap at most once, no negative times.
    std::vector<CpuCost> cpu_costs;

    friend bool operator==(const Preferences&, const Preferences&) = default;
};

} // namespace commonbuf
