// SPDX-License-Identifier: MIT
//
// CPU accesses beside others who put fences into the dma-buf whenever they like.
// COMMONBUF_STRANGER_READS says how many reads; 200 by default.
#include "brackets.hpp"
#include "check_mode.hpp"
#include "devices.hpp"
#include "lateness.hpp"
#include "sw_sync.hpp"

#include <drm_fourcc.h>
#include <linux/dma-buf.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <future>
#include <iostream>
#include <random>
#include <thread>

namespace {

namespace cb = commonbuf;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

/// Nobody keeps the rules here, and the access checker would rightly say so.
class Strangers : public devices::Test {
protected:
    void SetUp() override
    {
        devices::Test::SetUp();
        cb::set_checker_mode(cb::CheckerMode::off);
        const auto plan = cb::Allocator().plan({DRM_FORMAT_R8, 64, 64}, {cb::cpu(cb::Access::read_write)});
        if (!plan)
            GTEST_SKIP() << "no heap can be used here";
        buffer = plan->allocate().value();
        std::vector<cb::UniqueFd> memories;
        memories.push_back(buffer->export_fd().value());
        stranger = cb::Buffer::wrap(buffer->layout(), std::move(memories)).value();
        // It is mapped before anybody looks at the time.
        ASSERT_TRUE(buffer->read_write(cb::deadline_in(1s)));
    }
    void TearDown() override
    {
        before_start({});
        buffer.reset();
        stranger.reset();
        restore_check();
        // A START that came too late gives its descriptors back in a moment.
        std::this_thread::sleep_for(100ms);
        devices::Test::TearDown();
    }

    /// Puts this fence in before the next START of these kinds.
    void come_before(std::uint64_t kinds, cb::Fence fence, cb::Access access)
    {
        before_start([this, kinds, fence = std::move(fence), access](std::uint64_t flags) {
            if (flags != kinds)
                return;
            before_start({});
            EXPECT_TRUE(stranger->import_fence(fence, access));
        });
    }

    std::optional<cb::Buffer> buffer;
    std::optional<cb::Buffer> stranger; ///< the same memory, as another program has it
};

std::string text_of(Clock::duration time)
{
    return std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(time).count() / 1000) + " ms";
}

TEST_F(Strangers, AFenceBetweenPollAndStartHoldsNobodyPastTheDeadline)
{
    for (int i = 0; i < 10; ++i) {
        NEED_SW_SYNC(timeline);
        come_before(DMA_BUF_SYNC_READ, timeline.fence(1), cb::Access::write);
        Lateness machine;
        const auto begun = Clock::now();
        const auto access = buffer->read(begun + 50ms);
        const auto took = Clock::now() - begun;
        // It wakes three times: when the fences are asked, in the thread that calls START, and at the end.
        const auto allowed = machine.allowed(3);
        ASSERT_FALSE(access);
        EXPECT_EQ(access.error().category, cb::Category::timed_out);
        EXPECT_LE(took, 50ms + allowed) << text_of(took) << "; the machine allows " << text_of(allowed) << " more";
        timeline.advance(1);
        EXPECT_TRUE(buffer->read(cb::deadline_in(1s))) << "it is over, and so is the late START";
    }
}

TEST_F(Strangers, AnAccessThatHangsDoesSoAlone)
{
    NEED_SW_SYNC(timeline);
    auto open = buffer->read(cb::deadline_in(1s));
    ASSERT_TRUE(open);
    // A device reads: that concerns writers alone.
    come_before(DMA_BUF_SYNC_WRITE, timeline.fence(1), cb::Access::read);
    auto writer = std::async(std::launch::async, [&] { return buffer->write(cb::deadline_in(20s)); });
    while (writer.wait_for(20ms) != std::future_status::ready &&
           stranger->export_fence(cb::Access::write)->signalled().value())
        continue;
    const auto begun = Clock::now();
    for (int i = 0; i < 10; ++i) {
        auto reader = buffer->read(cb::deadline_in(1s));
        ASSERT_TRUE(reader) << reader.error().message();
        EXPECT_TRUE(reader->end());
    }
    EXPECT_TRUE(open->end());
    // Now that nobody reads, the next one needs a START of its own.
    EXPECT_TRUE(buffer->read(cb::deadline_in(1s)));
    EXPECT_LE(Clock::now() - begun, 1s);
    EXPECT_EQ(writer.wait_for(0s), std::future_status::timeout);
    timeline.advance(1);
    auto written = writer.get();
    ASSERT_TRUE(written) << written.error().message();
    written->plane(0)[0] = std::byte{1};
    EXPECT_TRUE(written->end());
}

