// SPDX-License-Identifier: MIT
//
// Handles that were moved from: they refuse with an error, or say that they are empty.
#include "fake/machine.hpp"

#include <commonbuf/commonbuf.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#ifdef COMMONBUF_HAVE_V4L2
#include <linux/videodev2.h>
#endif

#include <memory>
#include <optional>
#include <utility>
#include <vector>

// They are used after a move on purpose.
// NOLINTBEGIN(bugprone-use-after-move)
namespace commonbuf {
namespace {

class MovedFrom : public testing::Test {
protected:
    fake::Machine machine;
    std::optional<Plan> plan;

    void SetUp() override
    {
        machine.add_heap("system");
        plan = Allocator().plan({DRM_FORMAT_XRGB8888, 64, 64, 2}, {cpu(Access::read_write)}).value();
    }
    void TearDown() override
    {
        plan.reset();
        EXPECT_EQ(machine.leaks(), "");
    }
};

TEST_F(MovedFrom, ABufferIsEmptyAndSaysSo)
{
    Buffer buffer = plan->allocate().value();
    EXPECT_TRUE(buffer);
    const Buffer other = std::move(buffer);
    EXPECT_FALSE(buffer);
    EXPECT_EQ(buffer.layout().plane_count, 0U);
    EXPECT_EQ(buffer.dma_buf_fd(), -1);
    EXPECT_EQ(buffer.id(), BufferId{});
    EXPECT_EQ(buffer.size(), 0U);
    EXPECT_EQ(buffer.heap(), "");
    EXPECT_EQ(buffer.fallback(), "");
    EXPECT_EQ(buffer.cpu_accesses(), 0U);
    EXPECT_FALSE(buffer.bridges_fences());
    buffer.forget_failure();
    EXPECT_NE(buffer, other);
    const auto says_so = [](const Error& error) {
        EXPECT_EQ(error.category, Category::invalid_state) << error.message();
        EXPECT_NE(error.message().find("moved from"), std::string::npos) << error.message();
    };
    says_so(buffer.export_fd().error());
    says_so(buffer.read(Deadline{}).error());
    says_so(buffer.write(Deadline{}).error());
    says_so(buffer.read_write(Deadline{}).error());
    says_so(buffer.export_fence(Access::read).error());
    says_so(buffer.import_fence({}, Access::read).error());
    says_so(Job("job").reads(buffer).gather().error());
    says_so(Job("job").reads(buffer).publish({}).error());
    EXPECT_FALSE(plan->serves(buffer));
    auto pool = Pool::create(*plan, 1);
    ASSERT_TRUE(pool);
    EXPECT_EQ(pool->release(buffer).error().category, Category::invalid_argument);
    buffer = other;
    EXPECT_TRUE(buffer.read(Deadline{}));
}

TEST_F(MovedFrom, APoolIsEmptyAndSaysSo)
{
    Pool pool = Pool::create(*plan, 2).value();
    const Buffer buffer = pool.acquire(Deadline{}).value();
    const Pool other = std::move(pool);
    EXPECT_FALSE(pool);
    EXPECT_TRUE(other);
    EXPECT_EQ(pool.size(), 0U);
    EXPECT_EQ(pool.free(), 0U);
    EXPECT_EQ(pool.acquire(Deadline{}).error().category, Category::invalid_state);
    EXPECT_EQ(pool.release(buffer).error().category, Category::invalid_state);
}

TEST_F(MovedFrom, APlanStaysAsItIs)
{
    Plan first = *plan;
    const Plan second = std::move(first);
    EXPECT_EQ(first.layout(), second.layout());
    EXPECT_EQ(first.explain(), second.explain());
    EXPECT_EQ(first.chosen().heap.name, "system");
    EXPECT_TRUE(first.allocate());
    EXPECT_TRUE(Allocator().add(first, cpu(Access::read)));
}

TEST_F(MovedFrom, AUseStaysAsItIs)
{
    Use first = cpu(Access::read);
    const Use second = std::move(first);
    EXPECT_EQ(first.name(), second.name());
    EXPECT_TRUE(Allocator().plan({DRM_FORMAT_XRGB8888, 64, 64}, {first}));
}

TEST_F(MovedFrom, AUseWithoutAnImporterIsRefused)
{
    const Use none(nullptr);
    EXPECT_EQ(none.name(), "none");
    EXPECT_EQ(none.identity(), "");
    const auto refused = Allocator().plan({DRM_FORMAT_XRGB8888, 64, 64}, {none});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().category, Category::invalid_argument) << refused.error().message();
    EXPECT_FALSE(Allocator().add(*plan, none));
}

TEST_F(MovedFrom, HeapsThatAreNoneAreRefused)
{
    const auto heaps = find_heaps();
    ASSERT_FALSE(heaps.empty());
    const std::vector<std::vector<std::shared_ptr<Heap>>> lists{{nullptr}, {heaps[0], nullptr}, {heaps[0], heaps[0]}};
    for (const auto& list : lists) {
        Allocator allocator(list);
        const auto refused = allocator.plan({DRM_FORMAT_XRGB8888, 64, 64}, {cpu(Access::read)});
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().category, Category::invalid_argument);
        EXPECT_NE(refused.error().message().find("of the list"), std::string::npos) << refused.error().message();
        for (const auto& heap : allocator.heaps())
            EXPECT_NE(heap, nullptr);
    }
    EXPECT_EQ(Allocator().add_heap(nullptr).error().category, Category::invalid_argument);
}

