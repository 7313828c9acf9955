// SPDX-License-Identifier: MIT
//
// Measures what the CPU pays for memory of a heap: it times a bracket, a copy and a bracket. Copies
// go through memcpy(3) in pieces that stay in the nearest caches, as in most programs: loops of our
// own would measure the compiler.
#include "format/checked.hpp"
#include "os/os.hpp"

#include <commonbuf/cpu_cost.hpp>
#include <commonbuf/heap.hpp>

#include <linux/dma-buf.h>
#include <linux/ioctl.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

namespace commonbuf {
namespace {

using std::chrono::nanoseconds;

constexpr std::uint64_t mebibyte = 1U << 20U;
constexpr std::size_t piece = 64U << 10U;

/// The last cache of the first processor (Documentation/ABI/testing/sysfs-devices-system-cpu);
/// a guess where the kernel does not say.
std::uint64_t last_level_cache()
{
    const std::string folder = "/sys/devices/system/cpu/cpu0/cache";
    std::uint64_t largest = 0;
    for (const std::string& name : os::list(folder)) {
        const auto size = os::read_text(std::string(folder).append("/").append(name).append("/size")); // "32K"
        std::uint64_t kibibytes = 0;
        if (size && std::from_chars(size->data(), size->data() + size->size(), kibibytes).ec == std::errc())
            largest = std::max(largest, checked::multiply(kibibytes, 1024).value_or(0));
    }
    constexpr std::uint64_t usual = 16 * mebibyte;
    return largest != 0 ? largest : usual;
}

/// The length of a walk through ordinary memory that leaves nothing else in the last cache.
std::uint64_t walk_length()
{
    constexpr std::uint64_t max_walk = 64 * mebibyte;
    return std::min(checked::multiply(last_level_cache(), 2).value_or(max_walk), max_walk);
}

/// What one access takes: the bracket, and the bytes in it.
struct Times {
    nanoseconds bracket{};
    nanoseconds bytes{};
};

nanoseconds median(std::vector<Times> all, nanoseconds Times::*part)
{
    const auto middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
    std::ranges::nth_element(all, middle, {}, part);
    return (*middle).*part;
}

/// The time for one MiB, if so many bytes took so long.
nanoseconds per_mebibyte(nanoseconds time, std::uint64_t bytes)
{
    return nanoseconds(static_cast<std::int64_t>(static_cast<double>(time.count()) / static_cast<double>(bytes) *
                                                 static_cast<double>(mebibyte)));
}

class Measurement {
public:
    Measurement(int memory, std::span<std::byte> bytes)
        : memory_(memory),
          bytes_(bytes),
          scratch_(piece),
          elsewhere_(static_cast<std::size_t>(walk_length()))
    {}

    Result<Times> access(std::uint64_t direction)
    {
        // Reading must not look cheap because the data was just written.
        for (std::size_t at = 0; at < elsewhere_.size(); at += piece)
            std::memcpy(scratch_.data(), elsewhere_.data() + at, std::min(piece, elsewhere_.size() - at));

        const auto begun = std::chrono::steady_clock::now();
        if (const Status started = bracket(DMA_BUF_SYNC_START | direction); !started)
            return started.error();
        const auto started = std::chrono::steady_clock::now();
        for (std::size_t at = 0; at < bytes_.size(); at += piece) {
            const std::size_t length = std::min(piece, bytes_.size() - at);
            if (direction == DMA_BUF_SYNC_READ)
                std::memcpy(scratch_.data(), bytes_.data() + at, length);
            else
                std::memcpy(bytes_.data() + at, scratch_.data(), length);
        }
        const auto copied = std::chrono::steady_clock::now();
        if (const Status ended = bracket(DMA_BUF_SYNC_END | direction); !ended)
            return ended.error();
        const auto over = std::chrono::steady_clock::now();
        return Times{(started - begun) + (over - copied), copied - started};
    }

private:
    Status bracket(std::uint64_t flags) const
    {
        dma_buf_sync request{flags};
        if (const int error = os::ioctl_again(memory_, DMA_BUF_IOCTL_SYNC, &request); error != 0)
            return Error::from_errno(error, "DMA_BUF_IOCTL_SYNC");
        return {};
    }

    int memory_;
    std::span<std::byte> bytes_;
    std::vector<std::byte> scratch_;
    std::vector<std::byte> elsewhere_;
};

/// Ordinary memory would not fail: the kernel would end some program instead.
Status has_room(const Heap& heap, std::uint64_t bytes)
{
    const auto available = os::available_memory();
    const auto needed = checked::add(bytes, walk_length());
    if (heap.info().scarce || !available || (needed && *needed <= *available))
        return {};
    return Error::out_of_memory("measure " + heap.info().name,
                                std::to_string(bytes) + " bytes and what empties the caches are more than the " +
                                    std::to_string(*available) + " bytes that are free",
                                "measure with a smaller buffer");
}

} // namespace

std::string_view to_string(Access access) noexcept
{
    switch (access) {
    case Access::read: return "read";
    case Access::write: return "write";
    case Access::read_write: return "read-write";
    }
    return "unknown";
}

Result<CpuCost> measure_cpu_cost(Heap& heap, std::uint64_t bytes, Deadline deadline)
{
    const std::string operation = "measure " + heap.info().name;
    if (bytes == 0 || bytes > std::numeric_limits<std::size_t>::max() / 2)
        return Error::invalid_argument(operation, std::to_string(bytes) + " bytes make no buffer");
    if (const Status room = has_room(heap, bytes); !room)
        return room.error();
    const auto memory = heap.allocate(bytes);
    if (!memory)
        return memory.error();
    const auto size = os::size_of(memory->get());
    if (!size)
        return size.error();
    if (*size < bytes)
        return Error::kernel_failure(operation,
                                     "the heap gave " + std::to_string(*size) + " bytes for " + std::to_string(bytes));
    const auto mapping = os::Mapping::create(memory->get(), *size, true);
    if (!mapping)
        return mapping.error();

    Measurement measurement(memory->get(), mapping->bytes().first(static_cast<std::size_t>(bytes)));
    // Pages that are not there yet are made at the first touch, once in a buffer's life.
    if (const auto touched = measurement.access(DMA_BUF_SYNC_WRITE); !touched)
        return touched.error();
    constexpr int max_rounds = 5;
    std::vector<Times> read;
    std::vector<Times> write;
    for (int round = 0; round < max_rounds && std::chrono::steady_clock::now() < deadline; ++round) {
        const auto written = measurement.access(DMA_BUF_SYNC_WRITE);
        if (!written)
            return written.error();
        const auto looked = measurement.access(DMA_BUF_SYNC_READ);
        if (!looked)
            return looked.error();
        write.push_back(*written);
        read.push_back(*looked);
    }
    if (read.empty())
        return Error::timed_out(operation, "the deadline passed before anything was measured");
    return CpuCost{heap.info().name,
                   bytes,
                   per_mebibyte(median(read, &Times::bytes), bytes),
                   per_mebibyte(median(write, &Times::bytes), bytes),
                   median(read, &Times::bracket),
                   median(write, &Times::bracket)};
}

} // namespace commonbuf
