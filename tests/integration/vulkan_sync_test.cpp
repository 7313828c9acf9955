// SPDX-License-Identifier: MIT
//
// Vulkan's semaphores, fences and timelines from and to sync_files, on a real driver with
// the validation layers looking on.
#include "gpu.hpp"
#include "gpu_work.hpp"
#include "socket.hpp"
#include "sw_sync.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

namespace {

namespace cb = commonbuf;
namespace vulkan = cb::vulkan;
using namespace std::chrono_literals;

// Long enough for a software device that would not wait to have gone on.
constexpr auto moment = 50ms;

class VulkanSync : public GpuTest {};

/// Signals a fence somewhat later, from another thread. Where the CPU does the GPU's work
/// (lavapipe), an export waits until what the work waits for has signalled.
template <typename Signal>
std::jthread soon(Signal signal)
{
    return std::jthread([signal] {
        std::this_thread::sleep_for(moment);
        signal();
    });
}

cb::Fence dup_of(const cb::Fence& fence)
{
    auto fd = fence.export_fd();
    EXPECT_TRUE(fd) << fd.error().message();
    return fd ? cb::Fence::from_fd(std::move(*fd)).value_or(cb::Fence()) : cb::Fence();
}

TEST_F(VulkanSync, TheDeviceSaysWhatItCan)
{
    NEED_GPU(gpu);
    const auto support = vulkan::sync_support(*gpu.wrapped);
    EXPECT_TRUE(support.semaphore_import);
    EXPECT_TRUE(support.semaphore_export);
    EXPECT_TRUE(support.fence_import);
    EXPECT_TRUE(support.fence_export);
}

TEST_F(VulkanSync, ASignalledFenceIsImportedAsMinusOne)
{
    NEED_GPU(gpu);
    GpuWork work(gpu);
    const VkSemaphore semaphore = work.semaphore();
    const VkFence done = work.fence();
    const auto imported = vulkan::import_semaphore(*gpu.wrapped, semaphore, cb::Fence());
    ASSERT_TRUE(imported) << imported.error().message();
    work.submit({.wait = semaphore, .fence = done});
    EXPECT_TRUE(work.signals(done));
    // A VkFence has signalled at once.
    const VkFence fence = work.fence(false);
    ASSERT_TRUE(vulkan::import_fence(*gpu.wrapped, fence, cb::Fence()));
    EXPECT_EQ(work.status(fence), VK_SUCCESS);
}

TEST_F(VulkanSync, TheGpuWaitsForAPendingFence)
{
    NEED_GPU(gpu);
    GpuWork work(gpu);
    NEED_SW_SYNC(timeline);
    const VkSemaphore semaphore = work.semaphore();
    const VkFence done = work.fence();
    ASSERT_TRUE(vulkan::import_semaphore(*gpu.wrapped, semaphore, timeline.fence(1)));
    work.submit({.wait = semaphore, .fence = done});
    std::this_thread::sleep_for(moment);
    EXPECT_EQ(work.status(done), VK_NOT_READY);
    timeline.advance(1);
    EXPECT_TRUE(work.signals(done));
}

/// A Fence of several sync_files is one semaphore, and waits for all of them.
TEST_F(VulkanSync, SeveralFencesAreOneSemaphore)
{
    NEED_GPU(gpu);
    GpuWork work(gpu);
    NEED_SW_SYNC(one);
    NEED_SW_SYNC(two);
    const VkSemaphore semaphore = work.semaphore();
    const VkFence done = work.fence();
    const std::array both{one.fence(1), two.fence(1)};
    ASSERT_TRUE(vulkan::import_semaphore(*gpu.wrapped, semaphore, cb::Fence::merge(both)));
    work.submit({.wait = semaphore, .fence = done});
    two.advance(1);
    std::this_thread::sleep_for(moment);
    EXPECT_EQ(work.status(done), VK_NOT_READY);
    one.advance(1);
    EXPECT_TRUE(work.signals(done));
}

TEST_F(VulkanSync, ASubmissionIsExportedAsAFence)
{
    NEED_GPU(gpu);
    GpuWork work(gpu);
    NEED_SW_SYNC(timeline);
    const VkSemaphore start = work.semaphore();
    const auto end = vulkan::Semaphore::create(*gpu.wrapped);
    ASSERT_TRUE(end) << end.error().message();
    ASSERT_TRUE(vulkan::import_semaphore(*gpu.wrapped, start, timeline.fence(1)));
    const auto begun = std::chrono::steady_clock::now();
    work.submit({.wait = start, .signal = end->handle()});
    const auto signals = soon([&timeline] { timeline.advance(1); });
    const auto exported = vulkan::export_semaphore(*gpu.wrapped, end->handle());
    ASSERT_TRUE(exported) << exported.error().message();
    EXPECT_TRUE(exported->wait(cb::deadline_in(10s)));
    EXPECT_GE(std::chrono::steady_clock::now() - begun, moment);
    gpu.get<PFN_vkDeviceWaitIdle>("vkDeviceWaitIdle")(gpu.device);
}

/// An export takes the signal away; the semaphore can be signalled again at once.
TEST_F(VulkanSync, ExportingTwiceTakesTwoSignals)
{
    NEED_GPU(gpu);
    GpuWork work(gpu);
    const auto end = vulkan::Semaphore::create(*gpu.wrapped);
    ASSERT_TRUE(end);
    std::vector<cb::Fence> all;
    for (int i = 0; i < 3; ++i) {
        work.submit({.signal = end->handle()});
        auto exported = vulkan::export_semaphore(*gpu.wrapped, end->handle());
        ASSERT_TRUE(exported) << exported.error().message();
        all.push_back(*exported);
    }
    EXPECT_TRUE(cb::Fence::merge(all).wait(cb::deadline_in(10s)));
    gpu.get<PFN_vkDeviceWaitIdle>("vkDeviceWaitIdle")(gpu.device);
}

TEST_F(VulkanSync, ImportedTwiceTheLastOneCounts)
{
    NEED_GPU(gpu);
    GpuWork work(gpu);
    NEED_SW_SYNC(never);
    NEED_SW_SYNC(soon);
    const VkSemaphore semaphore = work.semaphore();
    const VkFence done = work.fence();
    ASSERT_TRUE(vulkan::import_semaphore(*gpu.wrapped, semaphore, never.fence(1)));
    ASSERT_TRUE(vulkan::import_semaphore(*gpu.wrapped, semaphore, soon.fence(1)));
    work.submit({.wait = semaphore, .fence = done});
    soon.advance(1);
    EXPECT_TRUE(work.signals(done));
    never.advance(1);
}

/// The temporary payload ends with the wait, and the semaphore has its own one again: it can
/// be signalled, and exported.
TEST_F(VulkanSync, AfterTheWaitASemaphoreHasItsOwnPayload)
{
    NEED_GPU(gpu);
    GpuWork work(gpu);
    NEED_SW_SYNC(timeline);
    const auto semaphore = vulkan::Semaphore::create(*gpu.wrapped);
    ASSERT_TRUE(semaphore);
    const VkFence done = work.fence();
    ASSERT_TRUE(vulkan::import_semaphore(*gpu.wrapped, semaphore->handle(), timeline.fence(1)));
    work.submit({.wait = semaphore->handle(), .fence = done});
    timeline.advance(1);
    ASSERT_TRUE(work.signals(done));
    work.submit({.signal = semaphore->handle()});
    const auto exported = vulkan::export_semaphore(*gpu.wrapped, semaphore->handle());
    ASSERT_TRUE(exported) << exported.error().message();
    EXPECT_TRUE(exported->wait(cb::deadline_in(10s)));
    gpu.get<PFN_vkDeviceWaitIdle>("vkDeviceWaitIdle")(gpu.device);
}

/// A duplicate is the same fence, on as many semaphores as one likes.
TEST_F(VulkanSync, OneFenceGoesToManySemaphores)
{
    NEED_GPU(gpu);
    GpuWork work(gpu);
    NEED_SW_SYNC(timeline);
    const cb::Fence fence = timeline.fence(1);
    std::vector<VkFence> all;
    for (int i = 0; i < 4; ++i) {
        const VkSemaphore semaphore = work.semaphore();
        all.push_back(work.fence());
        ASSERT_TRUE(vulkan::import_semaphore(*gpu.wrapped, semaphore, i % 2 == 0 ? fence : dup_of(fence)));
        work.submit({.wait = semaphore, .fence = all.back()});
    }
    std::this_thread::sleep_for(moment);
    for (const VkFence each : all)
        EXPECT_EQ(work.status(each), VK_NOT_READY);
    timeline.advance(1);
    for (const VkFence each : all)
        EXPECT_TRUE(work.signals(each));
    // The Fence itself is still there to be asked.
    EXPECT_TRUE(fence.signalled().value());
}

/// From semaphore to semaphore by way of a sync_file; both have their own payloads before and
/// after.
TEST_F(VulkanSync, WhatIsExportedIsImportedAgain)
{
    NEED_GPU(gpu);
    GpuWork work(gpu);
    const auto from = vulkan::Semaphore::create(*gpu.wrapped);
    const VkSemaphore to = work.semaphore();
    ASSERT_TRUE(from);
    work.submit({.signal = to});
    work.submit({.wait = to});
    work.submit({.signal = from->handle()});
    const auto exported = vulkan::export_semaphore(*gpu.wrapped, from->handle());
    ASSERT_TRUE(exported);
    gpu.get<PFN_vkDeviceWaitIdle>("vkDeviceWaitIdle")(gpu.device);
    ASSERT_TRUE(vulkan::import_semaphore(*gpu.wrapped, to, *exported));
    const std::array done{work.fence(), work.fence(), work.fence()};
    work.submit({.wait = to, .fence = done[0]});
    for (const VkSemaphore own : {from->handle(), to}) {
        work.submit({.signal = own});
        work.submit({.wait = own, .fence = own == to ? done[1] : done[2]});
    }
    for (const VkFence each : done)
        EXPECT_TRUE(work.signals(each));
}

/// The wait ends the import, and the signal of the same submission is the semaphore's own.
TEST_F(VulkanSync, OneSubmissionWaitsForAnImportAndSignalsTheSameSemaphore)
{
    NEED_GPU(gpu);
    GpuWork work(gpu);
    NEED_SW_SYNC(timeline);
    const auto semaphore = vulkan::Semaphore::create(*gpu.wrapped);
    const VkFence done = work.fence();
    ASSERT_TRUE(semaphore);
    for (const cb::Fence& fence : {timeline.fence(1), cb::Fence()}) {
        ASSERT_TRUE(vulkan::import_semaphore(*gpu.wrapped, semaphore->handle(), fence));
        const auto signals = soon([&timeline] { timeline.advance(1); });
        work.submit({.wait = semaphore->handle(), .signal = semaphore->handle()});
        work.submit({.wait = semaphore->handle(), .fence = done});
        ASSERT_TRUE(work.signals(done));
        gpu.get<PFN_vkResetFences>("vkResetFences")(gpu.device, 1, &done);
    }
}

/// dup(2), dup2(2) and dup3(2) of what Vulkan gave, imported into semaphores and fences.
TEST_F(VulkanSync, DuplicatesAreTheSameFence)
{
    NEED_GPU(gpu);
    GpuWork work(gpu);
    NEED_SW_SYNC(timeline);
    const auto original = timeline.fence(1).export_fd();
    ASSERT_TRUE(original && *original);
    const auto place = [] { return memfd_create("place", MFD_CLOEXEC); };
    const int second = place();
    const int third = place();
    std::vector<VkFence> all;
    for (const int fd :
         {dup(original->get()), dup2(original->get(), second), dup3(original->get(), third, O_CLOEXEC)}) {
        const auto fence = cb::Fence::from_fd(cb::UniqueFd(fd));
        ASSERT_TRUE(fence) << fence.error().message();
        const VkSemaphore semaphore = work.semaphore();
        all.push_back(work.fence());
        ASSERT_TRUE(vulkan::import_semaphore(*gpu.wrapped, semaphore, *fence));
        work.submit({.wait = semaphore, .fence = all.back()});
        all.push_back(work.fence(false));
        ASSERT_TRUE(vulkan::import_fence(*gpu.wrapped, all.back(), *fence));
    }
    for (const VkFence each : all)
        EXPECT_EQ(work.status(each), VK_NOT_READY);
    timeline.advance(1);
    for (const VkFence each : all)
        EXPECT_TRUE(work.signals(each));
}

TEST_F(VulkanSync, AFenceGoesThroughASocket)
{
    NEED_GPU(gpu);
    GpuWork work(gpu);
    NEED_SW_SYNC(timeline);
    auto sent = timeline.fence(1).export_fd();
    ASSERT_TRUE(sent && *sent);
    const auto received = cb::Fence::from_fd(through_a_socket(std::move(*sent)));
    ASSERT_TRUE(received) << received.error().message();
    const VkSemaphore start = work.semaphore();
    const auto end = vulkan::Semaphore::create(*gpu.wrapped);
    ASSERT_TRUE(end);
    ASSERT_TRUE(vulkan::import_semaphore(*gpu.wrapped, start, *received));
    work.submit({.wait = start, .signal = end->handle()});
    const auto begun = std::chrono::steady_clock::now();
    const auto signals = soon([&timeline] { timeline.advance(1); });
    const auto drawn = vulkan::export_semaphore(*gpu.wrapped, end->handle());
    ASSERT_TRUE(drawn) << drawn.error().message();
    // And back: what the GPU gave, unless it is over already.
    if (auto answer = drawn->export_fd(); answer && *answer) {
        const auto back = cb::Fence::from_fd(through_a_socket(std::move(*answer)));
        ASSERT_TRUE(back) << back.error().message();
        EXPECT_TRUE(back->wait(cb::deadline_in(10s)));
    }
    EXPECT_TRUE(drawn->wait(cb::deadline_in(10s)));
    EXPECT_GE(std::chrono::steady_clock::now() - begun, moment);
    gpu.get<PFN_vkDeviceWaitIdle>("vkDeviceWaitIdle")(gpu.device);
}

/// The GPU would go on as if nothing had happened: the fence is not let in.
TEST_F(VulkanSync, AFenceThatHasFailedIsRefused)
{
    NEED_GPU(gpu);
    GpuWork work(gpu);
    NEED_SW_SYNC(timeline);
    const cb::Fence broken = timeline.fence(1);
    timeline.fail();
    const VkSemaphore semaphore = work.semaphore();
    const VkFence fence = work.fence();
    for (const auto& refused : {vulkan::import_semaphore(*gpu.wrapped, semaphore, broken),
                                vulkan::import_fence(*gpu.wrapped, fence, broken)}) {
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().category, cb::Category::work_failed);
        EXPECT_EQ(refused.error().sys_errno, ENOENT) << refused.error().message();
    }
    // Both are as they were.
    EXPECT_EQ(work.status(fence), VK_NOT_READY);
    work.submit({.signal = semaphore});
    work.submit({.wait = semaphore, .fence = fence});
    EXPECT_TRUE(work.signals(fence));
}

