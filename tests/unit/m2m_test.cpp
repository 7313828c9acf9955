// SPDX-License-Identifier: MIT
#include "fake/machine.hpp"

#include <commonbuf/v4l2/m2m.hpp>
#include <commonbuf/v4l2/media_request.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>
#include <poll.h>

#include <cerrno>

namespace commonbuf::v4l2 {
namespace {

class M2mTest : public testing::Test {
protected:
    fake::Machine machine;
    Layout raw = *linear_layout({DRM_FORMAT_NV12, 64, 32}, 64, Memories::single);
    Layout coded = *opaque_layout({Format::v4l2(V4L2_PIX_FMT_FWHT), 64, 32}, 0, 8192);

    Buffer make(const Layout& layout)
    {
        std::vector<UniqueFd> memories;
        memories.emplace_back(machine.add_dma_buf(layout.memory_sizes[0]));
        return *Buffer::wrap(layout, std::move(memories));
    }

    M2m encoder()
    {
        M2m codec = *M2m::open("@fake-codec");
        EXPECT_TRUE(codec.open_queues(raw, coded, 2));
        EXPECT_TRUE(codec.start());
        return codec;
    }

    static Deadline soon() { return deadline_in(std::chrono::milliseconds(1)); }
    void TearDown() override { EXPECT_EQ(machine.leaks(), ""); }
};

TEST_F(M2mTest, WhatIsNoCodecIsRefused)
{
    machine.add_camera("video0", {.formats = {V4L2_PIX_FMT_NV12}});
    const auto none = M2m::open("/dev/video0");
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().category, Category::invalid_argument);
}

TEST_F(M2mTest, TheEndIsSentBehindWhatWaitsForItsFence)
{
    machine.add_codec("video0", {});
    M2m codec = encoder();
    const auto work = machine.add_fence("draw");
    ASSERT_TRUE(codec.capture_queue()->queue_when_ready(make(coded)));
    ASSERT_TRUE(codec.capture_queue()->queue_when_ready(make(coded)));
    ASSERT_TRUE(codec.output_queue()->queue_when_ready(make(raw), *Fence::from_fd(UniqueFd(machine.sync_file(work)))));
    ASSERT_TRUE(codec.drain());
    EXPECT_TRUE(codec.draining());
    ASSERT_TRUE(codec.advance());
    EXPECT_EQ(machine.count("VIDIOC_ENCODER_CMD"), 0U);
    work->status = 1;
    ASSERT_TRUE(codec.advance());
    EXPECT_EQ(machine.count("VIDIOC_ENCODER_CMD"), 1U);
    EXPECT_FALSE(codec.capture_queue()->dequeue(soon())->last());
    EXPECT_TRUE(codec.capture_queue()->dequeue(soon())->last());
    EXPECT_FALSE(codec.draining());
    EXPECT_EQ(codec.poll_events() & POLLIN, 0) << "its end would be polled again and again";
    EXPECT_EQ(codec.capture_queue()->dequeue(soon()).error().sys_errno, EPIPE);
    ASSERT_TRUE(codec.resume());
    EXPECT_EQ(machine.count("VIDIOC_STREAMOFF"), 0U) << "the queue went on by itself";
}

TEST_F(M2mTest, AQueueThatStaysAtItsEndIsRestartedWithItsBuffers)
{
    machine.add_codec("video0", {.stays_at_end = true});
    M2m codec = encoder();
    for (int i = 0; i < 2; ++i)
        ASSERT_TRUE(codec.capture_queue()->queue_when_ready(make(coded)));
    ASSERT_TRUE(codec.drain());
    ASSERT_TRUE(codec.capture_queue()->dequeue(soon())->last());
    ASSERT_TRUE(codec.resume());
    EXPECT_EQ(codec.capture_queue()->with_device(), 1U);
    ASSERT_TRUE(codec.output_queue()->queue_when_ready(make(raw)));
    const auto frame = codec.capture_queue()->dequeue(soon());
    ASSERT_TRUE(frame) << frame.error().message();
    EXPECT_EQ(frame->bytes_used[0], 100U);
    EXPECT_EQ(frame->coding(), Coding::key);
}

TEST_F(M2mTest, ASourceChangeSaysWhatIsToBeSeen)
{
    fake::CodecModel& model = machine.add_codec("video0", {.encodes = false, .changes = 2});
    M2m codec = *M2m::open("@fake-codec");
    EXPECT_FALSE(*codec.pop_source_change()) << "nothing is subscribed";
    ASSERT_TRUE(codec.open_output(coded, 2));
    const auto change = *codec.pop_source_change();
    ASSERT_TRUE(change);
    EXPECT_EQ(change->width, 62U);
    EXPECT_EQ(change->coded_width, 64U);
    EXPECT_EQ(change->min_buffers, 2U);
    EXPECT_EQ(change->format, Format(DRM_FORMAT_NV12));
    EXPECT_FALSE(*codec.pop_source_change()) << "two events are one change";
    // More than there is cannot be seen.
    model.changes = 1;
    model.visible_width = 4000;
    EXPECT_EQ((*codec.pop_source_change())->width, 64U);
}

TEST_F(M2mTest, DamagedFramesComeWithTheirBufferOnRequest)
{
    machine.add_codec("video0", {.damages_frames = true});
    M2m codec = encoder();
    const Buffer frame = make(coded);
    for (const bool take : {false, true}) {
        codec.capture_queue()->deliver_damaged(take);
        ASSERT_TRUE(codec.capture_queue()->queue_when_ready(frame));
        ASSERT_TRUE(codec.output_queue()->queue_when_ready(make(raw)));
        const auto came = codec.capture_queue()->dequeue(soon());
        ASSERT_TRUE(codec.output_queue()->dequeue(soon()));
        ASSERT_EQ(came.has_value(), take);
        if (take) {
            EXPECT_TRUE(came->damaged());
            EXPECT_EQ(came->buffer, frame);
        } else {
            EXPECT_EQ(came.error().category, Category::damaged_frame);
        }
        frame.forget_failure();
    }
}

TEST_F(M2mTest, ARefusedStartSaysWhatToDo)
{
    machine.add_codec("video0", {});
    M2m codec = *M2m::open("@fake-codec");
    ASSERT_TRUE(codec.open_queues(raw, coded, 2));
    machine.fail_all("VIDIOC_STREAMON", EPIPE);
    const auto refused = codec.start();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().category, Category::invalid_state);
    EXPECT_NE(refused.error().advice.find("media-ctl"), std::string::npos) << refused.error().message();
}

