// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>

namespace commonbuf {

/// The point in time at which a wait gives up: absolute, CLOCK_MONOTONIC.
///
/// There is no "wait forever", on purpose: a fence may never signal, and an endless wait would
/// stop the whole pipeline. With a deadline in the past every wait is a test that returns at once.
using Deadline = std::chrono::steady_clock::time_point;

/// Returns the deadline that lies `duration` from now. A duration that the clock cannot represent
/// gives the latest time there is.
inline Deadline deadline_in(std::chrono::nanoseconds duration) noexcept
{
    const Deadline now = std::chrono::steady_clock::now();
    // The clock does not run backwards from 0: only the latest point in time can be passed.
    return duration > Deadline::max() - now ? Deadline::max() : now + duration;
}

} // namespace commonbuf