TEST_F(VulkanSync, AFailureWhileTheGpuWaitsReachesWhoWaitsForTheGpu)
{
    NEED_GPU(gpu);
    GpuWork work(gpu);
    NEED_SW_SYNC(timeline);
    const cb::Fence input = timeline.fence(1);
    const VkSemaphore start = work.semaphore();
    const auto end = vulkan::Semaphore::create(*gpu.wrapped);
    ASSERT_TRUE(end);
    ASSERT_TRUE(vulkan::import_semaphore(*gpu.wrapped, start, input));
    work.submit({.wait = start, .signal = end->handle()});
    const auto fails = soon([&timeline] { timeline.fail(); });
    const auto told = vulkan::export_semaphore(*gpu.wrapped, end->handle(), input);
    ASSERT_TRUE(told);
    const auto over = told->wait(cb::deadline_in(10s));
    ASSERT_FALSE(over);
    EXPECT_EQ(over.error().category, cb::Category::work_failed);
    EXPECT_EQ(over.error().sys_errno, ENOENT);
    gpu.get<PFN_vkDeviceWaitIdle>("vkDeviceWaitIdle")(gpu.device);
}

TEST_F(VulkanSync, AVkFenceIsImportedForATime)
{
    NEED_GPU(gpu);
    GpuWork work(gpu);
    NEED_SW_SYNC(timeline);
    const VkFence fence = work.fence();
    ASSERT_TRUE(vulkan::import_fence(*gpu.wrapped, fence, timeline.fence(1)));
    EXPECT_EQ(work.status(fence), VK_NOT_READY);
    timeline.advance(1);
    EXPECT_TRUE(work.signals(fence));
    // Reset, it has its own payload again, and can be submitted.
    gpu.get<PFN_vkResetFences>("vkResetFences")(gpu.device, 1, &fence);
    EXPECT_EQ(work.status(fence), VK_NOT_READY);
    work.submit({.fence = fence});
    EXPECT_TRUE(work.signals(fence));
}

