// SPDX-License-Identifier: MIT
#pragma once

#include "os/event.hpp"
#include "os/timer.hpp"

#include <optional>

namespace commonbuf::os {

/// How often to look if no descriptor tells that something has changed.
constexpr std::chrono::milliseconds look_again{10};

/// What an event loop polls if no fence tells that there is something to do: a descriptor that is
/// readable at once, or after some time. Not thread-safe.
class Wakeup {
public:
    /// Makes one that does not wake. Errors: too_many_files, out_of_memory.
    static Result<Wakeup> create()
    {
        auto event = Event::create();
        if (!event)
            return std::move(event.error());
        return Wakeup(std::move(*event));
    }

    /// Returns the event behind now(), for a thread that others wake.
    const Event& event() const noexcept { return event_; }

    /// Wakes at once. Returns the descriptor to poll.
    int now() const noexcept
    {
        event_.set();
        return event_.fd();
    }

    /// Wakes after this time, counted from the first call since clear(), so that repeated calls
    /// do not put it off. Returns the descriptor to poll.
    int after(std::chrono::nanoseconds time) noexcept
    {
        if (!timer_) {
            auto made = Timer::create();
            if (!made)
                return now(); // too often is better than never
            timer_ = std::move(*made);
        }
        if (!started_)
            timer_->start(time);
        started_ = true;
        return timer_->fd();
    }

    /// Stops waking. Call it before looking for what there is to do.
    void clear() noexcept
    {
        event_.clear();
        if (started_)
            timer_->stop();
        started_ = false;
    }

private:
    explicit Wakeup(Event event) noexcept : event_(std::move(event)) {}
    Event event_;
    std::optional<Timer> timer_; ///< made when it is first needed
    bool started_ = false;
};

} // namespace commonbuf::os
