// SPDX-License-Identifier: MIT
//
// What V4L2 queues have beyond plain frames: several memories, more slots while frames flow,
// memory of the driver's own, offsets, damaged frames.
#include "devices.hpp"

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>

namespace {

namespace cb = commonbuf;
using namespace std::chrono_literals;
using cb::v4l2::Role;

class Queues : public devices::Test {};

std::optional<cb::v4l2::Device> multiplanar_camera()
{
    for (const auto& device : devices::all(Role::capture)) {
        const auto& formats = device.info().capture_formats;
        if (device.info().multiplanar && device.info().driver == "vivid" &&
            std::find(formats.begin(), formats.end(), V4L2_PIX_FMT_NV16M) != formats.end())
            return device;
    }
    return std::nullopt;
}

/// A layout with each plane in a memory of its own.
cb::Result<cb::Plan> plan_per_plane(const cb::v4l2::Device& camera, cb::Format format)
{
    return cb::Allocator().plan({format, 640, 480}, {camera.capture(), cb::cpu(cb::Access::read)});
}

/// A queue that does not stream polls as an error, at once and again and again.
TEST_F(Queues, AWaitBeforeTheStartBurnsNoCore)
{
    NEED_CAMERA(camera, devices::camera("vivid-000-vid-cap"));
    const auto plan = cb::Allocator().plan({DRM_FORMAT_YUYV, 640, 360, 2}, {camera.capture()});
    ASSERT_TRUE(plan) << plan.error().message();
    const auto used = [] {
        timespec time{};
        ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
        return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
    };
    for (const bool with_thread : {false, true}) {
        auto queue = camera.open_queue(Role::capture, plan->layout(), 2);
        ASSERT_TRUE(queue) << queue.error().message();
        if (with_thread) {
            ASSERT_TRUE(queue->start_thread());
        }
        ASSERT_TRUE(queue->queue_when_ready(*plan->allocate()));
        const auto before = used();
        const auto frame = queue->dequeue(cb::deadline_in(1s));
        ASSERT_FALSE(frame);
        EXPECT_EQ(frame.error().category, cb::Category::invalid_state) << frame.error().message();
        EXPECT_LT(used() - before, 300ms);
    }
}

/// From the plan to the frame, each plane in its own memory; and every memory is written.
TEST_F(Queues, SeveralMemoriesForABufferAllTheWay)
{
    const auto camera = multiplanar_camera();
    if (!camera)
        GTEST_SKIP() << "no camera here has the multi-planar API";
    std::string streamed;
    for (const std::uint32_t code : camera->info().capture_formats) {
        const cb::FormatInfo* info = cb::format_from_v4l2(code);
        if (info == nullptr || code != info->v4l2_multi || info->plane_count < 2)
            continue;
        const auto plan = plan_per_plane(*camera, info->format);
        // One memory is better where the driver has that too; some put offsets in front.
        if (!plan || plan->layout().memory_count < 2)
            continue;
        auto queue = camera->open_queue(Role::capture, plan->layout(), 2);
        ASSERT_TRUE(queue) << queue.error().message();
        for (int i = 0; i < 2; ++i) {
            auto buffer = plan->allocate();
            ASSERT_TRUE(buffer);
            auto access = buffer->write(cb::deadline_in(1s));
            ASSERT_TRUE(access);
            for (std::uint32_t p = 0; p < info->plane_count; ++p)
                std::ranges::fill(access->plane(p), std::byte{0x5a});
            ASSERT_TRUE(access->end());
            ASSERT_TRUE(queue->queue(*buffer));
        }
        ASSERT_TRUE(queue->start());
        const auto frame = queue->dequeue(cb::deadline_in(5s));
        ASSERT_TRUE(frame) << to_string(info->format) << ": " << frame.error().message();
        auto access = frame->buffer.read(cb::deadline_in(1s));
        ASSERT_TRUE(access);
        for (std::uint32_t m = 0; m < plan->layout().memory_count; ++m) {
            EXPECT_EQ(frame->bytes_used[m], plan->layout().memory_sizes[m]);
            EXPECT_EQ(frame->data_offset[m], 0U);
        }
        for (std::uint32_t p = 0; p < info->plane_count; ++p) {
            const auto plane = access->plane(p);
            EXPECT_FALSE(std::ranges::all_of(plane, [](std::byte byte) { return byte == std::byte{0x5a}; }))
                << to_string(info->format) << ": nobody wrote plane " << p;
        }
        EXPECT_TRUE(access->end());
        EXPECT_TRUE(queue->stop());
        streamed += ' ' + to_string(cb::Format::v4l2(code));
    }
    if (streamed.empty())
        GTEST_SKIP() << "no format here needs several memories";
    std::printf("streamed from several memories:%s\n", streamed.c_str());
}

/// Where the driver itself says that the first memory's pixels begin.
std::uint32_t offset_in_slot_0(const cb::v4l2::Queue& queue)
{
    std::array<v4l2_plane, VIDEO_MAX_PLANES> planes{};
    v4l2_buffer buffer{};
    buffer.type = V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE;
    buffer.m.planes = planes.data();
    buffer.length = planes.size();
    EXPECT_EQ(::ioctl(queue.frame_fd(), VIDIOC_QUERYBUF, &buffer), 0);
    return planes[0].data_offset;
}

/// vivid puts some planes behind an offset: refused by default, delivered with it on request.
TEST_F(Queues, FramesBehindAnOffsetSayIt)
{
    const auto camera = multiplanar_camera();
    if (!camera)
        GTEST_SKIP() << "no camera here has the multi-planar API";
    const auto layout = cb::linear_layout({DRM_FORMAT_NV16, 640, 480}, 640, cb::Memories::per_plane);
    ASSERT_TRUE(layout);
    auto queue = camera->open_own_queue(Role::capture, *layout, 3);
    ASSERT_TRUE(queue) << queue.error().message();
    const auto buffers = queue->buffers();
    ASSERT_EQ(buffers.size(), queue->slots());
    for (const auto& buffer : buffers)
        ASSERT_TRUE(queue->queue(buffer));
    ASSERT_TRUE(queue->start());
    const auto expected = offset_in_slot_0(*queue);
    if (expected == 0)
        GTEST_SKIP() << "this vivid has no offsets in NV16M";
    const auto refused = queue->dequeue(cb::deadline_in(5s));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().category, cb::Category::unsupported) << refused.error().message();
    queue->deliver_offsets(true);
    const auto frame = queue->dequeue(cb::deadline_in(5s));
    ASSERT_TRUE(frame) << frame.error().message();
    EXPECT_EQ(frame->data_offset[0], expected);
    EXPECT_GT(frame->bytes_used[0], frame->data_offset[0]);
    EXPECT_TRUE(queue->stop());
}