TEST_F(M2mTest, WaitingForNothingIsAnError)
{
    machine.add_codec("video0", {});
    M2m codec = *M2m::open("@fake-codec");
    const auto nothing = codec.wait(soon());
    ASSERT_FALSE(nothing);
    EXPECT_EQ(nothing.error().category, Category::invalid_state);
    EXPECT_EQ(nothing.error().operation, "wait for a codec");
}

TEST_F(M2mTest, ADriverThatMisplacesNewSlotsIsNotBelieved)
{
    machine.add_codec("video0", {.misplaced_slots = 7});
    M2m codec = encoder();
    EXPECT_EQ(codec.capture_queue()->grow(1).error().category, Category::kernel_failure);
    EXPECT_EQ(codec.capture_queue()->slots(), 2U);
}

TEST_F(M2mTest, BuffersOfARequestThatWasNeverSubmittedComeBack)
{
    machine.add_codec("video0", {.encodes = false, .requires_requests = true});
    M2m codec = *M2m::open("@fake-codec");
    ASSERT_TRUE(codec.open_queues(coded, raw, 2));
    EXPECT_TRUE(codec.output_queue()->supports_requests());
    const Buffer frame = make(coded);
    EXPECT_EQ(codec.output_queue()->queue_when_ready(frame).error().sys_errno, EBADR);
    EXPECT_TRUE(codec.output_queue()->requires_requests());
    auto request = MediaDevice::open(codec.device())->allocate();
    ASSERT_TRUE(request);
    Payload payload;
    payload.request = request->fd();
    ASSERT_TRUE(codec.output_queue()->queue_when_ready(frame, {}, payload));
    EXPECT_EQ(request->submit().error().category, Category::invalid_state) << "without its control";
    EXPECT_EQ(codec.output_queue()->reclaim(frame).error().category, Category::busy);
    ASSERT_TRUE(request->reset());
    EXPECT_TRUE(codec.output_queue()->reclaim(frame));
    EXPECT_EQ(codec.drain().error().category, Category::unsupported);
    EXPECT_EQ(request->set_control(V4L2_CID_BRIGHTNESS, std::int64_t{1} << 40).error().category,
              Category::invalid_argument);
}

