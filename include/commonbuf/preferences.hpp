// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/constraints.hpp>
#include <commonbuf/cpu_cost.hpp>

#include <string>
#include <vector>

namespace commonbuf {

/// What a caller wants of the choice, beyond what the devices ask for.
///
/// Heaps are named by their name ("system"), or all of a kind at once by it ("udmabuf",
/// "dma-heap", "drm-dumb", "gbm", "v4l2", "vulkan", "custom"). A name that no heap of this machine has matches
/// nothing.
struct Preferences {
    /// These stand above all others, in this order, wherever as much is known of them. A
    /// preference never lifts a heap above one of which more is proved.
    std::vector<std::string> prefer;

    /// These are not tried, and never serve.
    std::vector<std::string> forbid;

    /// Whether the next heap whose verdict is as good serves when the first is full.
    bool fall_back = true;

    /// What the devices cannot say of themselves. Give each an origin (add_origin()), so
    /// that refusals can name it.
    Constraints constraints;

    /// What the CPU pays for memory of the heaps, as measure_cpu_cost() says. Where the CPU is
    /// among the uses, heaps of which as much is known are ordered by it, after `prefer` and
    /// before everything else: one that costs twice as much or more stands below the cheaper
    /// one. Less of a difference is left to the usual order, and a heap that is not among the
    /// costs stands below all that are. Each heap at most once, no time negative.
    std::vector<CpuCost> cpu_costs;

    friend bool operator==(const Preferences&, const Preferences&) = default;
};

} // namespace commonbuf
