// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <concepts>

namespace commonbuf {

/// The point in time at which a wait gives up: absolute, CLOCK_MONOTONIC.
///
/// There is no "wait forever", on purpose: a fence may never signal, and an endless wait would
/// stop the whole pipeline. With a deadline in the past every wait is a test that returns at once.
using Deadline = std::chrono::steady_clock::time_point;

/// Returns the deadline that lies `duration` from now. A duration that the clock cannot represent,
/// in whatever unit, gives the latest time there is, or the earliest.
template <std::integral Count, typename Unit>
Deadline deadline_in(std::chrono::duration<Count, Unit> duration) noexcept
{
    // Compared as floating point: the count of a long unit need not fit into nanoseconds. Rounding
    // keeps the order, so what compares as less is less.
    using Approximate = std::chrono::duration<double, std::nano>;
    const Deadline now = std::chrono::steady_clock::now();
    if (Approximate(duration) >= Approximate(Deadline::max() - now))
        return Deadline::max();
    if (Approximate(duration) <= Approximate(std::chrono::nanoseconds::min()))
        return Deadline::min();
    return now + std::chrono::duration_cast<std::chrono::nanoseconds>(duration);
}

} // namespace commonbuf