TEST_F(VulkanSync, ExportingAVkFenceResetsIt)
{
    NEED_GPU(gpu);
    GpuWork work(gpu);
    NEED_SW_SYNC(timeline);
    const VkSemaphore start = work.semaphore();
    const VkFence fence = work.fence();
    ASSERT_TRUE(vulkan::import_semaphore(*gpu.wrapped, start, timeline.fence(1)));
    work.submit({.wait = start, .fence = fence});
    const auto begun = std::chrono::steady_clock::now();
    const auto signals = soon([&timeline] { timeline.advance(1); });
    const auto exported = vulkan::export_fence(*gpu.wrapped, fence);
    ASSERT_TRUE(exported) << exported.error().message();
    EXPECT_TRUE(exported->wait(cb::deadline_in(10s)));
    EXPECT_GE(std::chrono::steady_clock::now() - begun, moment);
    EXPECT_EQ(work.status(fence), VK_NOT_READY);
    gpu.get<PFN_vkDeviceWaitIdle>("vkDeviceWaitIdle")(gpu.device);
    // And one that has signalled.
    work.submit({.fence = fence});
    ASSERT_TRUE(work.signals(fence));
    const auto over = vulkan::export_fence(*gpu.wrapped, fence);
    ASSERT_TRUE(over) << over.error().message();
    EXPECT_TRUE(over->wait(cb::deadline_in(10s)));
    EXPECT_EQ(work.status(fence), VK_NOT_READY);
}