/// The driver's own memory, with the CPU looking at it through dma-bufs.
TEST_F(Queues, TheDriversOwnMemoryStreams)
{
    NEED_CAMERA(camera, devices::camera("vivid-000-vid-cap"));
    const auto layout = cb::linear_layout({DRM_FORMAT_XRGB8888, 640, 480}, 2560, cb::Memories::single);
    ASSERT_TRUE(layout);
    auto queue = camera.open_own_queue(Role::capture, *layout, 3);
    ASSERT_TRUE(queue) << queue.error().message();
    auto buffers = queue->buffers();
    ASSERT_EQ(buffers.size(), queue->slots());
    for (const auto& buffer : buffers)
        ASSERT_TRUE(queue->queue(buffer));
    EXPECT_EQ(queue->grow(1).error().category, cb::Category::unsupported);
    ASSERT_TRUE(queue->start());
    for (int i = 0; i < 6; ++i) {
        const auto frame = queue->dequeue(cb::deadline_in(5s));
        ASSERT_TRUE(frame) << frame.error().message();
        EXPECT_EQ(frame->bytes_used[0], 640U * 480 * 4);
        auto access = frame->buffer.read(cb::deadline_in(1s));
        ASSERT_TRUE(access && access->end());
        ASSERT_TRUE(queue->queue(frame->buffer));
    }
    EXPECT_TRUE(queue->stop());
    const auto plan = cb::Allocator().plan({DRM_FORMAT_XRGB8888, 640, 480}, {cb::cpu(cb::Access::read)});
    ASSERT_TRUE(plan);
    const auto foreign = queue->queue(*plan->allocate());
    ASSERT_FALSE(foreign);
    EXPECT_EQ(foreign.error().category, cb::Category::invalid_argument) << foreign.error().message();
}