TEST_F(M2mTest, WhoHoldsNoPicturesIsNotToldTo)
{
    machine.add_codec("video0", {.encodes = false});
    M2m codec = *M2m::open("@fake-codec");
    EXPECT_EQ(codec.flush().error().category, Category::unsupported) << "nothing is open";
    ASSERT_TRUE(codec.open_queues(coded, raw, 2));
    EXPECT_FALSE(codec.output_queue()->supports_hold_capture());
    Payload payload;
    payload.hold_capture = true;
    const auto queued = codec.output_queue()->queue_when_ready(make(coded), {}, payload);
    ASSERT_FALSE(queued);
    EXPECT_EQ(queued.error().category, Category::unsupported) << queued.error().message();
    EXPECT_EQ(codec.output_queue()->with_device(), 0U);
    EXPECT_EQ(machine.count("VIDIOC_QBUF"), 0U) << "the kernel would pass over it";
    EXPECT_EQ(codec.flush().error().category, Category::unsupported);
    EXPECT_EQ(machine.count("VIDIOC_DECODER_CMD"), 0U);
}

TEST_F(M2mTest, AHeldPictureComesWithItsLastSliceOrTheNextPictureOrAFlush)
{
    machine.add_codec("video0", {.encodes = false, .holds = true});
    M2m codec = *M2m::open("@fake-codec");
    ASSERT_TRUE(codec.open_queues(coded, raw, 4));
    EXPECT_TRUE(codec.output_queue()->supports_hold_capture());
    EXPECT_FALSE(codec.capture_queue()->supports_hold_capture());
    ASSERT_TRUE(codec.start());
    for (int i = 0; i < 3; ++i)
        ASSERT_TRUE(codec.capture_queue()->queue_when_ready(make(raw)));
    const auto slice = [&](int picture, bool hold, const Fence& ready = {}) {
        Payload payload;
        payload.timestamp = std::chrono::milliseconds(picture);
        payload.hold_capture = hold;
        EXPECT_TRUE(codec.output_queue()->queue_when_ready(make(coded), ready, payload));
    };
    const auto came = [&]() -> std::int64_t {
        while (codec.output_queue()->dequeue(soon())) {
        }
        const auto frame = codec.capture_queue()->try_dequeue();
        EXPECT_TRUE(frame);
        return frame && *frame ? (*frame)->timestamp / std::chrono::milliseconds(1) : -1;
    };
    slice(1, true);
    slice(1, true);
    EXPECT_EQ(came(), -1);
    slice(1, false);
    EXPECT_EQ(came(), 1);
    slice(2, true);
    EXPECT_EQ(came(), -1);
    slice(3, true);
    EXPECT_EQ(came(), 2) << "another picture begins";
    // A flush comes behind what waits for its fence.
    const auto work = machine.add_fence("read");
    slice(3, true, *Fence::from_fd(UniqueFd(machine.sync_file(work))));
    ASSERT_TRUE(codec.flush());
    EXPECT_EQ(machine.count("VIDIOC_DECODER_CMD"), 0U);
    work->status = 1;
    ASSERT_TRUE(codec.advance());
    EXPECT_EQ(machine.count("VIDIOC_DECODER_CMD"), 1U);
    EXPECT_EQ(came(), 3);
    EXPECT_EQ(codec.drain().error().category, Category::unsupported) << "the driver knows no such command";
    EXPECT_FALSE(codec.draining());
}

} // namespace
} // namespace commonbuf::v4l2
