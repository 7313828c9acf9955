// SPDX-License-Identifier: MIT
#pragma once

#include "os/os.hpp"

#include <commonbuf/fence.hpp>
#include <commonbuf/layout.hpp>
#include <commonbuf/place.hpp>
#include <commonbuf/use.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

/// Observers of what happens to buffers: the access checker and the trace. By default there are
/// none, and each call here costs one look at a flag.
namespace commonbuf::watch {

/// A buffer as observers know it: by its address, as long as it lives.
class Subject {
public:
    Subject(const Subject&) = delete;
    Subject& operator=(const Subject&) = delete;

    virtual const Layout& layout() const noexcept = 0;
    virtual const std::string& heap() const noexcept = 0;

    /// Returns what identifies its first dma-buf; nothing for the program's own memory.
    virtual std::optional<os::FileId> dma_buf() const noexcept = 0;

protected:
    Subject() = default;
    ~Subject() = default;
};

/// One use of a buffer, for people.
struct Site {
    std::string_view who; ///< "CPU", the name of a job or of a V4L2 node
    Access access = Access::read;
    Place where;
};

/// A job between gather() and publish().
struct JobRun {
    struct Part {
        Subject* buffer;
        Access access;
    };
    std::uint64_t number = 0; ///< of this run; 0 if it never gathered
    std::string_view name;
    Place where;
    bool concurrent = false;
    std::span<const Part> parts;
};

/// Called from any thread.
class Watcher {
public:
    virtual ~Watcher() = default;

    /// A CPU access was begun; `number` tells it from all others.
    virtual void cpu_began(Subject& buffer, std::uint64_t number, const Site& site) = 0;
    virtual void cpu_ended(Subject& buffer, std::uint64_t number) = 0;
    /// The pixels were asked for after the access had ended.
    virtual void cpu_touched_late(const Place& begun, const Place& touched) = 0;

    virtual void job_gathered(const JobRun& run, const Fence& before) = 0;
    virtual void job_published(const JobRun& run, const Fence& done) = 0;

    /// The buffer went to a device without fences, or came back from it.
    virtual void queued(Subject& buffer, const void* queue, const Site& site) = 0;
    virtual void dequeued(Subject& buffer, const void* queue, bool failed) = 0;

    /// A display reads the buffer, until another buffer takes its place and the job of its commit is
    /// published. That job has ordered the commit.
    virtual void shown(Subject& buffer, const void* display, const Site& site) = 0;
    virtual void replaced(Subject& buffer, const void* display) = 0;

    /// A pool has the buffer, until this fence has signalled and somebody acquires the buffer.
    virtual void released(Subject& buffer, const Fence& until, const Place& where) = 0;
    virtual void acquired(Subject& buffer, const Place& where) = 0;

    virtual void waited(const Fence& fence, std::chrono::steady_clock::time_point begun, bool good) = 0;

    virtual void gone(Subject& buffer) = 0;

    /// Tells the program what was found while reports were held back.
    virtual void report() {}
};

enum class Seat : std::uint8_t { checker, trace };

/// Puts a watcher into a seat; nullptr empties it. A watcher lives as long as the program.
void sit(Seat seat, Watcher* watcher) noexcept;

namespace inside {
inline constinit std::atomic<bool> anybody{false};
inline constinit std::array<std::atomic<Watcher*>, 2> seats{};
} // namespace inside

/// Holds back the reports of this thread. They call the program, which may call back: who tells
/// watchers something while it holds a lock has one of these that lives longer.
class HeldBack {
public:
    HeldBack() noexcept;
    HeldBack(const HeldBack&) = delete;
    HeldBack& operator=(const HeldBack&) = delete;
    ~HeldBack();

    /// Lets reports through while the lock is released.
    void report() const;
};

bool is_held_back() noexcept;

/// Returns a fresh number for an access or a run; never 0.
std::uint64_t next_number() noexcept;

inline bool anybody() noexcept { return inside::anybody.load(std::memory_order_relaxed); }

/// Calls a function for each watcher.
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
