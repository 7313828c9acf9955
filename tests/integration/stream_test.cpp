// SPDX-License-Identifier: MIT
//
// What a plan calls proved streams, and what it calls refused fails.
#include "devices.hpp"

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <set>
#include <vector>

namespace {

namespace cb = commonbuf;
using namespace std::chrono_literals;
using cb::v4l2::Role;

class Streams : public devices::Test {};

constexpr std::uint32_t buffers_at_once = 4;

/// Streams some frames through buffers of one heap; the first failure.
cb::Status stream(const cb::v4l2::Device& device, Role role, const cb::Plan& plan, std::uint32_t frames)
{
    // First the buffers: they may be of the queue's own memory, which it gives while it has no slots.
    std::vector<cb::Buffer> buffers;
    for (std::uint32_t i = 0; i < buffers_at_once; ++i) {
        auto buffer = plan.allocate();
        if (!buffer)
            return buffer.error();
        buffers.push_back(std::move(*buffer));
    }
    auto queue = device.open_queue(role, plan.layout(), buffers_at_once);
    if (!queue)
        return queue.error();
    for (const cb::Buffer& buffer : buffers) {
        if (auto queued = queue->queue(buffer); !queued)
            return queued;
    }
    if (auto started = queue->start(); !started)
        return started;
    std::optional<std::uint32_t> last;
    for (std::uint32_t i = 0; i < frames; ++i) {
        const auto frame = queue->dequeue(cb::deadline_in(5s));
        if (!frame)
            return frame.error();
        // A vivid that is held up gives two frames one number.
        if (last && frame->sequence < *last)
            return cb::Error::kernel_failure("look at the sequence", "frames are out of order");
        last = frame->sequence;
        if (auto queued = queue->queue(frame->buffer); !queued)
            return queued;
    }
    return queue->stop();
}

void what_is_proved_streams(Role role)
{
    bool any = false;
    for (const auto& device : devices::all(role)) {
        const auto format = devices::any_format(device.info(), role);
        if (!format)
            continue;
        cb::Request request = devices::current_size(device, role, *format);
        request.count = buffers_at_once;
        for (const auto& heap : cb::find_heaps()) {
            if (!devices::makes_memory(*heap) || !heap->info().same_as.empty())
                continue;
            const cb::Use use = role == Role::capture ? device.capture() : device.output();
            const auto plan = cb::Allocator({heap}).plan(request, {use});
            if (!plan)
                continue;
            // vimc needs its media pipeline set up before it streams: no matter of memory.
            if (device.info().driver == "vimc")
                continue;
            any = true;
            EXPECT_EQ(plan->chosen().verdict.outcome, cb::Outcome::proved);
            const auto streamed = stream(device, role, *plan, 6);
            EXPECT_TRUE(streamed) << device.info().path << " on " << heap->info().name << ": "
                                  << streamed.error().message();
        }
    }
    if (!any)
        GTEST_SKIP() << "no V4L2 node and heap can be used here";
}

TEST_F(Streams, WhatIsProvedStreamsFromCameras) { what_is_proved_streams(Role::capture); }
TEST_F(Streams, WhatIsProvedStreamsToOutputs) { what_is_proved_streams(Role::output); }

/// What a camera says beside its pictures goes through as the driver's own format.
TEST_F(Streams, MetadataStreams)
{
    NEED_CAMERA(meta, devices::camera("vivid-000-meta-cap"));
    ASSERT_TRUE(meta.info().metadata);
    ASSERT_FALSE(meta.info().capture_formats.empty());
    const auto format = cb::Format::v4l2(meta.info().capture_formats.front());
    ASSERT_TRUE(cb::is_opaque(format));
    // It has no pixels: any size is as good.
    const auto plan = cb::Allocator().plan({format, 1, 1}, {meta.capture(), cb::cpu(cb::Access::read)});
    if (!plan && devices::usable_heap(false) == nullptr && devices::usable_heap(true) == nullptr)
        GTEST_SKIP() << "no heap can be used here";
    ASSERT_TRUE(plan) << plan.error().message();
    EXPECT_EQ(plan->chosen().uses[0].verdict.outcome, cb::Outcome::proved);
    const auto done = stream(meta, Role::capture, *plan, 3);
    EXPECT_TRUE(done) << done.error().message();
}

TEST_F(Streams, APlanForABusyCameraDisturbsNothing)
{
    NEED_CAMERA(camera, devices::camera("vivid-000-vid-cap"));
    const auto plan = cb::Allocator().plan({DRM_FORMAT_XRGB8888, 1280, 720}, {camera.capture()});
    if (!plan)
        GTEST_SKIP() << plan.error().message();
    auto queue = camera.open_queue(Role::capture, plan->layout(), 2);
    ASSERT_TRUE(queue) << queue.error().message();
    for (int i = 0; i < 2; ++i)
        ASSERT_TRUE(queue->queue(*plan->allocate()));
    ASSERT_TRUE(queue->start());
    const auto other = cb::v4l2::Device::open(camera.info().path);
    ASSERT_TRUE(other);
    for (int i = 0; i < 4; ++i) {
        const auto refused = cb::Allocator().plan({DRM_FORMAT_XRGB8888, 640, 360}, {other->capture()});
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().category, cb::Category::busy);
        const auto frame = queue->dequeue(cb::deadline_in(5s));
        ASSERT_TRUE(frame) << frame.error().message();
        EXPECT_EQ(frame->bytes_used[0], plan->layout().memory_sizes[0]);
        ASSERT_TRUE(queue->queue(frame->buffer));
    }
    EXPECT_TRUE(queue->stop());
}