class VulkanTimelines : public GpuTest {};

TEST_F(VulkanTimelines, APointBecomesAFence)
{
    NEED_GPU(gpu);
    GpuWork work(gpu);
    NEED_SW_SYNC(sw);
    const VkSemaphore timeline = work.timeline();
    const VkSemaphore start = work.semaphore();
    auto bridge = vulkan::TimelineBridge::create(*gpu.wrapped);
    ASSERT_TRUE(bridge) << bridge.error().message();
    ASSERT_TRUE(vulkan::import_semaphore(*gpu.wrapped, start, sw.fence(1)));
    work.submit({.wait = start, .signal = timeline, .signal_value = 7});
    EXPECT_EQ(vulkan::timeline_value(*gpu.wrapped, timeline).value(), 0U);
    const auto signals = soon([&sw = sw] { sw.advance(1); });
    const auto fence = bridge->fence(gpu.queue, timeline, 7);
    ASSERT_TRUE(fence) << fence.error().message();
    EXPECT_TRUE(fence->wait(cb::deadline_in(10s)));
    EXPECT_EQ(vulkan::timeline_value(*gpu.wrapped, timeline).value(), 7U);
    gpu.get<PFN_vkDeviceWaitIdle>("vkDeviceWaitIdle")(gpu.device);
}

