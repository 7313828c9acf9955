// SPDX-License-Identifier: MIT
#include "fake/machine.hpp"

#include <commonbuf/allocator.hpp>
#include <commonbuf/checker.hpp>
#include <commonbuf/job.hpp>
#include <commonbuf/pool.hpp>
#include <commonbuf/v4l2/device.hpp>
#include <commonbuf/v4l2/queue.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <functional>
#include <latch>
#include <thread>
#include <vector>

namespace commonbuf {
namespace {

class CheckerTest : public testing::Test {
protected:
    fake::Machine machine;
    std::vector<Finding> findings;
    const std::uint64_t before = checker_findings();
    const Layout layout = *linear_layout({DRM_FORMAT_XRGB8888, 64, 32}, 256, Memories::single);

    void SetUp() override
    {
        machine.add_camera("video0", {.output = true, .formats = {V4L2_PIX_FMT_XBGR32}});
        set_checker_mode(CheckerMode::log, [this](const Finding& finding) { findings.push_back(finding); });
    }
    void TearDown() override { set_checker_mode(CheckerMode::off); }

    Buffer wrap(int fd) const
    {
        std::vector<UniqueFd> memories;
        memories.emplace_back(fd);
        return Buffer::wrap(layout, std::move(memories)).value();
    }
    Buffer make() { return wrap(machine.add_dma_buf(layout.memory_sizes[0])); }
    v4l2::Queue open() const
    {
        return v4l2::Device::open("/dev/video0")->open_queue(v4l2::Role::output, layout, 2).value();
    }

