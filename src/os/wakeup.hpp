// SPDX-License-Identifier: MIT
#pragma once

#include "os/event.hpp"
#include "os/timer.hpp"

#include <optional>

namespace commonbuf::os {

/// How long nobody looks where no descriptor tells that something has changed.
constexpr std::chrono::milliseconds look_again{10};

/// What an event loop polls where no fence says that there is something to do: a descriptor
/// that is readable at once, or after a while. Not thread-safe.
class Wakeup {
public:
    /// Errors: exhausted.
    static Result<Wakeup> create()
    {
        auto event = Event::create();
        if (!event)
            return std::move(event.error());
        return Wakeup(std::move(*event));
    }

    /// The descriptor behind now(): for a thread that is woken by others.
    const Event& event() const noexcept { return event_; }

    int now() const noexcept
    {
        event_.set();
        return event_.fd();
    }

    /// The first call counts until clear(): who asks often is woken all the same.
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

    /// Before one looks at what there is to do.
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
