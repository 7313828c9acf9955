// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/fence.hpp>
#include <commonbuf/place.hpp>
#include <commonbuf/use.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>

namespace commonbuf {
class BufferState;
}

/// Those who look on while buffers are used: the access checker and the trace. Nobody does
/// by default, and then each call here costs one look at a flag.
namespace commonbuf::watch {

/// One use of a buffer, for people.
struct Site {
    std::string_view who; ///< "CPU", the name of a job or of a V4L2 node
    Access access = Access::read;
    Place where;
};

/// A job between gather() and publish().
struct JobRun {
    struct Part {
        BufferState* buffer;
        Access access;
    };
    std::uint64_t number = 0; ///< of this run; 0 where it never gathered
    std::string_view name;
    Place where;
    bool concurrent = false;
    std::span<const Part> parts;
};

/// Buffers are known by their state, as long as it lives. Called from any thread.
class Watcher {
public:
    virtual ~Watcher() = default;

    /// A CPU access is open from here on; `number` tells it from all others.
    virtual void cpu_began(BufferState& buffer, std::uint64_t number, const Site& site) = 0;
    virtual void cpu_ended(BufferState& buffer, std::uint64_t number) = 0;
    /// The pixels were asked for after the access had ended.
    virtual void cpu_touched_late(const Place& begun, const Place& touched) = 0;

    virtual void job_gathered(const JobRun& run, const Fence& before) = 0;
    virtual void job_published(const JobRun& run, const Fence& done) = 0;

    /// A device without fences has the buffer.
    virtual void queued(BufferState& buffer, const void* queue, const Site& site) = 0;
    virtual void dequeued(BufferState& buffer, const void* queue, bool failed) = 0;

    /// A display reads the buffer, from a commit whose order its job has seen to, until
    /// another one takes its place and the job is published.
    virtual void shown(BufferState& buffer, const void* display, const Site& site) = 0;
    virtual void replaced(BufferState& buffer, const void* display) = 0;

    /// A pool has the buffer until this fence has signalled and somebody acquires it.
    virtual void released(BufferState& buffer, const Fence& until, const Place& where) = 0;
    virtual void acquired(BufferState& buffer, const Place& where) = 0;

    virtual void waited(const Fence& fence, std::chrono::steady_clock::time_point begun, bool good) = 0;

    virtual void gone(BufferState& buffer) = 0;
};

enum class Seat : std::uint8_t { checker, trace };

/// Puts somebody into a seat; nullptr for nobody. A watcher lives as long as the program.
void sit(Seat seat, Watcher* watcher) noexcept;

namespace inside {
inline constinit std::atomic<bool> anybody{false};
inline constinit std::array<std::atomic<Watcher*>, 2> seats{};
} // namespace inside

/// Numbers accesses and runs; never 0.
std::uint64_t next_number() noexcept;

inline bool anybody() noexcept { return inside::anybody.load(std::memory_order_relaxed); }

/// Calls a function of everybody who looks on.
template <typename Tell>
void tell(Tell tell_one)
{
    if (!anybody())
        return;
    for (const auto& seat : inside::seats) {
        if (Watcher* watcher = seat.load(std::memory_order_acquire); watcher != nullptr)
            tell_one(*watcher);
    }
}

} // namespace commonbuf::watch
