// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/deadline.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/result.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace commonbuf {

class Heap;

/// What the CPU does with the pixels.
enum class Access : std::uint8_t { read = 1, write = 2, read_write = 3 };

/// Name an access as it stands in JSON: "read", "write", "read-write".
COMMONBUF_API std::string_view to_string(Access access) noexcept;

/// What it costs this machine's CPU to use memory of one heap: cached memory costs little to
/// read, memory past the caches tens of times more, and memory that is not coherent pays at
/// every bracket. The kernel tells none of it; measure_cpu_cost() finds out.
struct CpuCost {
    std::string heap;        ///< by its name, as in HeapInfo::name
    std::uint64_t bytes = 0; ///< the buffer that was measured

    std::chrono::nanoseconds read{};  ///< for each MiB, when no cache holds it
    std::chrono::nanoseconds write{}; ///< for each MiB, likewise

    /// START and END of DMA_BUF_IOCTL_SYNC together, for a buffer of that size.
    std::chrono::nanoseconds read_bracket{};
    std::chrono::nanoseconds write_bracket{};

    friend bool operator==(const CpuCost&, const CpuCost&) = default;
};

/// Measures one heap: allocates one buffer of at least `bytes` bytes, touches it once, which
/// does not count, then writes and reads all of it several times and takes the median of each
/// number. Before each time ordinary memory of twice the last-level cache is walked through
/// (at most 64 MiB), so that memory and not a cache is measured, as a device leaves it.
///
/// No device is attached to the buffer: brackets that maintain caches for a device cost more
/// in use, and no general program can attach one. Other work on the machine shows in the
/// numbers; they are for comparing heaps with each other, measured in one go.
///
/// Blocks for some milliseconds for each MiB. Call it from any thread; several at once disturb
/// each other. Errors: invalid_argument (0 bytes), what Heap::allocate() gives, unsupported or
/// permission_denied (the memory cannot be mapped), timed_out (not measured once before the
/// deadline), kernel_failure (a bracket failed).
COMMONBUF_API Result<CpuCost> measure_cpu_cost(Heap& heap, std::uint64_t bytes, Deadline deadline);

} // namespace commonbuf