/// Bayer and compressed formats: the stride and size are the driver's.
TEST_F(Streams, OpaqueFormatsStreamFromCameras)
{
    std::size_t streamed = 0;
    std::size_t seen = 0;
    for (const auto& device : devices::all(Role::capture)) {
        // vimc needs its media pipeline set up before it streams; an encoder's capture
        // side waits for frames on its other queue.
        if (device.info().driver == "vimc" || device.info().output)
            continue;
        for (const std::uint32_t code : device.info().capture_formats) {
            const auto format = cb::Format::v4l2(code);
            // A few of each kind: at a camera's own pace all of them take a minute.
            if (!cb::is_opaque(format) || seen++ % 8 != 0)
                continue;
            const auto plan = cb::Allocator().plan({format, 640, 480}, {device.capture(), cb::cpu(cb::Access::read)});
            // Its format is known; a machine may have no memory for this camera.
            if (!plan && plan.error().report != nullptr && !plan.error().report->heaps.empty())
                continue;
            ASSERT_TRUE(plan) << to_string(format) << ": " << plan.error().message();
            const auto done = stream(device, Role::capture, *plan, 2);
            EXPECT_TRUE(done) << to_string(format) << ": " << done.error().message();
            ++streamed;
        }
    }
    if (streamed == 0)
        GTEST_SKIP() << "no camera here has a format that V4L2 alone has";
    std::printf("%zu opaque formats streamed\n", streamed);
}

TEST_F(Streams, WhatIsRefusedFails)
{
    NEED_CAMERA(camera, devices::contiguous_camera());
    NEED_HEAP(true, "region");
    const cb::Request request{DRM_FORMAT_XRGB8888, 1280, 720};
    const auto plan = cb::Allocator().plan(request, {camera.capture()});
    ASSERT_TRUE(plan) << plan.error().message();
    std::size_t refused = 0;
    for (const auto& heap : cb::find_heaps()) {
        const cb::HeapVerdict* verdict = devices::verdict(plan->report(), heap->info().name);
        ASSERT_NE(verdict, nullptr);
        if (verdict->verdict.outcome != cb::Outcome::refused || !devices::makes_memory(*heap))
            continue;
        ++refused;
        // Held together, so that at least one of them is scattered.
        auto queue = camera.open_queue(Role::capture, plan->layout(), 8);
        ASSERT_TRUE(queue) << queue.error().message();
        bool failed = false;
        for (int i = 0; i < 8 && !failed; ++i) {
            auto memory = heap->allocate(plan->layout().memory_sizes[0] + 4096);
            ASSERT_TRUE(memory);
            std::vector<cb::UniqueFd> memories;
            memories.push_back(std::move(*memory));
            const auto queued = queue->queue(*cb::Buffer::wrap(plan->layout(), std::move(memories)));
            failed = !queued;
            if (failed) {
                EXPECT_EQ(queued.error().sys_errno, verdict->verdict.sys_errno) << queued.error().message();
            }
        }
        EXPECT_TRUE(failed) << heap->info().name << " was refused, and streams";
    }
    if (refused == 0)
        GTEST_SKIP() << "no heap was refused here";
}

