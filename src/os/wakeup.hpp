// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

#include <atomic>
#include <chrono>
#include <optional>
#include <utility>

/// What wakes threads that poll a descriptor for reading.
namespace commonbuf::os {

/// How often to look if no descriptor tells that something has changed.
constexpr std::chrono::milliseconds look_again{10};

/// Wakes when it is set (eventfd(2)). Thread-safe, except for moving it. Clearing one that is not set
/// costs no system call.
class Event {
public:
    /// Makes one that is not set. Errors: too_many_files, out_of_memory.
    static Result<Event> create();

    Event(Event&& other) noexcept : fd_(std::move(other.fd_)), set_(other.set_.load()) {}
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    Event& operator=(Event&&) = delete;
    ~Event() = default;

    int fd() const noexcept { return fd_.get(); }
    void set() const noexcept;
    void clear() const noexcept;

private:
    explicit Event(UniqueFd fd) noexcept : fd_(std::move(fd)) {}
    UniqueFd fd_;
    mutable std::atomic<bool> set_{false}; ///< it may be readable
};

/// Wakes after some time (timerfd_create(2)).
class Timer {
public:
    /// Makes one that is stopped. Errors: too_many_files, out_of_memory.
    static Result<Timer> create();

    int fd() const noexcept { return fd_.get(); }
    /// Starts it for one expiry, counted from now. A time of 0 stops it.
    void start(std::chrono::nanoseconds after) const noexcept;
    void stop() const noexcept { start({}); }

private:
    explicit Timer(UniqueFd fd) noexcept : fd_(std::move(fd)) {}
    UniqueFd fd_;
};

/// What an event loop polls if no fence tells that there is something to do: a descriptor that is
/// readable at once, or after some time. Not thread-safe.
class Wakeup {
public:
    /// Makes one that does not wake. Errors: those of Event::create().
    static Result<Wakeup> create();

    /// Returns an event of its own, for a thread that others wake.
    const Event& event() const noexcept { return event_; }

    /// Returns a descriptor that wakes at once. It is never cleared, and costs no call after the first.
    int now() noexcept;

    /// Wakes after this time, counted from the first call since clear(), so that repeated calls
    /// do not put it off. Returns the descriptor to poll.
    int after(std::chrono::nanoseconds time) noexcept;

    /// Stops waking. Call it before looking for what there is to do.
    void clear() noexcept;

private:
    explicit Wakeup(Event event) noexcept : event_(std::move(event)) {}
    Event event_;
    std::optional<Event> always_; ///< set; made when it is first needed
    std::optional<Timer> timer_;  ///< made when it is first needed
    bool started_ = false;
};

} // namespace commonbuf::os