TEST_F(VulkanTimelines, AFenceBecomesAPoint)
{
    NEED_GPU(gpu);
    GpuWork work(gpu);
    NEED_SW_SYNC(sw);
    const VkSemaphore timeline = work.timeline();
    auto bridge = vulkan::TimelineBridge::create(*gpu.wrapped);
    ASSERT_TRUE(bridge);
    ASSERT_TRUE(bridge->signal(gpu.queue, timeline, 3, sw.fence(1)));
    EXPECT_EQ(vulkan::timeline_value(*gpu.wrapped, timeline).value(), 0U);
    EXPECT_EQ(vulkan::wait_timeline(*gpu.wrapped, timeline, 3, cb::deadline_in(moment)).error().category,
              cb::Category::timed_out);
    sw.advance(1);
    EXPECT_TRUE(vulkan::wait_timeline(*gpu.wrapped, timeline, 3, cb::deadline_in(10s)));
    gpu.get<PFN_vkDeviceWaitIdle>("vkDeviceWaitIdle")(gpu.device);
}

/// Frames go through, and the bridge has no more semaphores than were in flight.
TEST_F(VulkanTimelines, TheBridgeUsesItsSemaphoresAgain)
{
    NEED_GPU(gpu);
    GpuWork work(gpu);
    const VkSemaphore timeline = work.timeline();
    auto bridge = vulkan::TimelineBridge::create(*gpu.wrapped);
    ASSERT_TRUE(bridge);
    cb::Fence last;
    for (std::uint64_t value = 1; value <= 40; value += 2) {
        ASSERT_TRUE(bridge->signal(gpu.queue, timeline, value, last));
        const auto fence = bridge->fence(gpu.queue, timeline, value);
        ASSERT_TRUE(fence) << fence.error().message();
        ASSERT_TRUE(fence->wait(cb::deadline_in(10s)));
        gpu.get<PFN_vkQueueWaitIdle>("vkQueueWaitIdle")(gpu.queue);
        last = *fence;
    }
    // One of each kind, and none to wait with where the last fence was over each time.
    EXPECT_GE(bridge->semaphores(), 1U);
    EXPECT_LE(bridge->semaphores(), 2U);
}

