// SPDX-License-Identifier: MIT
//
// Semaphores, fences, timelines, barriers and the heap against a Vulkan driver that fails on
// demand.
#include "fake/machine.hpp"
#include "fake/vulkan.hpp"
#include "fake/vulkan_sync.hpp"
#include "os/os.hpp"

#include <commonbuf/commonbuf.hpp>
#include <commonbuf/vulkan.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <optional>

namespace commonbuf::vulkan {
namespace {

class VulkanSyncTest : public testing::Test {
protected:
    Device device(const std::vector<std::string>& without = {})
    {
        std::vector<const char*> names;
        for (const std::string& name : gpu.extensions) {
            if (std::find(without.begin(), without.end(), name) == without.end())
                names.push_back(name.c_str());
        }
        const bool timelines = std::find(without.begin(), without.end(), "timelineSemaphore") == without.end();
        auto made = Device::wrap({.instance = fake::Vulkan::instance(),
                                  .physical = fake::Vulkan::physical(),
                                  .device = fake::Vulkan::device(),
                                  .queue_family = 3,
                                  .get_instance_proc_addr = fake::VulkanSync::get_instance_proc_addr,
                                  .api_version = VK_API_VERSION_1_1,
                                  .extensions = names,
                                  .features = {true, timelines}});
        if (!made)
            throw std::runtime_error(made.error().message());
        return *made;
    }
    Fence fence(const std::shared_ptr<fake::FenceModel>& pending)
    {
        return Fence::from_fd(UniqueFd(machine.sync_file(pending))).value();
    }
    void TearDown() override
    {
        EXPECT_EQ(gpu.leaks(), "");
        EXPECT_EQ(machine.leaks(), "");
    }

