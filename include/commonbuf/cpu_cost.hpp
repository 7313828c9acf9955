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

/// What it costs this machine's CPU to use memory of one heap. Cached memory costs little to
/// read, uncached memory tens of times more, and memory that is not coherent costs at every
/// bracket. The kernel does not tell; measure_cpu_cost() measures it.
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

/// Measure one heap. It allocates a buffer of at least `bytes` bytes, touches it once, which does
/// not count, then writes and reads all of it several times and takes the median of each number.
/// Before each round it walks through ordinary memory of twice the last-level cache (at most
/// 64 MiB), so that it measures memory and not a cache, as a device leaves it.
///
/// No device is attached to the buffer, since a general program cannot attach one; brackets that
/// maintain caches for a device cost more in use. Other work on the machine shows in the numbers:
/// use them to compare heaps that were measured in one go.
///
/// Blocks for some milliseconds for each MiB. Call it from any thread; calls at the same time
/// disturb each other. Errors: invalid_argument (0 bytes), those of Heap::allocate(), unsupported
/// or permission_denied (the memory cannot be mapped), timed_out (the deadline passed before the
/// first round), and the category of a bracket that failed.
COMMONBUF_API Result<CpuCost> measure_cpu_cost(Heap& heap, std::uint64_t bytes, Deadline deadline);

} // namespace commonbuf
