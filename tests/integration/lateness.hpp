// SPDX-License-Identifier: MIT
#pragma once

#include <poll.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <list>
#include <thread>

/// Watches how late this machine wakes a thread that waits for nothing but a moment, on each of
/// its processors: an emulated one may stand still while others work. On a busy machine that is more
/// than any grace, and no fault of the code under test; what hangs by its own fault is later than
/// the machine.
class Lateness {
public:
    using Clock = std::chrono::steady_clock;

    /// How much later than the machine's own waits one of the library may come back.
    static constexpr std::chrono::milliseconds grace{50};

    Lateness()
    {
        cpu_set_t all;
        CPU_ZERO(&all);
        ::sched_getaffinity(0, sizeof all, &all);
        for (std::size_t cpu = 0; cpu < CPU_SETSIZE && witnesses_.size() < most; ++cpu) {
            if (CPU_ISSET(cpu, &all))
                witnesses_.emplace_back(cpu);
        }
    }

    /// How late somebody may be now who began after the last call of this function and was woken so often since.
    Clock::duration allowed(int wakes = 1) { return grace + wakes * worst(); }

    /// The worst since the last call of this function; what is overdue just now counts.
    Clock::duration worst()
    {
        Clock::duration worst{};
        for (Witness& witness : witnesses_)
            worst = std::max(worst, witness.worst());
        return worst;
    }

private:
    static constexpr std::size_t most = 8;

    class Witness {
    public:
        explicit Witness(std::size_t cpu) : thread_([this, cpu] { watch(cpu); }) {}
        ~Witness()
        {
            ended_ = true;
            thread_.join();
        }
        Witness(const Witness&) = delete;
        Witness& operator=(const Witness&) = delete;

        Clock::duration worst()
        {
            const auto overdue = Clock::now().time_since_epoch() - due_.load();
            return std::max({worst_.exchange(Clock::duration::zero()), overdue, Clock::duration::zero()});
        }

    private:
        void watch(std::size_t cpu)
        {
            cpu_set_t only;
            CPU_ZERO(&only);
            CPU_SET(cpu, &only);
            ::pthread_setaffinity_np(::pthread_self(), sizeof only, &only);
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
        std::thread thread_;
    };

    std::list<Witness> witnesses_;
};