    fake::Machine machine;
    fake::Vulkan gpu;
    fake::VulkanSync sync{machine};
    std::shared_ptr<fake::FenceModel> work = machine.add_fence("work");
    // Handles of the caller's; the driver does not look at them.
    VkSemaphore semaphore = reinterpret_cast<VkSemaphore>(std::uintptr_t{0x100});
    VkFence vk_fence = reinterpret_cast<VkFence>(std::uintptr_t{0x200});
    VkQueue queue = reinterpret_cast<VkQueue>(std::uintptr_t{0x300});
};

template <typename T>
std::string message(const Result<T>& result)
{
    return result ? "success" : result.error().message();
}

TEST_F(VulkanSyncTest, AMissingExtensionIsNamed)
{
    const Device bare = device({VK_KHR_EXTERNAL_SEMAPHORE_FD_EXTENSION_NAME, VK_KHR_EXTERNAL_FENCE_FD_EXTENSION_NAME});
    EXPECT_NE(message(Semaphore::create(bare)).find("VK_KHR_external_semaphore_fd"), std::string::npos);
    EXPECT_NE(message(import_semaphore(bare, semaphore, {})).find("VK_KHR_external_semaphore_fd"), std::string::npos);
    EXPECT_NE(message(export_semaphore(bare, semaphore)).find("VK_KHR_external_semaphore_fd"), std::string::npos);
    EXPECT_NE(message(import_fence(bare, vk_fence, {})).find("VK_KHR_external_fence_fd"), std::string::npos);
    EXPECT_NE(message(export_fence(bare, vk_fence)).find("VK_KHR_external_fence_fd"), std::string::npos);
    EXPECT_FALSE(TimelineBridge::create(bare));
    const SyncSupport support = sync_support(bare);
    EXPECT_FALSE(support.semaphore_import || support.semaphore_export || support.fence_import || support.fence_export);
    EXPECT_NE(message(TimelineBridge::create(device({"timelineSemaphore"}))).find("timelineSemaphore"),
              std::string::npos);
    EXPECT_FALSE(timeline_value(device({"timelineSemaphore"}), semaphore));
}

/// The extension is there, and the handle type is not.
TEST_F(VulkanSyncTest, ADriverWithoutSyncFilesIsAsked)
{
    sync.imports = sync.exports = false;
    for (const std::string& said :
         {message(import_semaphore(device(), semaphore, {})), message(import_fence(device(), vk_fence, {}))})
        EXPECT_NE(said.find("do not import sync_files"), std::string::npos) << said;
    for (const std::string& said : {message(export_semaphore(device(), semaphore)),
                                    message(export_fence(device(), vk_fence)), message(Semaphore::create(device()))})
        EXPECT_NE(said.find("do not export sync_files"), std::string::npos) << said;
    EXPECT_NE(message(TimelineBridge::create(device())).find("wait_timeline()"), std::string::npos);
    EXPECT_EQ(sync.imported, 0U);
}

TEST_F(VulkanSyncTest, WhatIsImportedIsTemporaryAndASyncFile)
{
    ASSERT_TRUE(import_semaphore(device(), semaphore, fence(work)));
    EXPECT_EQ(sync.semaphore_import.flags, VkSemaphoreImportFlags{VK_SEMAPHORE_IMPORT_TEMPORARY_BIT});
    EXPECT_EQ(sync.semaphore_import.handleType, VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT);
    EXPECT_EQ(sync.semaphore_import.semaphore, semaphore);
    EXPECT_GE(sync.semaphore_import.fd, 0);
    ASSERT_TRUE(import_fence(device(), vk_fence, fence(work)));
    EXPECT_EQ(sync.fence_import.flags, VkFenceImportFlags{VK_FENCE_IMPORT_TEMPORARY_BIT});
    EXPECT_EQ(sync.fence_import.handleType, VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT);
    // What has signalled is -1.
    const Fence over = fence(work);
    work->status = 1;
    ASSERT_TRUE(import_semaphore(device(), semaphore, over));
    EXPECT_EQ(sync.semaphore_import.fd, -1);
    ASSERT_TRUE(import_fence(device(), vk_fence, Fence()));
    EXPECT_EQ(sync.fence_import.fd, -1);
    const auto made = Semaphore::create(device());
    ASSERT_TRUE(made);
    EXPECT_EQ(sync.export_types, VkExternalSemaphoreHandleTypeFlags{VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT});
}

/// No descriptor is lost: the driver did not take it.
TEST_F(VulkanSyncTest, AnImportThatFailsLeavesNothing)
{
    for (const VkResult result : {VK_ERROR_OUT_OF_HOST_MEMORY, VK_ERROR_INVALID_EXTERNAL_HANDLE}) {
        sync.answers = {{"vkImportSemaphoreFdKHR", result}, {"vkImportFenceFdKHR", result}};
        EXPECT_FALSE(import_semaphore(device(), semaphore, fence(work)));
        EXPECT_FALSE(import_fence(device(), vk_fence, fence(work)));
    }
    EXPECT_EQ(sync.imported, 0U);
}

TEST_F(VulkanSyncTest, WhatHasFailedIsNotImported)
{
    const Fence broken = fence(work);
    work->status = -EIO;
    const auto refused = import_semaphore(device(), semaphore, broken);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().category, Category::work_failed);
    EXPECT_EQ(refused.error().sys_errno, EIO);
    EXPECT_FALSE(import_fence(device(), vk_fence, broken));
    EXPECT_EQ(sync.imported, 0U);
}

TEST_F(VulkanSyncTest, AnExportOfMinusOneHasSignalled)
{
    EXPECT_TRUE(export_semaphore(device(), semaphore)->signalled().value());
    EXPECT_TRUE(export_fence(device(), vk_fence)->signalled().value());
    sync.work = work;
    const auto pending = export_semaphore(device(), semaphore);
    ASSERT_TRUE(pending);
    EXPECT_FALSE(pending->signalled().value());
    work->status = 1;
    EXPECT_TRUE(pending->signalled().value());
}

TEST_F(VulkanSyncTest, WhatComesOutFailsWhereTheInputDid)
{
    sync.work = work;
    const auto input = machine.add_fence("input");
    const auto drawn = export_semaphore(device(), semaphore, fence(input));
    ASSERT_TRUE(drawn);
    input->status = -ENOENT;
    work->status = 1;
    EXPECT_EQ(drawn->signalled().error().sys_errno, ENOENT);
}

TEST_F(VulkanSyncTest, ALostDeviceFailsWhatIsOutstanding)
{
    const Device lost = device();
    const Device other = device();
    sync.work = work;
    const auto pending = export_semaphore(lost, semaphore);
    sync.work = machine.add_fence("over");
    sync.work->status = 1;
    const auto over = export_semaphore(lost, semaphore);
    sync.work = machine.add_fence("elsewhere");
    const auto elsewhere = export_fence(other, vk_fence);
    ASSERT_TRUE(pending && over && elsewhere);
    sync.answers = {{"vkGetSemaphoreFdKHR", VK_ERROR_DEVICE_LOST}};
    EXPECT_EQ(export_semaphore(lost, semaphore).error().category, Category::device_gone);
    const auto told = pending->wait(Deadline{});
    ASSERT_FALSE(told);
    EXPECT_EQ(told.error().category, Category::work_failed);
    EXPECT_NE(told.error().message().find("VK_ERROR_DEVICE_LOST"), std::string::npos) << told.error().message();
    EXPECT_TRUE(over->signalled().value());
    EXPECT_FALSE(elsewhere->signalled().value());
    // A caller who learned it from a call of its own.
    fail_outstanding(other);
    EXPECT_EQ(elsewhere->signalled().error().category, Category::work_failed);
}

TEST_F(VulkanSyncTest, TheBridgeSubmitsTheValues)
{
    auto bridge = TimelineBridge::create(device());
    ASSERT_TRUE(bridge);
    sync.work = work;
    ASSERT_TRUE(bridge->fence(queue, semaphore, 7));
    ASSERT_TRUE(bridge->signal(queue, semaphore, 9, fence(work)));
    ASSERT_EQ(sync.submissions.size(), 2U);
    EXPECT_EQ(sync.submissions[0].wait_value, 7U);
    EXPECT_EQ(sync.submissions[1].signal_value, 9U);
    EXPECT_EQ(bridge->semaphores(), 1U);
    sync.done = false;
    ASSERT_TRUE(bridge->fence(queue, semaphore, 10));
    EXPECT_EQ(bridge->semaphores(), 2U);
    ASSERT_TRUE(bridge->fence(queue, semaphore, 11));
    EXPECT_EQ(bridge->semaphores(), 3U);
    sync.done = true;
    ASSERT_TRUE(bridge->fence(queue, semaphore, 12));
    EXPECT_EQ(bridge->semaphores(), 3U);
}

/// A semaphore that keeps a signal or an import cannot be used again.
TEST_F(VulkanSyncTest, ABridgeThatFailedGoesOnWithAnotherSemaphore)
{
    auto bridge = TimelineBridge::create(device());
    ASSERT_TRUE(bridge);
    sync.answers = {{"vkGetSemaphoreFdKHR", VK_ERROR_TOO_MANY_OBJECTS}};
    EXPECT_EQ(bridge->fence(queue, semaphore, 1).error().category, Category::out_of_memory);
    sync.answers.clear();
    EXPECT_EQ(sync.semaphores_made, 1U);
    ASSERT_TRUE(bridge->fence(queue, semaphore, 2));
    EXPECT_EQ(sync.semaphores_made, 2U);
    EXPECT_EQ(bridge->semaphores(), 1U);

    sync.answers = {{"vkQueueSubmit", VK_ERROR_OUT_OF_HOST_MEMORY}};
    EXPECT_EQ(bridge->signal(queue, semaphore, 3, fence(work)).error().category, Category::out_of_memory);
    EXPECT_EQ(bridge->semaphores(), 0U);
    for (const char* call : {"vkCreateSemaphore", "vkCreateFence"}) {
        sync.answers = {{call, VK_ERROR_OUT_OF_DEVICE_MEMORY}};
        EXPECT_EQ(bridge->fence(queue, semaphore, 4).error().category, Category::out_of_memory);
    }
    sync.answers.clear();
    ASSERT_TRUE(bridge->signal(queue, semaphore, 3, fence(work)));
    sync.answers = {{"vkResetFences", VK_ERROR_DEVICE_LOST}};
    EXPECT_EQ(bridge->signal(queue, semaphore, 5, fence(work)).error().category, Category::device_gone);
}

TEST_F(VulkanSyncTest, TimelinesOnTheCpuHaveADeadline)
{
    sync.value = 5;
    EXPECT_EQ(timeline_value(device(), semaphore).value(), 5U);
    EXPECT_TRUE(wait_timeline(device(), semaphore, 5, Deadline{}));
    EXPECT_EQ(sync.waited, 0U) << "a deadline in the past";
    sync.answers = {{"vkWaitSemaphores", VK_TIMEOUT}};
    EXPECT_EQ(wait_timeline(device(), semaphore, 6, deadline_in(std::chrono::milliseconds(10))).error().category,
              Category::timed_out);
    EXPECT_GT(sync.waited, 0U);
    EXPECT_LE(sync.waited, 10'000'000U);
    EXPECT_EQ(signal_timeline(device(), semaphore, 6, fence(work), Deadline{}).error().category, Category::timed_out);
    EXPECT_EQ(sync.value, 5U);
    EXPECT_TRUE(signal_timeline(device(), semaphore, 6, Fence(), Deadline{}));
    EXPECT_EQ(sync.value, 6U);
}

/// Where the driver's descriptor is a syncobj, both are one timeline; otherwise it is said.
TEST_F(VulkanSyncTest, ATimelineMayBeASyncobj)
{
    machine.add_card("card0", {.timelines = true});
    const UniqueFd drm = os::open("/dev/dri/card0").value();
    {
        const Timeline mine = Timeline::create(drm.get()).value();
        sync.opaque = mine.export_fd()->release();
        const auto same = export_timeline(device(), semaphore, drm.get());
        ASSERT_TRUE(same) << same.error().message();
        ASSERT_TRUE(mine.signal(4));
        EXPECT_EQ(same->last_signalled().value(), 4U);
    }
    sync.opaque = machine.sync_file(work);
    const auto none = export_timeline(device(), semaphore, drm.get());
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().category, Category::unsupported) << none.error().message();
    EXPECT_NE(none.error().message().find("TimelineBridge"), std::string::npos);
}

