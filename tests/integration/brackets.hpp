// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

/// What this program told the kernel by DMA_BUF_IOCTL_SYNC, seen at its ioctl() (lie.cpp).
struct BracketCounts {
    std::uint64_t starts = 0; ///< of reading and of writing
    std::uint64_t ends = 0;
    std::int64_t readers = 0; ///< open now
    std::int64_t writers = 0; ///< open now
    std::int64_t most_readers = 0;
    std::int64_t most_writers = 0;
    bool surplus = false; ///< one ended without a start
    bool nested = false;  ///< one kind was open twice
    bool at_once = false; ///< two calls overlapped
    unsigned hung = 0;    ///< STARTs that waited for a fence: others may overtake these
};

/// Longer than the maintenance of a buffer takes: such a START waits for a fence.
constexpr std::chrono::milliseconds hangs{5};

/// Counts from here on. For programs that use one buffer.
void count_brackets();
BracketCounts brackets();

/// Does something just before each START, with its flags, in the thread that makes the call. An
/// empty function ends that.
void before_start(std::function<void(std::uint64_t flags)> something);