/// The test pattern's bars are in the picture, and each frame is a new one.
TEST_F(Streams, TheCpuSeesWhatTheCameraWrote)
{
    NEED_CAMERA(camera, devices::camera("vivid-000-vid-cap"));
    const auto plan =
        cb::Allocator().plan({DRM_FORMAT_XRGB8888, 640, 480}, {camera.capture(), cb::cpu(cb::Access::read)});
    ASSERT_TRUE(plan) << plan.error().message();
    auto queue = camera.open_queue(Role::capture, plan->layout(), 2);
    ASSERT_TRUE(queue);
    for (int i = 0; i < 2; ++i)
        ASSERT_TRUE(queue->queue(*plan->allocate()));
    ASSERT_TRUE(queue->start());
    const auto frame = queue->dequeue(cb::deadline_in(5s));
    ASSERT_TRUE(frame) << frame.error().message();
    auto access = frame->buffer.read(cb::deadline_in(1s));
    ASSERT_TRUE(access);
    std::set<std::uint32_t> colours;
    const auto plane = access->plane(0);
    const std::size_t row = (plan->layout().height - 10) * plan->layout().planes[0].stride;
    for (std::size_t x = 0; x < 640; ++x) {
        std::uint32_t pixel = 0;
        std::memcpy(&pixel, plane.data() + row + x * 4, sizeof pixel);
        colours.insert(pixel & 0xffffffU);
    }
    EXPECT_EQ(colours.size(), 8U) << "the eight bars of the test pattern";
    EXPECT_TRUE(access->end());
    EXPECT_EQ(frame->buffer.cpu_accesses(), 1U);
}

TEST_F(Streams, AVanishedCameraIsLostAndNothingHangs)
{
    NEED_CAMERA(camera, devices::camera("vivid-000-vid-cap"));
    const auto plan = cb::Allocator().plan({DRM_FORMAT_XRGB8888, 640, 480}, {camera.capture()});
    ASSERT_TRUE(plan) << plan.error().message();
    auto queue = camera.open_queue(Role::capture, plan->layout(), 2);
    ASSERT_TRUE(queue);
    for (int i = 0; i < 2; ++i)
        ASSERT_TRUE(queue->queue(*plan->allocate()));
    ASSERT_TRUE(queue->start());
    ASSERT_TRUE(queue->dequeue(cb::deadline_in(5s)));

    // vivid has a button that unplugs it until its last user is gone.
    v4l2_queryctrl control{};
    control.id = V4L2_CTRL_FLAG_NEXT_CTRL;
    std::uint32_t disconnect = 0;
    while (::ioctl(camera.fd(), VIDIOC_QUERYCTRL, &control) == 0) {
        if (std::strcmp(reinterpret_cast<const char*>(control.name), "Disconnect") == 0)
            disconnect = control.id;
        control.id |= V4L2_CTRL_FLAG_NEXT_CTRL;
    }
    if (disconnect == 0)
        GTEST_SKIP() << "this vivid has no Disconnect control";
    v4l2_control press{disconnect, 1};
    ASSERT_EQ(::ioctl(camera.fd(), VIDIOC_S_CTRL, &press), 0);

    const auto start = std::chrono::steady_clock::now();
    const auto frame = queue->dequeue(cb::deadline_in(2s));
    ASSERT_FALSE(frame);
    EXPECT_EQ(frame.error().category, cb::Category::device_gone) << frame.error().message();
    EXPECT_LT(std::chrono::steady_clock::now() - start, 2500ms);
    const auto again = cb::Allocator().plan({DRM_FORMAT_XRGB8888, 640, 480}, {camera.capture()});
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().category, cb::Category::device_gone) << again.error().message();
}

TEST_F(Streams, WaitingForACameraThatWasNotStartedHasAnEnd)
{
    NEED_CAMERA(camera, devices::camera("vivid-000-vid-cap"));
    const auto plan = cb::Allocator().plan({DRM_FORMAT_XRGB8888, 640, 480}, {camera.capture()});
    ASSERT_TRUE(plan) << plan.error().message();
    auto queue = camera.open_queue(Role::capture, plan->layout(), 2);
    ASSERT_TRUE(queue);
    ASSERT_TRUE(queue->queue(*plan->allocate()));
    const auto start = std::chrono::steady_clock::now();
    EXPECT_FALSE(queue->dequeue(cb::deadline_in(100ms)));
    EXPECT_LT(std::chrono::steady_clock::now() - start, 1s);
}

} // namespace