/// NV12 as NM12, where the camera has it in one memory too and plans prefer that: the layout is
/// the caller's, and so are the memories.
TEST_F(Queues, LuminanceAndChromaInMemoriesOfTheirOwn)
{
    const auto camera = multiplanar_camera();
    if (!camera)
        GTEST_SKIP() << "no camera here has the multi-planar API";
    const auto heap = devices::usable_heap(true);
    if (heap == nullptr)
        GTEST_SKIP() << "no region can be used here";
    const auto layout = cb::linear_layout({DRM_FORMAT_NV12, 640, 480}, 640, cb::Memories::per_plane);
    ASSERT_TRUE(layout);
    ASSERT_EQ(layout->memory_count, 2U);
    auto queue = camera->open_queue(Role::capture, *layout, 2);
    ASSERT_TRUE(queue) << queue.error().message();
    for (int i = 0; i < 2; ++i) {
        std::vector<cb::UniqueFd> memories;
        for (const std::uint64_t size : layout->used_memories())
            memories.push_back(heap->allocate(size).value());
        const auto buffer = cb::Buffer::wrap(*layout, std::move(memories));
        ASSERT_TRUE(buffer);
        const auto queued = queue->queue(*buffer);
        ASSERT_TRUE(queued) << queued.error().message();
    }
    ASSERT_TRUE(queue->start());
    const auto frame = queue->dequeue(cb::deadline_in(5s));
    ASSERT_TRUE(frame) << frame.error().message();
    EXPECT_EQ(frame->bytes_used[0], 640U * 480);
    EXPECT_EQ(frame->bytes_used[1], 640U * 240);
    auto access = frame->buffer.read(cb::deadline_in(1s));
    ASSERT_TRUE(access);
    // The test picture has colours.
    const auto chroma = access->plane(1);
    EXPECT_TRUE(std::ranges::any_of(chroma, [&](std::byte byte) { return byte != chroma[0]; }));
    EXPECT_TRUE(access->end());
    EXPECT_TRUE(queue->stop());
}

/// More slots while frames flow, and all of them are used.
TEST_F(Queues, AQueueGrowsWhileFramesFlow)
{
    NEED_CAMERA(camera, devices::camera("vivid-000-vid-cap"));
    const auto plan = cb::Allocator().plan({DRM_FORMAT_XRGB8888, 640, 480}, {camera.capture()});
    ASSERT_TRUE(plan) << plan.error().message();
    auto queue = camera.open_queue(Role::capture, plan->layout(), 2);
    ASSERT_TRUE(queue);
    const auto before = queue->slots();
    for (std::uint32_t i = 0; i < before; ++i)
        ASSERT_TRUE(queue->queue(*plan->allocate()));
    ASSERT_TRUE(queue->start());
    ASSERT_TRUE(queue->queue(queue->dequeue(cb::deadline_in(5s)).value().buffer));
    EXPECT_EQ(queue->grow(0).error().category, cb::Category::invalid_argument);
    EXPECT_EQ(queue->grow(1000).error().category, cb::Category::invalid_argument);
    const auto now = queue->grow(3);
    ASSERT_TRUE(now) << now.error().message();
    EXPECT_EQ(*now, before + 3);
    for (int i = 0; i < 3; ++i)
        ASSERT_TRUE(queue->queue(*plan->allocate()));
    EXPECT_EQ(queue->with_device(), *now);
    std::vector<cb::Buffer> seen;
    for (std::uint32_t i = 0; i < *now; ++i) {
        const auto frame = queue->dequeue(cb::deadline_in(5s));
        ASSERT_TRUE(frame) << frame.error().message();
        EXPECT_EQ(std::count(seen.begin(), seen.end(), frame->buffer), 0);
        seen.push_back(frame->buffer);
        EXPECT_EQ(frame->field, std::uint32_t{V4L2_FIELD_NONE});
        EXPECT_EQ(frame->flags & V4L2_BUF_FLAG_TIMESTAMP_MASK, std::uint32_t{V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC});
        EXPECT_FALSE(frame->last() || frame->damaged());
    }
    EXPECT_TRUE(queue->stop());
}

/// What makes no sense along with a buffer is refused before the kernel sees it.
TEST_F(Queues, PayloadsAreHeldAgainstTheBuffer)
{
    NEED_CAMERA(output, devices::camera("vivid-000-vid-out"));
    const auto request = devices::current_size(output, Role::output, DRM_FORMAT_XRGB8888);
    const auto plan = cb::Allocator().plan(request, {output.output()});
    ASSERT_TRUE(plan) << plan.error().message();
    auto queue = output.open_queue(Role::output, plan->layout(), 2);
    ASSERT_TRUE(queue);
    const auto buffer = plan->allocate();
    ASSERT_TRUE(buffer);
    cb::v4l2::Payload payload;
    payload.bytes_used[0] = static_cast<std::uint32_t>(plan->layout().memory_sizes[0]) + 1;
    EXPECT_EQ(queue->queue(*buffer, payload).error().category, cb::Category::invalid_argument);
    payload = {};
    payload.bytes_used[1] = 1;
    EXPECT_EQ(queue->queue(*buffer, payload).error().category, cb::Category::invalid_argument);
    payload = {};
    payload.bytes_used[0] = 100;
    payload.data_offset[0] = 100;
    EXPECT_FALSE(queue->queue(*buffer, payload)) << "nothing is left behind the offset";
    payload = {};
    payload.timestamp = -1ns;
    EXPECT_EQ(queue->queue(*buffer, payload).error().category, cb::Category::invalid_argument);
    EXPECT_EQ(queue->with_device(), 0U);
    EXPECT_TRUE(queue->queue(*buffer, cb::v4l2::Payload{}));
}

} // namespace
