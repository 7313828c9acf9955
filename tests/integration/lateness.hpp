// SPDX-License-Identifier: MIT
#pragma once

#include <poll.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

/// Watches how late this machine wakes a thread that waits for nothing but a moment.
/// On a busy machine that is more than any grace, and no fault of the code under test;
/// what hangs by its own fault is later than the machine.
class Lateness {
public:
    using Clock = std::chrono::steady_clock;

    Lateness() = default;
    ~Lateness()
    {
        ended_ = true;
        thread_.join();
    }
    Lateness(const Lateness&) = delete;
    Lateness& operator=(const Lateness&) = delete;

    /// The worst since the last call of this function; what is overdue just now counts.
    Clock::duration worst()
    {
        const auto overdue = Clock::now().time_since_epoch() - due_.load();
        return std::max({worst_.exchange(Clock::duration::zero()), overdue, Clock::duration::zero()});
    }

private:
    void watch()
    {
        while (!ended_) {
            due_ = (Clock::now() + std::chrono::milliseconds(1)).time_since_epoch();
            ::poll(nullptr, 0, 1);
            const auto late = Clock::now().time_since_epoch() - due_.load();
            if (late > worst_.load())
                worst_ = late;
        }
    }

    std::atomic<bool> ended_{false};
    std::atomic<Clock::duration> due_{Clock::now().time_since_epoch()};
    std::atomic<Clock::duration> worst_{Clock::duration::zero()};
    std::thread thread_{[this] { watch(); }};
};
