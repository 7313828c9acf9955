// SPDX-License-Identifier: MIT
//
// The memory of a V4L2 queue's own: given out as a heap, and streamed from by a device that
// imports none.
#include "fake/machine.hpp"

#include <commonbuf/commonbuf.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>

#include <algorithm>
#include <cerrno>

namespace commonbuf {
namespace {

using v4l2::Role;

class V4l2Heap : public testing::Test {
protected:
    fake::Machine machine;
    fake::CameraModel& camera = machine.add_camera(
        "video0", {.needs_contiguous = true, .exports = true, .in_one_piece = true, .formats = {V4L2_PIX_FMT_XBGR32}});
    v4l2::Device device = *v4l2::Device::open("/dev/video0");
    Request request{DRM_FORMAT_XRGB8888, 64, 32};

    static const HeapVerdict* verdict(const Report& report, std::string_view heap)
    {
        const auto found = std::find_if(report.heaps.begin(), report.heaps.end(),
                                        [heap](const auto& each) { return each.heap.name == heap; });
        return found != report.heaps.end() ? &*found : nullptr;
    }
};

constexpr const char* own = "v4l2-video0-capture";

TEST_F(V4l2Heap, GivesMemoryAndLeavesTheQueueFree)
{
    const auto heap = device.heap(Role::capture);
    ASSERT_NE(heap, nullptr);
    EXPECT_EQ(heap->info().name, own);
    EXPECT_EQ(heap->info().kind, HeapKind::v4l2);
    EXPECT_TRUE(heap->info().scarce);
    const auto one = heap->allocate(10'000);
    ASSERT_TRUE(one) << one.error().message();
    EXPECT_GE(machine.dma_buf(one->get())->size(), 10'000);
    EXPECT_EQ(camera.slots, 0U);
    ASSERT_TRUE(heap->allocate(1)); // no less than a frame of the format that is set
    EXPECT_EQ(machine.count("VIDIOC_S_FMT"), 0U);
    EXPECT_EQ(heap->allocate(0).error().category, Category::invalid_argument);
    EXPECT_EQ(heap->allocate(std::uint64_t{1} << 32U).error().category, Category::invalid_argument);
    camera.room = 4096;
    EXPECT_EQ(heap->allocate(100'000).error().category, Category::out_of_memory);
    EXPECT_EQ(camera.slots, 0U);
}

TEST_F(V4l2Heap, OnlyWhereTheMemoryOutlivesItsSlot)
{
    EXPECT_EQ(device.heap(Role::output), nullptr);
    camera.orphans = false;
    EXPECT_EQ(device.heap(Role::capture), nullptr);
    camera.exports = false;
    EXPECT_EQ(device.heap(Role::capture), nullptr);
}

TEST_F(V4l2Heap, EveryCallMayFailAndTheQueueIsFree)
{
    const auto heap = device.heap(Role::capture);
    const std::size_t first = machine.calls().size();
    ASSERT_TRUE(heap->allocate(8192));
    const std::size_t calls = machine.calls().size() - first;
    for (std::size_t i = 0; i < calls; ++i) {
        const std::size_t before = machine.open_descriptors();
        // The one that asks whether there are slots may fail: there are none then.
        const std::string name = machine.calls()[first + i];
        machine.fail(machine.calls().size() + i, EIO);
        const auto memory = heap->allocate(8192);
        EXPECT_EQ(memory.has_value(), name == "VIDIOC_QUERYBUF" || name == "close") << name;
        EXPECT_EQ(machine.open_descriptors(), before + (memory ? 1U : 0U)) << name;
        if (name != "VIDIOC_REQBUFS") {
            EXPECT_EQ(camera.slots, 0U) << name;
        }
        camera.slots = 0;
    }
}

TEST_F(V4l2Heap, IsBusyWhileTheQueueHasSlots)
{
    const auto heap = device.heap(Role::capture);
    const auto layout = linear_layout(request, 256, Memories::single);
    ASSERT_TRUE(layout);
    {
        const auto queue = device.open_queue(Role::capture, *layout, 2);
        ASSERT_TRUE(queue);
        const auto memory = heap->allocate(8192);
        ASSERT_FALSE(memory);
        EXPECT_EQ(memory.error().category, Category::busy);
        EXPECT_NE(memory.error().message().find("allocate the buffers first"), std::string::npos);
        EXPECT_EQ(camera.slots, 2U); // nobody's slots were freed
    }
    EXPECT_TRUE(heap->allocate(8192));
}

TEST_F(V4l2Heap, IsNotAskedForAPieceThatCmaDoesNotHave)
{
    machine.add_udmabuf(); // tells that the camera takes no scattered memory
    const Request large{DRM_FORMAT_XRGB8888, 2048, 1024};
    machine.add_text("/proc/meminfo", "MemAvailable: 4000000 kB\nCmaFree: 8000 kB\n");
    const auto none = Allocator().plan(large, {device.capture()});
    ASSERT_FALSE(none);
    ASSERT_NE(none.error().report, nullptr);
    const HeapVerdict* refused = verdict(*none.error().report, own);
    ASSERT_NE(refused, nullptr);
    EXPECT_EQ(refused->verdict.call, "/proc/meminfo") << refused->verdict.reason;
    EXPECT_EQ(refused->verdict.offered, 8000U * 1024);
    EXPECT_EQ(refused->verdict.needed, 8U << 20U);

    machine.add_text("/proc/meminfo", "MemAvailable: 4000000 kB\nCmaFree: 8192 kB\n");
    const auto plan = Allocator().plan(large, {device.capture()});
    ASSERT_TRUE(plan) << plan.error().message();
    EXPECT_EQ(plan->chosen().heap.name, own);
}

TEST_F(V4l2Heap, APlanWithoutAnyOtherHeap)
{
    const auto plan = Allocator().plan(request, {device.capture(), cpu(Access::read)});
    ASSERT_TRUE(plan) << plan.error().message();
    EXPECT_EQ(plan->chosen().heap.name, own);
    EXPECT_EQ(plan->chosen().verdict.outcome, Outcome::proved);
    const auto buffer = plan->allocate();
    ASSERT_TRUE(buffer) << buffer.error().message();
    auto queue = device.open_queue(Role::capture, plan->layout(), 2);
    ASSERT_TRUE(queue);
    EXPECT_TRUE(queue->queue(*buffer));
    EXPECT_TRUE(queue->start());
    EXPECT_TRUE(queue->dequeue(deadline_in(std::chrono::seconds(1))));
}

TEST_F(V4l2Heap, IsAskedWhereNothingElseServesOrItIsWanted)
{
    machine.add_heap("system");
    camera.needs_contiguous = false;
    const auto plan = Allocator().plan(request, {device.capture(), cpu(Access::read)});
    ASSERT_TRUE(plan) << plan.error().message();
    EXPECT_EQ(plan->chosen().heap.name, "system");
    EXPECT_EQ(verdict(plan->report(), own), nullptr);
    EXPECT_EQ(machine.count("VIDIOC_EXPBUF"), 0U);
    for (const char* word : {"v4l2", own}) {
        Preferences preferences;
        preferences.prefer = {word};
        const auto preferred = Allocator().plan(request, {device.capture()}, preferences);
        ASSERT_TRUE(preferred);
        EXPECT_EQ(preferred->chosen().heap.name, own);
    }

    camera.needs_contiguous = true;
    const auto needed = Allocator().plan(request, {device.capture()});
    ASSERT_TRUE(needed);
    EXPECT_EQ(needed->chosen().heap.name, own);
    EXPECT_EQ(verdict(needed->report(), "system")->verdict.outcome, Outcome::refused);
    Preferences preferences;
    preferences.forbid = {own};
    const auto forbidden = Allocator().plan(request, {device.capture()}, preferences);
    ASSERT_FALSE(forbidden);
    ASSERT_NE(verdict(*forbidden.error().report, own), nullptr);
    EXPECT_EQ(verdict(*forbidden.error().report, own)->verdict.outcome, Outcome::not_tried);
    // Who names the heaps gets no others.
    const auto named = Allocator(find_heaps()).plan(request, {device.capture()});
    ASSERT_FALSE(named);
    EXPECT_EQ(verdict(*named.error().report, own), nullptr);
}

class ImportsNothing : public V4l2Heap {
protected:
    void SetUp() override
    {
        camera.imports = false;
        machine.add_heap("region", {.contiguous = true});
        machine.add_udmabuf();
    }
};

TEST_F(ImportsNothing, ItsOwnMemoryIsTheOnlyOneThatServes)
{
    Allocator allocator;
    const auto plan = allocator.plan(request, {device.capture(), cpu(Access::read)});
    ASSERT_TRUE(plan) << plan.error().message();
    EXPECT_EQ(plan->chosen().heap.name, own);
    EXPECT_EQ(plan->chosen().verdict.outcome, Outcome::proved);
    const HeapVerdict* region = verdict(plan->report(), "region");
    ASSERT_NE(region, nullptr);
    EXPECT_EQ(region->verdict.outcome, Outcome::refused);
    EXPECT_NE(region->verdict.reason.find("imports no memory"), std::string::npos) << region->verdict.reason;
    // That it refused scattered pages says nothing of what it needs.
    EXPECT_FALSE(plan->report().constraints.contiguous);
    EXPECT_EQ(camera.slots, 0U);
    EXPECT_EQ(camera.width, 640U); // put back as it was found
    // Another program's memory of the same driver is not this queue's.
    const auto other = Allocator(find_heaps()).plan(request, {device.capture()});
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().category, Category::incompatible);
}

TEST_F(ImportsNothing, StreamsFromItsOwn)
{
    const auto plan = Allocator().plan(request, {device.capture(), cpu(Access::read)});
    ASSERT_TRUE(plan);
    const auto refused = device.open_queue(Role::capture, plan->layout(), 2);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().category, Category::unsupported);
    EXPECT_NE(refused.error().message().find("open_own_queue()"), std::string::npos);

    std::vector<Buffer> buffers;
    {
        auto queue = device.open_own_queue(Role::capture, plan->layout(), 3);
        ASSERT_TRUE(queue) << queue.error().message();
        buffers = queue->buffers();
        ASSERT_EQ(buffers.size(), 3U);
        EXPECT_EQ(buffers[0].heap(), own);
        EXPECT_TRUE(plan->serves(buffers[0])) << plan->serves(buffers[0]).error().message();
        for (const Buffer& buffer : buffers)
            ASSERT_TRUE(queue->queue(buffer));
        EXPECT_EQ(queue->queue(buffers[0]).error().category, Category::invalid_state);
        const auto foreign = plan->allocate();
        ASSERT_FALSE(foreign);
        EXPECT_EQ(foreign.error().category, Category::busy);
        ASSERT_TRUE(queue->start());
        for (std::size_t i = 0; i < 6; ++i) {
            const auto frame = queue->dequeue(deadline_in(std::chrono::seconds(1)));
            ASSERT_TRUE(frame) << frame.error().message();
            EXPECT_EQ(frame->buffer, buffers[i % 3]);
            ASSERT_TRUE(queue->queue(frame->buffer));
        }
    }
    EXPECT_EQ(camera.slots, 0U);
    // They outlive the queue.
    auto access = buffers[2].read(deadline_in(std::chrono::seconds(1)));
    ASSERT_TRUE(access);
    EXPECT_TRUE(access->end());
}

TEST_F(ImportsNothing, TakesNoBufferButItsOwn)
{
    const auto plan = Allocator().plan(request, {device.capture()});
    ASSERT_TRUE(plan);
    const auto orphan = plan->allocate();
    ASSERT_TRUE(orphan);
    auto queue = device.open_own_queue(Role::capture, plan->layout(), 1);
    ASSERT_TRUE(queue);
    const auto queued = queue->queue(*orphan);
    ASSERT_FALSE(queued);
    EXPECT_EQ(queued.error().category, Category::invalid_argument);
    EXPECT_NE(queued.error().message().find("buffers()"), std::string::npos);
}

TEST_F(ImportsNothing, OpeningFailsWithoutLeavingSlots)
{
    const auto layout = linear_layout(request, 256, Memories::single);
    const std::size_t first = machine.calls().size();
    std::size_t calls = 0;
    {
        const auto queue = device.open_own_queue(Role::capture, *layout, 2);
        ASSERT_TRUE(queue);
        calls = machine.calls().size() - first;
    }
    unsigned failures = 0;
    for (std::size_t i = 0; i < calls; ++i) {
        machine.fail(machine.calls().size() + i, EIO);
        failures += device.open_own_queue(Role::capture, *layout, 2) ? 0U : 1U;
        EXPECT_EQ(camera.slots, 0U) << machine.calls()[first + i];
    }
    // S_FMT, REQBUFS, and for each slot EXPBUF, fstat and lseek; a buffer does without a name.
    EXPECT_GE(failures, 2U + 2U * 4U);
    camera.exports = false;
    EXPECT_EQ(device.open_own_queue(Role::capture, *layout, 2).error().category, Category::unsupported);
}

TEST(QueuesOfOthers, HaveNoBuffersOfTheirOwn)
{
    fake::Machine machine;
    machine.add_camera("video0", {.formats = {V4L2_PIX_FMT_XBGR32}});
    const auto device = v4l2::Device::open("/dev/video0");
    const auto layout = linear_layout({DRM_FORMAT_XRGB8888, 64, 32}, 256, Memories::single);
    const auto queue = device->open_queue(Role::capture, *layout, 2);
    ASSERT_TRUE(queue);
    EXPECT_TRUE(queue->buffers().empty());
}

} // namespace
} // namespace commonbuf