TEST_F(VulkanSyncTest, BarriersHaveTheOtherSide)
{
    EXPECT_EQ(families(device()).own, 3U);
    EXPECT_EQ(families(device()).outside, VK_QUEUE_FAMILY_FOREIGN_EXT);
    EXPECT_EQ(families(device({VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME})).outside, VK_QUEUE_FAMILY_EXTERNAL);

    const Families between{3, VK_QUEUE_FAMILY_FOREIGN_EXT};
    const auto image = reinterpret_cast<VkImage>(std::uintptr_t{0x400});
    constexpr Work reads{VK_PIPELINE_STAGE_2_FRAGMENT_SHADER_BIT, VK_ACCESS_2_SHADER_READ_BIT,
                         VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL};
    const VkImageMemoryBarrier2 in = acquire_image(between, image, reads);
    EXPECT_EQ(in.sType, VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER_2);
    EXPECT_EQ(in.pNext, nullptr);
    EXPECT_EQ(in.image, image);
    EXPECT_EQ(in.srcQueueFamilyIndex, VK_QUEUE_FAMILY_FOREIGN_EXT);
    EXPECT_EQ(in.dstQueueFamilyIndex, 3U);
    EXPECT_EQ(in.oldLayout, VK_IMAGE_LAYOUT_GENERAL);
    EXPECT_EQ(in.newLayout, VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL);
    EXPECT_EQ(in.srcStageMask, VK_PIPELINE_STAGE_2_FRAGMENT_SHADER_BIT) << "where the semaphore is waited for";
    EXPECT_EQ(in.srcAccessMask, VK_ACCESS_2_NONE);
    EXPECT_EQ(in.dstStageMask, VK_PIPELINE_STAGE_2_FRAGMENT_SHADER_BIT);
    EXPECT_EQ(in.dstAccessMask, VK_ACCESS_2_SHADER_READ_BIT);
    EXPECT_EQ(in.subresourceRange.aspectMask, VkImageAspectFlags{VK_IMAGE_ASPECT_COLOR_BIT});
    EXPECT_EQ(in.subresourceRange.levelCount, VK_REMAINING_MIP_LEVELS);
    EXPECT_EQ(in.subresourceRange.layerCount, VK_REMAINING_ARRAY_LAYERS);
    EXPECT_EQ(acquire_image(between, image, reads, Contents::undefined).oldLayout, VK_IMAGE_LAYOUT_UNDEFINED);

    const VkImageMemoryBarrier2 out = release_image(between, image, reads, whole(VK_IMAGE_ASPECT_PLANE_1_BIT));
    EXPECT_EQ(out.srcQueueFamilyIndex, 3U);
    EXPECT_EQ(out.dstQueueFamilyIndex, VK_QUEUE_FAMILY_FOREIGN_EXT);
    EXPECT_EQ(out.oldLayout, VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL);
    EXPECT_EQ(out.newLayout, VK_IMAGE_LAYOUT_GENERAL) << "what the next acquire begins with";
    EXPECT_EQ(out.srcStageMask, VK_PIPELINE_STAGE_2_FRAGMENT_SHADER_BIT);
    EXPECT_EQ(out.srcAccessMask, VK_ACCESS_2_SHADER_READ_BIT);
    EXPECT_EQ(out.dstStageMask, VK_PIPELINE_STAGE_2_NONE);
    EXPECT_EQ(out.dstAccessMask, VK_ACCESS_2_NONE);
    EXPECT_EQ(out.subresourceRange.aspectMask, VkImageAspectFlags{VK_IMAGE_ASPECT_PLANE_1_BIT});

    const ImageBarrier old = without_synchronization2(out);
    EXPECT_EQ(old.source, VkPipelineStageFlags{VK_PIPELINE_STAGE_FRAGMENT_SHADER_BIT});
    EXPECT_EQ(old.destination, VkPipelineStageFlags{VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT});
    EXPECT_EQ(old.barrier.sType, VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER);
    EXPECT_EQ(old.barrier.image, image);
    EXPECT_EQ(old.barrier.oldLayout, out.oldLayout);
    EXPECT_EQ(old.barrier.newLayout, out.newLayout);
    EXPECT_EQ(old.barrier.dstQueueFamilyIndex, VK_QUEUE_FAMILY_FOREIGN_EXT);
    EXPECT_EQ(old.barrier.subresourceRange.aspectMask, VkImageAspectFlags{VK_IMAGE_ASPECT_PLANE_1_BIT});

    const auto buffer = reinterpret_cast<VkBuffer>(std::uintptr_t{0x500});
    // Of synchronization2 alone: there is no older bit.
    constexpr Work copies{VK_PIPELINE_STAGE_2_COPY_BIT, VK_ACCESS_2_SHADER_STORAGE_WRITE_BIT};
    const VkBufferMemoryBarrier2 taken = acquire_buffer(between, buffer, copies);
    EXPECT_EQ(taken.size, VK_WHOLE_SIZE);
    EXPECT_EQ(taken.srcQueueFamilyIndex, VK_QUEUE_FAMILY_FOREIGN_EXT);
    const BufferBarrier older = without_synchronization2(release_buffer(between, buffer, copies));
    EXPECT_EQ(older.source, VkPipelineStageFlags{VK_PIPELINE_STAGE_ALL_COMMANDS_BIT});
    EXPECT_EQ(older.barrier.srcAccessMask, VkAccessFlags{VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT});
    EXPECT_EQ(older.barrier.buffer, buffer);
    EXPECT_EQ(older.barrier.dstQueueFamilyIndex, VK_QUEUE_FAMILY_FOREIGN_EXT);
}