    /// The CPU writes, though the device has the buffer.
    void expect_found(const Buffer& buffer)
    {
        EXPECT_TRUE(buffer.write(deadline_in(std::chrono::seconds(1))));
        ASSERT_EQ(findings.size(), 1U);
        EXPECT_EQ(findings.front().mistake, Mistake::cpu_while_device);
    }
};

TEST_F(CheckerTest, KnowsQueuedWorkAfterAnotherHandleIsGone)
{
    const Buffer buffer = make();
    auto queue = open();
    ASSERT_TRUE(queue.queue(buffer));
    {
        const Buffer other = wrap(buffer.export_fd()->release());
        // One that was used, and one that was not.
        const Buffer third = wrap(buffer.export_fd()->release());
        EXPECT_TRUE(third.read(deadline_in(std::chrono::seconds(1))));
    }
    expect_found(buffer);
}

TEST_F(CheckerTest, KnowsQueuedWorkBehindManyReaders)
{
    const Buffer buffer = make();
    auto queue = open();
    ASSERT_TRUE(queue.queue(buffer));
    for (int i = 0; i < 40; ++i) {
        Job job("reader");
        job.reads(buffer);
        ASSERT_TRUE(job.gather() && job.publish({}));
    }
    expect_found(buffer);
}

TEST_F(CheckerTest, KnowsWorkThatOutlivesEveryHandle)
{
    const auto work = machine.add_fence("work");
    UniqueFd memory(machine.add_dma_buf(layout.memory_sizes[0]));
    {
        const Buffer buffer = wrap(duplicate(memory.get())->release());
        Job job("writer", Fencing::explicit_only);
        job.writes(buffer);
        ASSERT_TRUE(job.publish(Fence::from_fd(UniqueFd(machine.sync_file(work))).value()));
    }
    expect_found(wrap(memory.release()));
}

/// A handler that looks at buffers, makes a mistake of its own, and has enough of it.
TEST_F(CheckerTest, AHandlerMayCallTheLibrary)
{
    const Buffer first = make();
    const Buffer second = make();
    auto queue = open();
    ASSERT_TRUE(queue.queue(first) && queue.queue(second));
    set_checker_mode(CheckerMode::log, [&](const Finding& finding) {
        findings.push_back(finding);
        EXPECT_EQ(checker_findings(), before + findings.size());
        if (findings.size() > 1)
            return set_checker_mode(CheckerMode::off);
        EXPECT_TRUE(second.write(deadline_in(std::chrono::seconds(1))));
    });
    EXPECT_TRUE(first.write(deadline_in(std::chrono::seconds(1))));
    ASSERT_EQ(findings.size(), 2U);
    EXPECT_EQ(findings.back().mistake, Mistake::cpu_while_device);
}

/// Also the queue, or the pool, in whose call the mistake was found.
TEST_F(CheckerTest, AHandlerMayCallWhatMadeTheMistake)
{
    auto queue = v4l2::Device::open("/dev/video0")->open_queue(v4l2::Role::output, layout, 4).value();
    machine.add_heap("system");
    const auto plan = Allocator().plan({DRM_FORMAT_XRGB8888, 64, 32}, {cpu(Access::read_write)});
    ASSERT_TRUE(plan);
    Pool pool = Pool::create(*plan, 2).value();
    std::size_t in_pool = 0;
    set_checker_mode(CheckerMode::log, [&](const Finding& finding) {
        findings.push_back(finding);
        EXPECT_TRUE(queue.queue(make()));
        in_pool = pool.free();
    });
    {
        const Buffer buffer = make();
        const auto access = buffer.write(deadline_in(std::chrono::seconds(1)));
        ASSERT_TRUE(access);
        EXPECT_TRUE(queue.queue(buffer));
    }
    ASSERT_EQ(findings.size(), 1U);
    EXPECT_EQ(findings.front().mistake, Mistake::bracket_left_open);
    const Buffer buffer = pool.acquire(deadline_in(std::chrono::seconds(1))).value();
    const auto access = buffer.write(deadline_in(std::chrono::seconds(1)));
    ASSERT_TRUE(access);
    EXPECT_TRUE(pool.release(buffer));
    ASSERT_EQ(findings.size(), 2U);
    EXPECT_EQ(findings.back().mistake, Mistake::bracket_left_open);
    EXPECT_EQ(in_pool, 2U) << "it came back before the program was told";
}

/// Two threads, and a lock of the program's that its handler takes.
TEST_F(CheckerTest, AHandlerMayWaitForAnotherThread)
{
    const Buffer first = make();
    const Buffer second = make();
    auto queue = open();
    ASSERT_TRUE(queue.queue(first) && queue.queue(second));
    std::latch both(2);
    std::atomic<unsigned> calls = 0;
    set_checker_mode(CheckerMode::log, [&](const Finding&) {
        ++calls;
        both.arrive_and_wait();
    });
    // Of one place, only the first would be reported.
    std::thread other([&] { EXPECT_TRUE(second.read_write(deadline_in(std::chrono::seconds(1)))); });
    EXPECT_TRUE(first.write(deadline_in(std::chrono::seconds(1))));
    other.join();
    EXPECT_EQ(calls.load(), 2U);
}

using CheckerDeathTest = CheckerTest;

TEST_F(CheckerDeathTest, TheProgramEndsAfterTheMessage)
{
    // What others left of threads is not in a process of its own.
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    const Buffer buffer = make();
    auto queue = open();
    ASSERT_TRUE(queue.queue(buffer));
    const auto mistake = [&](std::function<void(const Finding&)> handler) {
        set_checker_mode(CheckerMode::abort, std::move(handler));
        static_cast<void>(buffer.write(deadline_in(std::chrono::seconds(1))));
    };
    EXPECT_EXIT(mistake({}), testing::KilledBySignal(SIGABRT), "access checker: cpu-while-device: ");
    EXPECT_EXIT(mistake([](const Finding& finding) {
                    set_checker_mode(CheckerMode::off);
                    std::fprintf(stderr, "told of %s\n", finding.message.c_str());
                }),
                testing::KilledBySignal(SIGABRT), "told of access checker: cpu-while-device: ");
}

} // namespace
} // namespace commonbuf
