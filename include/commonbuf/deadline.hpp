// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>

namespace commonbuf {

/// The point in time at which a wait gives up: absolute, CLOCK_MONOTONIC.
///
/// There is no "for ever" on purpose: a fence may never signal, and a wait
/// without an end would take the whole pipeline with it. A deadline in the past
/// makes every wait a test that returns at once.
using Deadline = std::chrono::steady_clock::time_point;

/// The deadline that lies `duration` from now.
inline Deadline in(std::chrono::nanoseconds duration) { return std::chrono::steady_clock::now() + duration; }

} // namespace commonbuf