TEST_F(VulkanTimelines, AFailureSignalsNothing)
{
    NEED_GPU(gpu);
    GpuWork work(gpu);
    NEED_SW_SYNC(sw);
    const VkSemaphore timeline = work.timeline();
    auto bridge = vulkan::TimelineBridge::create(*gpu.wrapped);
    ASSERT_TRUE(bridge);
    const cb::Fence broken = sw.fence(1);
    sw.fail();
    EXPECT_EQ(bridge->signal(gpu.queue, timeline, 1, broken).error().category, cb::Category::work_failed);
    EXPECT_EQ(vulkan::signal_timeline(*gpu.wrapped, timeline, 1, broken, cb::deadline_in(1s)).error().sys_errno,
              ENOENT);
    EXPECT_EQ(vulkan::timeline_value(*gpu.wrapped, timeline).value(), 0U);
    // What is waited for and fails later.
    EXPECT_TRUE(vulkan::signal_timeline(*gpu.wrapped, timeline, 1, cb::Fence(), cb::deadline_in(1s)));
    const auto fence = bridge->fence(gpu.queue, timeline, 1, broken);
    ASSERT_TRUE(fence);
    EXPECT_EQ(fence->wait(cb::deadline_in(10s)).error().sys_errno, ENOENT);
    gpu.get<PFN_vkDeviceWaitIdle>("vkDeviceWaitIdle")(gpu.device);
}

} // namespace
