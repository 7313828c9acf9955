// SPDX-License-Identifier: MIT
//
// Memory that V4L2 drivers allocate themselves: as a heap, and streamed from by a queue that is
// used as one that imports nothing.
#include "devices.hpp"

#include <drm_fourcc.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace {

namespace cb = commonbuf;
using namespace std::chrono_literals;
using cb::v4l2::Role;

class V4l2Heap : public devices::Test {};

/// A plan for a device whose own memory is the only one there is.
cb::Result<cb::Plan> plan_of_own(const cb::v4l2::Device& device, const cb::Request& request,
                                 std::initializer_list<cb::Use> uses)
{
    return cb::Allocator({device.heap(Role::capture)}).plan(request, uses);
}

cb::Request request_for(const cb::v4l2::Device& camera)
{
    return devices::current_size(camera, Role::capture, DRM_FORMAT_XRGB8888);
}

/// Whether the CPU finds something in a frame that nobody but the device wrote.
void look_at(const cb::Buffer& buffer)
{
    auto access = buffer.read(cb::deadline_in(1s));
    ASSERT_TRUE(access) << access.error().message();
    const auto pixels = access->plane(0);
    EXPECT_TRUE(std::any_of(pixels.begin(), pixels.end(), [](std::byte byte) { return byte != std::byte{0}; }));
    EXPECT_TRUE(access->end());
}

TEST_F(V4l2Heap, EveryCameraExportsWhatItTakesAndTheCpuReads)
{
    bool any = false;
    for (const auto& camera : devices::all(Role::capture)) {
        if (camera.info().metadata || camera.info().memory_to_memory || camera.heap(Role::capture) == nullptr)
            continue;
        const auto plan = plan_of_own(camera, request_for(camera), {camera.capture(), cb::cpu(cb::Access::read)});
        if (!plan && plan.error().category != cb::Category::busy) {
            // Not every node has the format: then that is what it says, and not the memory.
            EXPECT_FALSE(plan.error().report->not_served.empty())
                << camera.info().path << ": " << plan.error().message() << plan.error().report->explain();
            continue;
        }
        ASSERT_TRUE(plan) << plan.error().message();
        any = true;
        EXPECT_EQ(plan->chosen().verdict.outcome, cb::Outcome::proved) << plan->explain();
        std::vector<cb::Buffer> buffers;
        for (int i = 0; i < 3; ++i) {
            const auto buffer = plan->allocate();
            ASSERT_TRUE(buffer) << buffer.error().message();
            buffers.push_back(*buffer);
        }
        auto queue = camera.open_queue(Role::capture, plan->layout(), 3);
        ASSERT_TRUE(queue) << queue.error().message();
        EXPECT_EQ(plan->allocate().error().category, cb::Category::busy);
        for (const cb::Buffer& buffer : buffers)
            ASSERT_TRUE(queue->queue(buffer));
        ASSERT_TRUE(queue->start());
        for (int i = 0; i < 6; ++i) {
            const auto frame = queue->dequeue(cb::deadline_in(5s));
            ASSERT_TRUE(frame) << frame.error().message();
            look_at(frame->buffer);
            ASSERT_TRUE(queue->queue(frame->buffer));
        }
    }
    if (!any)
        GTEST_SKIP() << "no camera exports memory";
}

TEST_F(V4l2Heap, AQueueStreamsFromItsOwnMemoryAndADisplayShowsIt)
{
    NEED_CAMERA(camera, devices::scattered_camera());
    NEED_DISPLAY(display);
    const auto plan = plan_of_own(camera, {DRM_FORMAT_XRGB8888, 1280, 720}, {camera.capture(), display.scanout()});
    ASSERT_TRUE(plan) << plan.error().message();
    auto queue = camera.open_own_queue(Role::capture, plan->layout(), 3);
    ASSERT_TRUE(queue) << queue.error().message();
    auto buffers = queue->buffers();
    ASSERT_GE(buffers.size(), 3U);
    for (const cb::Buffer& buffer : buffers) {
        EXPECT_TRUE(plan->serves(buffer)) << plan->serves(buffer).error().message();
        ASSERT_TRUE(queue->queue(buffer));
    }
    ASSERT_TRUE(queue->start());
    for (int i = 0; i < 9; ++i) {
        const auto frame = queue->dequeue(cb::deadline_in(5s));
        ASSERT_TRUE(frame) << frame.error().message();
        look_at(frame->buffer);
        const auto framebuffer = display.framebuffer(frame->buffer);
        ASSERT_TRUE(framebuffer) << framebuffer.error().message();
        ASSERT_TRUE(queue->queue(frame->buffer));
    }
    ASSERT_TRUE(queue->stop());
    // The memory is the buffers', not the queue's.
    {
        const auto gone = std::move(queue);
    }
    look_at(buffers.front());
    EXPECT_TRUE(display.framebuffer(buffers.back()));
}

#ifdef COMMONBUF_VERIFY
TEST_F(V4l2Heap, ContentIsRightInMemoryOfTheDevicesOwn)
{
    NEED_CAMERA(camera, devices::contiguous_camera());
    const auto use = camera.capture();
    const auto plan = plan_of_own(camera, request_for(camera), {use, cb::cpu(cb::Access::read)});
    ASSERT_TRUE(plan) << plan.error().message();
    const auto verified = cb::Allocator({camera.heap(Role::capture)}).verify(*plan, {use}, {.frames = 3});
    ASSERT_TRUE(verified) << verified.error().message();
    for (const auto& each : verified->uses)
        EXPECT_EQ(each.content.result, cb::Sameness::same) << each.use << ": " << each.content.reason;
}
#endif

TEST_F(V4l2Heap, WhereThereIsNoHeapDevicesAreTheHeaps)
{
    // The machine's own heaps do not serve a contiguous camera on `bare`; its driver does.
    NEED_CAMERA(camera, devices::contiguous_camera());
    const auto heaps = cb::find_heaps();
    if (std::any_of(heaps.begin(), heaps.end(), [](const auto& heap) {
            return !heap->info().obstacle && heap->info().kind != cb::HeapKind::drm_dumb;
        }))
        GTEST_SKIP() << "this machine has heaps";
    const auto plan = cb::Allocator().plan(request_for(camera), {camera.capture(), cb::cpu(cb::Access::read)});
    ASSERT_TRUE(plan) << plan.error().message();
    EXPECT_EQ(plan->chosen().heap.kind, cb::HeapKind::v4l2) << plan->explain();
}

} // namespace
