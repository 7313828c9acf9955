// SPDX-License-Identifier: MIT
#include "fake/machine.hpp"

#include <commonbuf/job.hpp>
#include <commonbuf/v4l2/device.hpp>
#include <commonbuf/v4l2/queue.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>
#include <poll.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <thread>

namespace commonbuf::v4l2 {
namespace {

class QueueFenceTest : public testing::Test {
protected:
    fake::Machine machine;
    fake::CameraModel& camera = machine.add_camera("video0", {.formats = {V4L2_PIX_FMT_XBGR32}});
    Layout layout = *linear_layout({DRM_FORMAT_XRGB8888, 64, 32}, 256, Memories::single);

    Buffer make()
    {
        std::vector<UniqueFd> memories;
        memories.emplace_back(machine.add_dma_buf(layout.memory_sizes[0]));
        return Buffer::wrap(layout, std::move(memories)).value();
    }

    Queue open(std::uint32_t slots)
    {
        auto queue = Device::open("/dev/video0")->open_queue(Role::capture, layout, slots);
        if (!queue)
            throw std::runtime_error(queue.error().message());
        return std::move(*queue);
    }

    Fence fence(const std::shared_ptr<fake::FenceModel>& work)
    {
        return Fence::from_fd(UniqueFd(machine.sync_file(work))).value();
    }

    bool readable(int fd)
    {
        pollfd entry{fd, POLLIN, 0};
        return machine.ppoll(&entry, 1, nullptr) == 1;
    }