#ifdef COMMONBUF_HAVE_DRM
TEST_F(MovedFrom, ADrmDeviceAndItsDisplayStayAsTheyAre)
{
    machine.add_card("card0", {.formats = {DRM_FORMAT_XRGB8888}, .display = {.present = true}});
    drm::Device first = drm::Device::open("/dev/dri/card0").value();
    const drm::Device second = std::move(first);
    EXPECT_EQ(first.fd(), second.fd());
    EXPECT_EQ(first.info().driver, "fakedrm");
    EXPECT_FALSE(first.scanout().name().empty());
    drm::Framebuffer frame = first.framebuffer(plan->allocate().value()).value();
    const drm::Framebuffer kept = std::move(frame);
    EXPECT_EQ(frame.id(), 0U);
    EXPECT_NE(kept.id(), 0U);
    Buffer buffer = plan->allocate().value();
    const Buffer other = std::move(buffer);
    EXPECT_EQ(first.framebuffer(buffer).error().category, Category::invalid_state);
    drm::Display display = drm::Display::choose(first).value();
    const drm::Display same = std::move(display);
    EXPECT_EQ(display.connector().id, same.connector().id);
}
#endif

#ifdef COMMONBUF_HAVE_V4L2
TEST_F(MovedFrom, AV4l2DeviceStaysAsItIs)
{
    machine.add_camera("video0", {.formats = {V4L2_PIX_FMT_XBGR32}});
    v4l2::Device first = v4l2::Device::open("/dev/video0").value();
    const v4l2::Device second = std::move(first);
    EXPECT_EQ(first.fd(), second.fd());
    EXPECT_EQ(first.info().name, "fake-cam");
    EXPECT_FALSE(first.capture().name().empty());
    auto queue = first.open_queue(v4l2::Role::capture, plan->layout(), 2);
    ASSERT_TRUE(queue) << queue.error().message();
    Buffer buffer = plan->allocate().value();
    const Buffer other = std::move(buffer);
    EXPECT_EQ(queue->queue(buffer).error().category, Category::invalid_state);
    EXPECT_EQ(queue->queue_when_ready(buffer).error().category, Category::invalid_state);
}
#endif

} // namespace
} // namespace commonbuf
// NOLINTEND(bugprone-use-after-move)