TEST_F(VulkanSyncTest, AHeapThatFailsLeavesNothing)
{
    const ImageUsage usage{VK_IMAGE_USAGE_TRANSFER_SRC_BIT};
    const auto memory = heap(device(), usage);
    ASSERT_FALSE(memory->info().obstacle) << memory->info().obstacle->message();
    ASSERT_TRUE(memory->allocate(5000));
    EXPECT_GE(sync.exported_bytes, 5000U);
    sync.answers = {{"vkGetMemoryFdKHR", VK_ERROR_TOO_MANY_OBJECTS}};
    EXPECT_EQ(memory->allocate(5000).error().category, Category::out_of_memory);
    sync.answers.clear();
    sync.short_by = 4096;
    const auto small = memory->allocate(8192);
    ASSERT_FALSE(small);
    EXPECT_EQ(small.error().category, Category::kernel_failure);
    EXPECT_NE(small.error().message().find("4096 bytes instead of 8192"), std::string::npos) << small.error().message();
    EXPECT_EQ(memory->allocate(0).error().category, Category::invalid_argument);
    EXPECT_EQ(memory->allocate(UINT64_MAX).error().category, Category::invalid_argument);
}

TEST_F(VulkanSyncTest, AHeapWithoutItsExtensionsSaysSo)
{
    const auto none = heap(device({VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME}), {});
    ASSERT_TRUE(none->info().obstacle);
    EXPECT_NE(none->info().obstacle->message().find("VK_EXT_external_memory_dma_buf"), std::string::npos);
    EXPECT_FALSE(none->allocate(4096));
    EXPECT_FALSE(none->allocate_image({}));
    sync.exports = false;
    const auto nothing = heap(device({VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME}), {});
    ASSERT_TRUE(nothing->info().obstacle);
    EXPECT_NE(nothing->info().obstacle->message().find("does not export memory"), std::string::npos);
}

} // namespace
} // namespace commonbuf::vulkan
