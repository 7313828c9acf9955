// SPDX-License-Identifier: MIT
#include "fake/machine.hpp"

#include <commonbuf/commonbuf.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <optional>

namespace commonbuf {
namespace {

class PoolTest : public testing::Test {
protected:
    fake::Machine machine;

    void SetUp() override
    {
        machine.add_heap("system");
        plan = Allocator().plan({DRM_FORMAT_XRGB8888, 64, 64, 2}, {cpu(Access::read_write)}).value();
    }

    Fence fence(const std::shared_ptr<fake::FenceModel>& work)
    {
        return Fence::from_fd(UniqueFd(machine.sync_file(work))).value();
    }

    void TearDown() override
    {
        plan.reset();
        EXPECT_EQ(machine.leaks(), "");
    }

    std::optional<Plan> plan;
};

TEST_F(PoolTest, GivesEachBufferOnce)
{
    auto pool = Pool::create(*plan, 2);
    ASSERT_TRUE(pool);
    const auto a = pool->acquire(Deadline{});
    const auto b = pool->acquire(Deadline{});
    ASSERT_TRUE(a && b);
    EXPECT_NE(*a, *b);
    EXPECT_EQ(pool->free(), 0U);
    const auto none = pool->acquire(Deadline{});
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().category, Category::timed_out);
    EXPECT_NE(none.error().detail.find("2 are in use"), std::string::npos) << none.error().detail;
    ASSERT_TRUE(pool->release(*a));
    EXPECT_EQ(pool->acquire(Deadline{}).value(), *a);
}

TEST_F(PoolTest, ABufferWaitsForItsFenceAndAnotherOneServes)
{
    auto pool = Pool::create(*plan, 2);
    const auto a = pool->acquire(Deadline{}).value();
    const auto b = pool->acquire(Deadline{}).value();
    const auto stuck = machine.add_fence("stuck");
    ASSERT_TRUE(pool->release(a, fence(stuck)));
    EXPECT_EQ(pool->acquire(Deadline{}).error().category, Category::timed_out);
    ASSERT_TRUE(pool->release(b));
    EXPECT_EQ(pool->acquire(Deadline{}).value(), b);
    stuck->status = 1;
    EXPECT_EQ(pool->acquire(Deadline{}).value(), a);
}

TEST_F(PoolTest, WhatSignalsBeforeItIsPolledIsNotSleptFor)
{
    auto pool = Pool::create(*plan, 1);
    const auto buffer = pool->acquire(Deadline{}).value();
    const auto work = machine.add_fence("work");
    ASSERT_TRUE(pool->release(buffer, fence(work)));
    work->looks = 1; // over when the pool has seen it pending
    EXPECT_TRUE(pool->acquire(deadline_in(std::chrono::seconds(1))));
    EXPECT_EQ(machine.slept, 0U);
}

TEST_F(PoolTest, AFenceWithoutADescriptorIsLookedAtAgain)
{
    auto pool = Pool::create(*plan, 1);
    const auto buffer = pool->acquire(Deadline{}).value();
    // Before Linux 6.0 there is no sync_file of what is in a dma-buf.
    const auto other = plan->allocate().value();
    fake::DmaBuf& memory = *machine.dma_buf(other.dma_buf_fd());
    memory.bridged = false;
    memory.busy = true;
    ASSERT_TRUE(pool->release(buffer, other.export_fence(Access::write).value()));
    unsigned looks = 0;
    machine.while_sleeping = [&] { memory.busy = ++looks < 4; };
    EXPECT_TRUE(pool->acquire(deadline_in(std::chrono::seconds(1))));
    EXPECT_GT(machine.slept, 0U);
}

TEST_F(PoolTest, SeveralFencesOfABufferAreNotMerged)
{
    auto pool = Pool::create(*plan, 1);
    const auto buffer = pool->acquire(Deadline{}).value();
    const auto a = machine.add_fence("a");
    const auto b = machine.add_fence("b");
    ASSERT_TRUE(pool->release(buffer, Fence::merge(std::array{fence(a), fence(b)})));
    machine.while_sleeping = [&] { (a->status == 0 ? a : b)->status = 1; };
    EXPECT_TRUE(pool->acquire(deadline_in(std::chrono::seconds(1))));
    EXPECT_EQ(machine.slept, 0U);
    EXPECT_EQ(machine.count("SYNC_IOC_MERGE"), 0U);
}

/// Nothing but a call of the fence's own: a compositor does this for each frame.
TEST_F(PoolTest, TakingAndGivingBackCostsNoCall)
{
    auto pool = Pool::create(*plan, 3);
    const auto work = machine.add_fence("work");
    const Fence done = fence(work);
    work->status = 1;
    ASSERT_TRUE(done.wait(Deadline{}));
    const auto before = machine.tally();
    for (int i = 0; i < 100; ++i) {
        const auto buffer = pool->acquire(Deadline{});
        ASSERT_TRUE(buffer && pool->release(*buffer, done));
    }
    EXPECT_EQ(machine.tally(), before);
    // A fence that nobody knows of: it is polled, and asked how its work ended.
    const auto other = machine.add_fence("other");
    const Fence unknown = fence(other);
    other->status = 1;
    ASSERT_TRUE(pool->release(pool->acquire(Deadline{}).value(), unknown));
    for (int i = 0; i < 3; ++i)
        ASSERT_TRUE(pool->acquire(Deadline{}));
    EXPECT_EQ(machine.tally().at("ppoll") - (before.contains("ppoll") ? before.at("ppoll") : 0), 1U);
    EXPECT_EQ(machine.tally().at("SYNC_IOC_FILE_INFO") - before.at("SYNC_IOC_FILE_INFO"), 2U) << "one makes the fence";
}

TEST_F(PoolTest, JobsOnTheBufferCountToo)
{
    auto pool = Pool::create(*plan, 1);
    const auto buffer = pool->acquire(Deadline{}).value();
    const auto shown = machine.add_fence("show");
    ASSERT_TRUE(Job("show").reads(buffer).publish(fence(shown)));
    ASSERT_TRUE(pool->release(buffer));
    EXPECT_FALSE(pool->acquire(Deadline{}));
    shown->status = 1;
    EXPECT_TRUE(pool->acquire(Deadline{}));
}

TEST_F(PoolTest, AFailedBufferIsToBeWrittenAnew)
{
    auto pool = Pool::create(*plan, 1);
    const auto buffer = pool->acquire(Deadline{}).value();
    const auto work = machine.add_fence("render");
    ASSERT_TRUE(Job("render").writes(buffer).publish(fence(work)));
    work->status = -EIO;
    ASSERT_TRUE(pool->release(buffer));
    const auto again = pool->acquire(Deadline{});
    ASSERT_TRUE(again);
    EXPECT_TRUE(again->write(Deadline{}));
}

TEST_F(PoolTest, TakesBackItsOwnBuffersOnce)
{
    auto pool = Pool::create(*plan, 1);
    const auto buffer = pool->acquire(Deadline{}).value();
    const auto stranger = plan->allocate().value();
    EXPECT_EQ(pool->release(stranger).error().category, Category::invalid_argument);
    ASSERT_TRUE(pool->release(buffer));
    EXPECT_EQ(pool->release(buffer).error().category, Category::invalid_state);
    EXPECT_EQ(Pool::create(*plan, 0).error().category, Category::invalid_argument);
}

TEST_F(PoolTest, AHeapThatRunsDryLeavesNothingBehind)
{
    machine.fail_all("DMA_HEAP_IOCTL_ALLOC", ENOMEM);
    EXPECT_EQ(Pool::create(*plan, 2).error().category, Category::out_of_memory);
}

TEST_F(PoolTest, ACountThatCannotBeIsRefusedBeforeMemoryIsTaken)
{
    machine.add_text("/proc/meminfo", "MemTotal: 900000 kB\nMemAvailable: 500000 kB\n");
    const std::size_t before = machine.count("DMA_HEAP_IOCTL_ALLOC");
    for (const std::uint32_t count : {UINT32_MAX, 40000U}) {
        const auto pool = Pool::create(*plan, count);
        ASSERT_FALSE(pool);
        EXPECT_EQ(pool.error().category, Category::out_of_memory) << pool.error().message();
        EXPECT_EQ(pool.error().needed, std::uint64_t{count} * 64 * 64 * 4);
        EXPECT_EQ(pool.error().offered, 500000U * 1024);
        EXPECT_EQ(plan->allocate(count).error().category, Category::out_of_memory);
    }
    EXPECT_EQ(machine.count("DMA_HEAP_IOCTL_ALLOC"), before) << "nobody's memory was touched";
    EXPECT_TRUE(Pool::create(*plan, 3));
}

TEST_F(PoolTest, MoreDescriptorsThanTheProcessMayHaveAreRefusedAtOnce)
{
    machine.add_text("/proc/self/limits",
                     "Limit                     Soft Limit           Hard Limit           Units\n"
                     "Max open files            1024                 524288               files\n");
    const std::size_t before = machine.count("DMA_HEAP_IOCTL_ALLOC");
    const auto pool = Pool::create(*plan, 1024);
    ASSERT_FALSE(pool);
    EXPECT_EQ(pool.error().category, Category::too_many_files) << pool.error().message();
    EXPECT_EQ(machine.count("DMA_HEAP_IOCTL_ALLOC"), before);
    EXPECT_TRUE(Pool::create(*plan, 100));
    machine.add_text("/proc/self/limits",
                     "Max open files            unlimited            unlimited            files\n");
    EXPECT_TRUE(Pool::create(*plan, 100));
}

TEST_F(PoolTest, OrdinaryMemoryMakesWayForARegionThatSaysWhenItIsFull)
{
    // What is available shrinks meanwhile: the buffers that are still to come count each time.
    machine.add_text("/proc/meminfo", "MemTotal: 900000 kB\nMemAvailable: 5000 kB\n");
    machine.add_heap("region", {.contiguous = true, .capacity = 1U << 20U});
    const Plan both = Allocator().plan({DRM_FORMAT_XRGB8888, 64, 64, 2}, {cpu(Access::read_write)}).value();
    const auto buffers = both.allocate(400); // 16 KiB each
    ASSERT_FALSE(buffers);
    EXPECT_EQ(buffers.error().category, Category::out_of_memory);
    EXPECT_NE(buffers.error().message().find("available"), std::string::npos) << buffers.error().message();
}

TEST_F(PoolTest, WorkThatFailedDoesNotFreeABufferThatOthersRead)
{
    auto pool = Pool::create(*plan, 1);
    const auto buffer = pool->acquire(Deadline{}).value();
    const auto shown = machine.add_fence("display");
    Job display("display");
    display.reads(buffer);
    ASSERT_TRUE(display.publish(fence(shown)));
    Job gpu("gpu");
    gpu.writes(buffer);
    ASSERT_TRUE(gpu.publish(Fence::failed(Error::work_failed("draw", "the submission failed"))));
    ASSERT_TRUE(pool->release(buffer));
    EXPECT_EQ(pool->acquire(Deadline{}).error().category, Category::timed_out) << "the display reads";
    shown->status = 1;
    EXPECT_TRUE(pool->acquire(Deadline{}));
}

TEST_F(PoolTest, AFenceThatCannotBeAskedForgetsNoOtherOne)
{
    auto pool = Pool::create(*plan, 1);
    const auto buffer = pool->acquire(Deadline{}).value();
    const auto shown = machine.add_fence("display");
    const auto drawn = machine.add_fence("gpu");
    ASSERT_TRUE(pool->release(buffer, Fence::merge(std::array{fence(shown), fence(drawn)})));
    shown->status = 1;
    machine.fail_all("SYNC_IOC_FILE_INFO", ENOMEM);
    EXPECT_EQ(pool->acquire(Deadline{}).error().category, Category::timed_out) << "the GPU draws";
    drawn->status = 1;
    EXPECT_TRUE(pool->acquire(Deadline{}));
}

TEST_F(PoolTest, WhatCannotBePutInWhenABufferIsSharedIsPutInByTheNextOne)
{
    auto pool = Pool::create(*plan, 1);
    const auto buffer = pool->acquire(Deadline{}).value();
    const auto shown = machine.add_fence("display");
    Job display("display");
    display.reads(buffer);
    ASSERT_TRUE(display.publish(fence(shown)));
    machine.fail_all("DMA_BUF_IOCTL_IMPORT_SYNC_FILE", ENOMEM);
    const int fd = buffer.dma_buf_fd();
    EXPECT_TRUE(machine.dma_buf(fd)->fences.empty());
    machine.fail_all("DMA_BUF_IOCTL_IMPORT_SYNC_FILE", 0);
    EXPECT_EQ(buffer.dma_buf_fd(), fd);
    ASSERT_EQ(machine.dma_buf(fd)->fences.size(), 1U);
    EXPECT_EQ(machine.dma_buf(fd)->fences.front().first, shown);
    EXPECT_EQ(buffer.dma_buf_fd(), fd);
    EXPECT_EQ(machine.dma_buf(fd)->fences.size(), 1U) << "once";
    shown->status = 1;
}

} // namespace
} // namespace commonbuf