TEST_F(Strangers, EndlessFencesHoldNoReadPastItsDeadline)
{
    const char* wanted = std::getenv("COMMONBUF_STRANGER_READS");
    const int reads = wanted != nullptr ? std::atoi(wanted) : 200;
    std::atomic<bool> ending{false};
    std::atomic<unsigned> fences{0};
    NEED_SW_SYNC(timeline);
    std::thread other([&] {
        std::mt19937 dice(1);
        const auto wait = [](std::chrono::microseconds time) {
            // Sleeping is too coarse to get into the gap between two calls.
            for (const auto end = Clock::now() + time; Clock::now() < end;) {
                if (time > 1ms)
                    std::this_thread::sleep_for(500us);
            }
        };
        while (!ending) {
            EXPECT_TRUE(stranger->import_fence(timeline.fence(++fences), cb::Access::write));
            wait(dice() % 8 == 0 ? 60ms : std::chrono::microseconds(dice() % 3000));
            timeline.advance(1);
            wait(std::chrono::microseconds(dice() % 600));
        }
    });
    Lateness machine;
    Clock::duration longest{};
    Clock::duration longest_here{}; // without what the machine was late itself
    int served = 0;
    int in_the_gap = 0;
    for (int i = 0; i < reads; ++i) {
        static_cast<void>(machine.worst());
        const auto begun = Clock::now();
        auto access = buffer->read(begun + 50ms);
        const auto took = Clock::now() - begun;
        longest = std::max(longest, took);
        // It wakes three times, as above.
        longest_here = std::max(longest_here, took - 3 * machine.worst());
        if (!access) {
            EXPECT_EQ(access.error().category, cb::Category::timed_out);
        } else {
            ++served;
        }
        in_the_gap += !access && access.error().detail.find("after the wait began") != std::string::npos ? 1 : 0;
        if (access) {
            EXPECT_TRUE(access->end());
        }
    }
    ending = true;
    other.join();
    std::cout << reads << " reads with 50 ms each beside " << fences << " fences: " << served << " served, "
              << in_the_gap << " met one that came after the wait began; the longest took " << text_of(longest) << ", "
              << text_of(longest_here) << " without what a bare poll(2) was late meanwhile\n";
    EXPECT_LE(longest_here, 50ms + Lateness::grace);
    EXPECT_GT(served, 0);
    EXPECT_TRUE(buffer->read(cb::deadline_in(1s)));
}

TEST_F(Strangers, AWriterIsServedBesideReadersThatOverlap)
{
    constexpr unsigned readers = 16;
    NEED_SW_SYNC(available);
    std::atomic<bool> ending{false};
    std::atomic<unsigned> jobs{0};
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < readers; ++t) {
        threads.emplace_back([&] {
            std::string why_not;
            const auto timeline = SwTimeline::create(why_not);
            ASSERT_TRUE(timeline) << why_not;
            // The next job is always there before the last one is over.
            unsigned submitted = 0;
            const auto submit = [&] {
                EXPECT_TRUE(cb::Job("reader").reads(*buffer).publish(timeline->fence(++submitted)));
                ++jobs;
            };
            submit();
            while (!ending) {
                submit();
                std::this_thread::sleep_for(10ms);
                timeline->advance(1);
            }
            timeline->advance(submitted);
        });
    }
    while (jobs < 2 * readers)
        std::this_thread::sleep_for(1ms);
    Clock::duration longest{};
    constexpr int writes = 5;
    for (int i = 0; i < writes; ++i) {
        const auto begun = Clock::now();
        auto access = buffer->write(cb::deadline_in(10s));
        longest = std::max(longest, Clock::now() - begun);
        ASSERT_TRUE(access) << access.error().message();
        access->plane(0)[0] = std::byte{1};
        EXPECT_TRUE(access->end());
    }
    ending = true;
    for (std::thread& thread : threads)
        thread.join();
    std::cout << writes << " writes beside " << jobs << " jobs of " << readers << " readers: the longest waited "
              << text_of(longest) << '\n';
}

} // namespace
