// SPDX-License-Identifier: MIT
//
// Many threads, one buffer: accesses and jobs by chance. COMMONBUF_STRESS_SECONDS says how
// long; 2 by default.
#include "brackets.hpp"
#include "check_mode.hpp"
#include "devices.hpp"
#include "lateness.hpp"
#include "sw_sync.hpp"

#include <drm_fourcc.h>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <random>
#include <thread>

namespace {

namespace cb = commonbuf;
using namespace std::chrono_literals;

constexpr std::uint32_t threads = 32;

std::chrono::seconds duration()
{
    const char* wanted = std::getenv("COMMONBUF_STRESS_SECONDS");
    return std::chrono::seconds(wanted != nullptr ? std::atoi(wanted) : 2);
}

/// Jobs and CPU accesses come at once here, each thread with a row of its own. The access
/// checker knows no rows and rightly reports that, so it does not look on.
class Stress : public devices::Test {
protected:
    void SetUp() override
    {
        devices::Test::SetUp();
        cb::set_checker_mode(cb::CheckerMode::off);
    }
    void TearDown() override
    {
        restore_check();
        devices::Test::TearDown();
    }
};

/// Work of a device that ends when the timeline comes so far.
class Device {
public:
    explicit Device(SwTimeline& timeline) : timeline_(timeline) {}

    cb::Fence submit()
    {
        const std::lock_guard lock(mutex_);
        return timeline_.fence(++submitted_);
    }

    void step()
    {
        const std::lock_guard lock(mutex_);
        if (done_ < submitted_) {
            timeline_.advance(1);
            ++done_;
        }
    }

    void finish()
    {
        const std::lock_guard lock(mutex_);
        timeline_.advance(submitted_ - done_);
        done_ = submitted_;
    }

private:
    SwTimeline& timeline_;
    std::mutex mutex_;
    std::uint32_t submitted_ = 0;
    std::uint32_t done_ = 0;
};

TEST_F(Stress, BracketsAndFencesOfManyThreads)
{
    NEED_SW_SYNC(timeline);
    const auto plan = cb::Allocator().plan({DRM_FORMAT_R8, 64, threads}, {cb::cpu(cb::Access::read_write)});
    if (!plan)
        GTEST_SKIP() << "no heap can be used here";
    const auto buffer = plan->allocate();
    ASSERT_TRUE(buffer);
    const std::uint32_t stride = buffer->layout().planes[0].stride;
    // It is mapped, and the jobs have begun, before anybody races.
    ASSERT_TRUE(buffer->read_write(cb::deadline_in(1s)));

    Device device(timeline);
    std::atomic<bool> ending{false};
    std::atomic<std::uint64_t> accesses{0};
    std::atomic<std::uint64_t> jobs{0};
    std::atomic<std::uint64_t> failures{0};
    Lateness machine;
    count_brackets();
    std::thread worker([&] {
        while (!ending) {
            device.step();
            std::this_thread::sleep_for(100us);
        }
        device.finish();
    });
    std::vector<std::thread> users;
    for (std::uint32_t t = 0; t < threads; ++t) {
        users.emplace_back([&, t] {
            std::mt19937 dice(t);
            const auto end = std::chrono::steady_clock::now() + duration();
            while (std::chrono::steady_clock::now() < end) {
                const auto choice = dice() % 8;
                if (choice < 6) {
                    auto access = choice < 3   ? buffer->read(cb::deadline_in(10s))
                                  : choice < 5 ? buffer->write(cb::deadline_in(10s))
                                               : buffer->read_write(cb::deadline_in(10s));
                    if (!access) {
                        ++failures;
                        continue;
                    }
                    // Each thread has a row of its own: pixels are no race here.
                    std::byte& pixel = access->plane(0)[std::size_t{t} * stride];
                    if (choice >= 3)
                        pixel = std::byte(t);
                    else
                        failures += pixel == std::byte(t) || pixel == std::byte{0} ? 0U : 1U;
                    failures += access->end() ? 0U : 1U;
                    ++accesses;
                } else {
                    // Implicit fences: there is always one pending.
                    cb::Job job("reader");
                    job.reads(*buffer);
                    const auto before = job.gather();
                    const cb::Fence done = device.submit();
                    const bool good = before && job.publish(done) && done.wait(cb::deadline_in(10s));
                    failures += good ? 0U : 1U;
                    ++jobs;
                }
            }
        });
    }
    for (std::thread& user : users)
        user.join();
    ending = true;
    worker.join();

    const BracketCounts counts = brackets();
    const auto late = machine.worst();
    std::cout << accesses << " accesses and " << jobs << " jobs of " << threads << " threads in " << duration().count()
              << " s; the kernel saw " << counts.starts << " starts and " << counts.ends << " ends, " << counts.hung
              << " waited for a fence\n";
    EXPECT_EQ(failures, 0U);
    EXPECT_GT(accesses, threads);
    EXPECT_GT(jobs, 0U);
    EXPECT_GT(counts.starts, 0U);
    EXPECT_EQ(counts.starts, counts.ends);
    EXPECT_EQ(counts.readers, 0);
    EXPECT_EQ(counts.writers, 0);
    EXPECT_FALSE(counts.surplus);
    EXPECT_LE(counts.most_readers, 2) << "a reader overtakes one START of both kinds at most";
    EXPECT_LE(counts.most_writers, 1);
    // A thread that stands still on its way into the kernel looks like one that hangs there, from outside only.
    if (late < hangs) {
        EXPECT_FALSE(counts.nested) << "each kind is open once at most";
        EXPECT_FALSE(counts.at_once) << "calls on one buffer come one after the other, except where one hangs";
    } else {
        std::cout << "the machine was late by up to "
                  << std::chrono::duration_cast<std::chrono::milliseconds>(late).count()
                  << " ms: nobody can tell from outside which START hung\n";
    }
    EXPECT_TRUE(buffer->read_write(cb::deadline_in(1s)));
}

} // namespace