    void TearDown() override { EXPECT_EQ(machine.leaks(), ""); }
};

TEST_F(QueueFenceTest, WhatIsReadyIsQueuedAtOnce)
{
    Queue queue = open(2);
    ASSERT_TRUE(queue.queue_when_ready(make()));
    EXPECT_EQ(camera.queue.size(), 1U);
    EXPECT_EQ(queue.waiting(), 0U);
    EXPECT_EQ(queue.poll_fd(), -1);
}

TEST_F(QueueFenceTest, NobodyOvertakes)
{
    Queue queue = open(3);
    const auto slow = machine.add_fence("slow");
    const auto fast = machine.add_fence("fast");
    ASSERT_TRUE(queue.queue_when_ready(make(), fence(slow)));
    ASSERT_TRUE(queue.queue_when_ready(make(), fence(fast)));
    ASSERT_TRUE(queue.queue_when_ready(make()));
    fast->status = 1;
    EXPECT_EQ(queue.advance().value(), 0U);
    EXPECT_EQ(queue.waiting(), 3U);
    EXPECT_GE(queue.poll_fd(), 0);
    slow->status = 1;
    EXPECT_EQ(queue.advance().value(), 3U);
    EXPECT_EQ(camera.queue, (std::vector<std::uint32_t>{0, 1, 2}));
}

TEST_F(QueueFenceTest, TheBuffersOwnFencesCount)
{
    Queue queue = open(1);
    const Buffer buffer = make();
    const auto shown = machine.add_fence("show");
    ASSERT_TRUE(Job("display").reads(buffer).publish(fence(shown)));
    ASSERT_TRUE(queue.queue_when_ready(buffer));
    EXPECT_EQ(queue.waiting(), 1U);
    shown->status = 1;
    EXPECT_EQ(queue.advance().value(), 1U);
}

TEST_F(QueueFenceTest, AFailedBufferIsWithheldAndTheNextGoesOn)
{
    Queue queue = open(2);
    const auto bad = machine.add_fence("render");
    const Buffer worthless = make();
    ASSERT_TRUE(queue.queue_when_ready(worthless, fence(bad)));
    ASSERT_TRUE(queue.queue_when_ready(make()));
    bad->status = -EIO;
    EXPECT_GE(queue.poll_fd(), 0);
    EXPECT_EQ(queue.advance().value(), 1U);
    const auto withheld = queue.pop_withheld();
    ASSERT_EQ(withheld.size(), 1U);
    EXPECT_EQ(withheld[0].buffer, worthless);
    EXPECT_EQ(withheld[0].error.sys_errno, EIO);
    EXPECT_TRUE(queue.pop_withheld().empty());
}

TEST_F(QueueFenceTest, WhatWaitsCanBeTakenBack)
{
    Queue queue = open(2);
    const auto never = machine.add_fence("never");
    const Buffer first = make();
    const Buffer second = make();
    ASSERT_TRUE(queue.queue_when_ready(first, fence(never)));
    ASSERT_TRUE(queue.queue_when_ready(second));
    EXPECT_FALSE(queue.queue_when_ready(second)) << "it waits already";
    EXPECT_EQ(queue.cancel_waiting(), (std::vector{first, second}));
    EXPECT_TRUE(camera.queue.empty());
    EXPECT_TRUE(queue.queue_when_ready(second)) << "and the rest goes on";
    EXPECT_EQ(camera.queue.size(), 1U);
}

TEST_F(QueueFenceTest, WithoutAFreeSlotABufferWaitsForAFrame)
{
    Queue queue = open(1);
    ASSERT_TRUE(queue.queue_when_ready(make()));
    ASSERT_TRUE(queue.queue_when_ready(make()));
    EXPECT_EQ(queue.waiting(), 1U);
    EXPECT_EQ(queue.poll_fd(), -1) << "no fence is in the way: polling one would spin";
    ASSERT_TRUE(queue.start());
    ASSERT_TRUE(queue.dequeue(Deadline{}));
    EXPECT_EQ(queue.waiting(), 0U);
    EXPECT_EQ(camera.queue.size(), 1U);
    ASSERT_TRUE(queue.stop());
}

TEST_F(QueueFenceTest, AWaitForAFrameEndsAtItsDeadline)
{
    Queue queue = open(1);
    EXPECT_EQ(queue.dequeue(Deadline{}).error().category, Category::invalid_state);
    const auto never = machine.add_fence("never");
    ASSERT_TRUE(queue.queue_when_ready(make(), fence(never)));
    ASSERT_TRUE(queue.start());
    const auto frame = queue.dequeue(Deadline{});
    ASSERT_FALSE(frame);
    EXPECT_EQ(frame.error().category, Category::timed_out);
    EXPECT_NE(frame.error().detail.find("1 wait for their fence"), std::string::npos) << frame.error().detail;
}

TEST_F(QueueFenceTest, WhatIsLentComesBackWithTheLastCopy)
{
    Queue queue = open(2);
    const Buffer buffer = make();
    auto lent = queue.lend(buffer);
    auto copy = lent;
    EXPECT_EQ(*copy, buffer);
    lent.reset();
    EXPECT_EQ(queue.waiting(), 0U);
    EXPECT_EQ(queue.poll_fd(), -1);
    copy.reset();
    EXPECT_EQ(queue.waiting(), 1U);
    EXPECT_TRUE(readable(queue.poll_fd()));
    EXPECT_EQ(queue.advance().value(), 1U);
    EXPECT_EQ(queue.with_device(), 1U);
    EXPECT_EQ(queue.poll_fd(), -1);
}

TEST_F(QueueFenceTest, WhatIsLentWaitsForTheJobsOnIt)
{
    Queue queue = open(2);
    const Buffer buffer = make();
    auto lent = queue.lend(buffer);
    const auto work = machine.add_fence("scanout");
    Job job("show");
    job.reads(buffer);
    ASSERT_TRUE(job.publish(fence(work)));
    lent.reset();
    EXPECT_EQ(queue.advance().value(), 0U);
    work->status = 1;
    EXPECT_EQ(queue.advance().value(), 1U);

    // Who cannot be asked is not queued in silence.
    const Buffer other = make();
    machine.dma_buf(other.dma_buf_fd())->busy = true;
    lent = queue.lend(other);
    machine.fail_all("DMA_BUF_IOCTL_EXPORT_SYNC_FILE", EMFILE);
    lent.reset();
    EXPECT_EQ(queue.advance().value(), 0U);
    const auto withheld = queue.pop_withheld();
    ASSERT_EQ(withheld.size(), 1U);
    EXPECT_NE(withheld[0].error.message().find("EMFILE"), std::string::npos) << withheld[0].error.message();
}

TEST_F(QueueFenceTest, WhatIsLentOutlivesTheQueueAndWakesItsThread)
{
    std::shared_ptr<const Buffer> late;
    {
        Queue queue = open(2);
        ASSERT_TRUE(queue.start_thread());
        late = queue.lend(make());
        queue.lend(make()).reset();
        while (queue.with_device() == 0)
            std::this_thread::yield();
    }
    EXPECT_EQ(late->layout(), layout);
    late.reset();
}

TEST_F(QueueFenceTest, WhatSignalsBeforeItIsPolledIsNotSleptFor)
{
    Queue queue = open(1);
    const auto work = machine.add_fence("work");
    ASSERT_TRUE(queue.start());
    ASSERT_TRUE(queue.queue_when_ready(make(), fence(work)));
    work->looks = 1; // over when advance() has seen it pending
    ASSERT_TRUE(queue.dequeue(deadline_in(std::chrono::seconds(1))));
    EXPECT_EQ(machine.slept, 0U);
}

TEST_F(QueueFenceTest, AFenceWithoutADescriptorIsLookedAtAgain)
{
    Queue queue = open(1);
    const auto a = machine.add_fence("a");
    const auto b = machine.add_fence("b");
    ASSERT_TRUE(queue.queue_when_ready(make(), Fence::merge(std::array{fence(a), fence(b)})));
    machine.fail_all("SYNC_IOC_MERGE", EMFILE);
    EXPECT_TRUE(readable(queue.poll_fd()));
    a->status = b->status = 1;
    EXPECT_EQ(queue.advance().value(), 1U);
}

TEST_F(QueueFenceTest, TheFenceOfTheJobsAndThatOfTheCallAreBothPolled)
{
    Queue queue = open(1);
    const Buffer buffer = make();
    const auto shown = machine.add_fence("show");
    const auto bad = machine.add_fence("bad");
    const auto work = machine.add_fence("work");
    ASSERT_TRUE(Job("display").reads(buffer).publish(fence(shown)));
    ASSERT_TRUE(queue.queue_when_ready(buffer, Fence::merge(std::array{fence(bad), fence(work)})));
    EXPECT_FALSE(readable(queue.poll_fd()));
    bad->status = -EIO;
    EXPECT_FALSE(readable(queue.poll_fd())) << "the display still reads it: an event loop would spin";
    shown->status = 1;
    EXPECT_EQ(queue.advance().value(), 0U);
    EXPECT_FALSE(readable(queue.poll_fd())) << "others may still work on it";
    work->status = 1;
    EXPECT_TRUE(readable(queue.poll_fd()));
    EXPECT_EQ(queue.advance().value(), 0U);
    EXPECT_EQ(queue.pop_withheld().size(), 1U);
}

TEST_F(QueueFenceTest, ABufferWithoutAFenceDoesNotWaitForOthers)
{
    Queue queue = open(2);
    const auto never = machine.add_fence("never");
    ASSERT_TRUE(queue.queue_when_ready(make(), fence(never)));
    ASSERT_TRUE(queue.queue(make()));
    EXPECT_EQ(queue.waiting(), 1U);
    EXPECT_EQ(queue.with_device(), 1U);
}

TEST_F(QueueFenceTest, OnlyOneThreadServesAQueue)
{
    Queue queue = open(1);
    ASSERT_TRUE(queue.start_thread());
    EXPECT_EQ(queue.start_thread().error().category, Category::invalid_state);
    EXPECT_EQ(queue.poll_fd(), -1);
}

TEST_F(QueueFenceTest, ARefusalAtOnceLeavesNothingBehind)
{
    Queue queue = open(1);
    machine.fail_all("VIDIOC_QBUF", EIO);
    EXPECT_EQ(queue.queue_when_ready(make()).error().sys_errno, EIO);
    EXPECT_EQ(queue.waiting(), 0U);
}

TEST_F(QueueFenceTest, MemoryOfTheProgramsOwnIsRefused)
{
    std::vector<std::byte> memory(layout.memory_sizes[0]);
    Queue queue = open(1);
    EXPECT_EQ(queue.queue_when_ready(Buffer::from_memory(layout, memory).value()).error().category,
              Category::unsupported);
}

TEST_F(QueueFenceTest, ADamagedFrameIsAFailedAccess)
{
    camera.damages_frames = true;
    Queue queue = open(1);
    const Buffer buffer = make();
    ASSERT_TRUE(queue.queue_when_ready(buffer));
    ASSERT_TRUE(queue.start());
    EXPECT_EQ(queue.dequeue(Deadline{}).error().category, Category::damaged_frame);
    const auto access = buffer.read(Deadline{});
    ASSERT_FALSE(access) << "what is in it is not a frame";
    EXPECT_NE(access.error().detail.find("V4L2_BUF_FLAG_ERROR"), std::string::npos);
    // It can be filled again.
    camera.damages_frames = false;
    ASSERT_TRUE(queue.queue_when_ready(buffer));
    ASSERT_TRUE(queue.dequeue(Deadline{}));
    EXPECT_TRUE(buffer.read(Deadline{}));
}

} // namespace
} // namespace commonbuf::v4l2
