// SPDX-License-Identifier: MIT
#include "buffer/buffer_state.hpp"
#include "fake/machine.hpp"

#include <commonbuf/v4l2/device.hpp>
#include <commonbuf/v4l2/queue.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>

#include <cerrno>
#include <string>

namespace commonbuf::v4l2 {
namespace {

class QueueTest : public testing::Test {
protected:
    fake::Machine machine;
    fake::CameraModel& camera = machine.add_camera("video0", {.formats = {V4L2_PIX_FMT_XBGR32, V4L2_PIX_FMT_NV12}});
    Layout layout = *linear_layout({DRM_FORMAT_XRGB8888, 64, 32}, 256, Memories::single);

    Buffer buffer()
    {
        std::vector<UniqueFd> memories;
        memories.emplace_back(machine.add_dma_buf(layout.memory_sizes[0]));
        return *Buffer::wrap(layout, std::move(memories));
    }
    Device device() { return *Device::open("/dev/video0"); }
    static Deadline soon() { return deadline_in(std::chrono::milliseconds(1)); }

    void TearDown() override { EXPECT_EQ(machine.leaks(), ""); }
};

TEST_F(QueueTest, NodesGoByPathOrName)
{
    EXPECT_TRUE(Device::open("/dev/video0"));
    const auto named = Device::open("@fake-cam");
    ASSERT_TRUE(named);
    EXPECT_EQ(named->info().path, "/dev/video0");
    EXPECT_EQ(Device::open("@nobody").error().category, Category::not_present);
    EXPECT_EQ(Device::open("/dev/video9").error().category, Category::not_present);
    machine.add_camera("video1", {.formats = {V4L2_PIX_FMT_NV12}});
    const auto twice = Device::open("@fake-cam");
    ASSERT_FALSE(twice);
    EXPECT_NE(twice.error().detail.find("/dev/video0, /dev/video1"), std::string::npos);
}

TEST_F(QueueTest, WhatIsNoV4l2NodeIsSaidSo)
{
    machine.add_heap("system");
    const auto device = Device::open("/dev/dma_heap/system");
    ASSERT_FALSE(device);
    EXPECT_EQ(device.error().category, Category::invalid_argument);
    EXPECT_EQ(device.error().sys_errno, ENOTTY);
}

TEST_F(QueueTest, NodesAreListedInTheirOrderEvenWhenForbidden)
{
    machine.add_camera("video10", {.name = "ten", .formats = {V4L2_PIX_FMT_NV12}});
    machine.add_camera("video2", {.name = "two", .formats = {V4L2_PIX_FMT_NV12}});
    machine.forbid("/dev/video2");
    const auto all = nodes();
    ASSERT_EQ(all.size(), 3U);
    EXPECT_EQ(all[1].path, "/dev/video2");
    EXPECT_EQ(all[1].name, "two");
    EXPECT_EQ(all[1].obstacle->category, Category::permission_denied);
    EXPECT_EQ(all[2].path, "/dev/video10");
}

TEST_F(QueueTest, BuffersKeepTheirSlotAndAreMappedOnce)
{
    const Device dev = device();
    auto queue = dev.open_queue(Role::capture, layout, 3);
    ASSERT_TRUE(queue) << queue.error().message();
    EXPECT_EQ(queue->slots(), 3U);
    const std::vector<Buffer> buffers{buffer(), buffer(), buffer()};
    for (const Buffer& each : buffers)
        ASSERT_TRUE(queue->queue(each));
    ASSERT_TRUE(queue->start());
    for (std::uint32_t i = 0; i < 30; ++i) {
        const auto frame = queue->dequeue(soon());
        ASSERT_TRUE(frame) << frame.error().message();
        EXPECT_EQ(frame->sequence, i);
        EXPECT_EQ(frame->buffer, buffers[i % 3]);
        EXPECT_EQ(frame->bytes_used[0], camera.stride * camera.height);
        ASSERT_TRUE(queue->queue(frame->buffer));
    }
    EXPECT_EQ(camera.maps, 3U);
    EXPECT_TRUE(queue->stop());
}

TEST_F(QueueTest, AFourthBufferTakesTheOldestFreeSlot)
{
    const Device dev = device();
    auto queue = dev.open_queue(Role::capture, layout, 2);
    ASSERT_TRUE(queue);
    const Buffer a = buffer();
    const Buffer b = buffer();
    const Buffer c = buffer();
    ASSERT_TRUE(queue->queue(a) && queue->queue(b) && queue->start());
    const auto full = queue->queue(c);
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().category, Category::no_free_slot);
    ASSERT_TRUE(queue->dequeue(soon()));
    ASSERT_TRUE(queue->queue(c));
    EXPECT_EQ(camera.maps, 3U);
}

TEST_F(QueueTest, RefusesWhatItCannotTake)
{
    const Device dev = device();
    auto queue = dev.open_queue(Role::capture, layout, 2);
    ASSERT_TRUE(queue);
    const Buffer a = buffer();
    ASSERT_TRUE(queue->queue(a));
    EXPECT_EQ(queue->queue(a).error().category, Category::invalid_state);
    layout = *linear_layout({DRM_FORMAT_XRGB8888, 64, 16}, 256, Memories::single);
    EXPECT_EQ(queue->queue(buffer()).error().category, Category::invalid_argument);
    EXPECT_EQ(dev.open_queue(Role::output, layout, 2).error().category, Category::unsupported);
    EXPECT_EQ(dev.open_queue(Role::capture, layout, 0).error().category, Category::invalid_argument);
    EXPECT_EQ(dev.open_queue(Role::capture, layout, 2).error().category, Category::busy);
}

TEST_F(QueueTest, ADriverThatChangesTheLayoutIsRefused)
{
    camera.stride_step = 512;
    const Device dev = device();
    const auto queue = dev.open_queue(Role::capture, layout, 2);
    ASSERT_FALSE(queue);
    EXPECT_EQ(queue.error().category, Category::unsupported);
    EXPECT_NE(queue.error().detail.find("asked for a stride of 256, the driver sets 512"), std::string::npos)
        << queue.error().detail;
}

TEST_F(QueueTest, WaitingHasAnEnd)
{
    const Device dev = device();
    auto queue = dev.open_queue(Role::capture, layout, 2);
    ASSERT_TRUE(queue);
    EXPECT_EQ(queue->dequeue(soon()).error().category, Category::invalid_state); // not streaming
    ASSERT_TRUE(queue->start());
    EXPECT_EQ(queue->dequeue(soon()).error().category, Category::timed_out);
    EXPECT_FALSE(queue->try_dequeue()->has_value());
}

TEST_F(QueueTest, ADamagedFrameIsAnErrorAndItsBufferComesBack)
{
    camera.damages_frames = true;
    const Device dev = device();
    auto queue = dev.open_queue(Role::capture, layout, 1);
    ASSERT_TRUE(queue);
    const Buffer a = buffer();
    ASSERT_TRUE(queue->queue(a) && queue->start());
    const auto frame = queue->dequeue(soon());
    ASSERT_FALSE(frame);
    EXPECT_EQ(frame.error().category, Category::damaged_frame);
    EXPECT_TRUE(queue->queue(a));
}

TEST_F(QueueTest, AVanishedDeviceIsLost)
{
    const Device dev = device();
    auto queue = dev.open_queue(Role::capture, layout, 1);
    ASSERT_TRUE(queue);
    ASSERT_TRUE(queue->queue(buffer()) && queue->start());
    machine.fail_all("VIDIOC_DQBUF", ENODEV);
    const auto frame = queue->dequeue(soon());
    ASSERT_FALSE(frame);
    EXPECT_EQ(frame.error().category, Category::device_gone);
    EXPECT_EQ(frame.error().sys_errno, ENODEV);
    EXPECT_NE(frame.error().advice.find("open it again"), std::string::npos) << frame.error().message();
}

struct Refusal {
    const char* call;
    int error;
    Category category;
    const char* advice; ///< a part of it
};

class RefusalTest : public QueueTest, public testing::WithParamInterface<Refusal> {};

TEST_P(RefusalTest, SaysWhatToDo)
{
    const Refusal& refusal = GetParam();
    auto queue = device().open_queue(Role::capture, layout, 1);
    ASSERT_TRUE(queue);
    machine.fail_all(refusal.call, refusal.error);
    const Buffer a = buffer();
    Status refused = queue->queue(a).and_then([&] { return queue->start(); });
    if (refused)
        refused = queue->dequeue(soon()).map([](const Frame&) {});
    ASSERT_FALSE(refused);
    const Error& error = refused.error();
    EXPECT_EQ(error.category, refusal.category) << error.message();
    EXPECT_EQ(error.call, refusal.call);
    EXPECT_EQ(error.target, "/dev/video0");
    EXPECT_EQ(error.sys_errno, refusal.error);
    EXPECT_NE(error.advice.find(refusal.advice), std::string::npos) << error.message();
}

INSTANTIATE_TEST_SUITE_P(
    Calls, RefusalTest,
    testing::Values(Refusal{"VIDIOC_STREAMON", EPIPE, Category::invalid_state, "media-ctl"},
                    Refusal{"VIDIOC_STREAMON", ENOLINK, Category::invalid_state, "media-ctl"},
                    Refusal{"VIDIOC_STREAMON", ENOSPC, Category::no_bandwidth, "a smaller picture"},
                    Refusal{"VIDIOC_STREAMON", EINVAL, Category::invalid_state, "queue buffers first"},
                    Refusal{"VIDIOC_STREAMON", EIO, Category::device_failed, "the signal is gone or changed"},
                    Refusal{"VIDIOC_STREAMON", EBUSY, Category::busy, "stop it"},
                    Refusal{"VIDIOC_STREAMON", ENODEV, Category::device_gone, "open it again"},
                    Refusal{"VIDIOC_QBUF", EIO, Category::device_failed, "the signal is gone or changed"},
                    Refusal{"VIDIOC_DQBUF", EIO, Category::device_failed, "stop, queue the buffers again, start"},
                    Refusal{"VIDIOC_DQBUF", EPIPE, Category::end_of_stream, "stop and start the queue"},
                    Refusal{"VIDIOC_DQBUF", EINVAL, Category::invalid_state, "start()"}),
    [](const testing::TestParamInfo<Refusal>& refusal) {
        return std::string(refusal.param.call) + "_" + errno_name(refusal.param.error);
    });

/// As the advice says: the source is set again meanwhile (S_DV_TIMINGS), or the cable is back.
TEST_F(QueueTest, AfterALostSignalItGoesOnWhenItIsStartedAgain)
{
    auto queue = device().open_queue(Role::capture, layout, 2);
    ASSERT_TRUE(queue);
    const Buffer a = buffer();
    const Buffer b = buffer();
    ASSERT_TRUE(queue->queue(a) && queue->queue(b) && queue->start());
    ASSERT_TRUE(queue->dequeue(soon()));
    machine.fail_all("VIDIOC_DQBUF", EIO);
    EXPECT_EQ(queue->dequeue(soon()).error().category, Category::device_failed);
    machine.fail_all("VIDIOC_DQBUF", 0);
    ASSERT_TRUE(queue->stop());
    ASSERT_TRUE(queue->queue(a) && queue->queue(b) && queue->start());
    for (const Buffer& each : {a, b}) {
        const auto frame = queue->dequeue(soon());
        ASSERT_TRUE(frame) << frame.error().message();
        EXPECT_EQ(frame->buffer, each);
    }
}

TEST_F(QueueTest, EndOfStreamIsKeptUntilTheQueueStops)
{
    auto queue = device().open_queue(Role::capture, layout, 1);
    ASSERT_TRUE(queue);
    ASSERT_TRUE(queue->queue(buffer()) && queue->start());
    machine.fail_all("VIDIOC_DQBUF", EPIPE);
    EXPECT_EQ(queue->dequeue(soon()).error().category, Category::end_of_stream);
    EXPECT_TRUE(queue->ended());
    ASSERT_TRUE(queue->stop());
    EXPECT_FALSE(queue->ended());
}

TEST_F(QueueTest, WordsAndNodeOfARefusedOpeningAreData)
{
    const auto refused = device().open_queue(Role::capture, layout, 0);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().operation, "open a queue");
    EXPECT_EQ(refused.error().call, "");
    EXPECT_EQ(refused.error().target, "/dev/video0");
}

} // namespace
} // namespace commonbuf::v4l2
