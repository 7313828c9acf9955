// SPDX-License-Identifier: MIT
#include "gpu_work.hpp"

GpuWork::GpuWork(const Gpu& gpu) : gpu_(gpu)
{
    VkCommandPoolCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
    info.queueFamilyIndex = gpu.family;
    EXPECT_EQ(gpu.get<PFN_vkCreateCommandPool>("vkCreateCommandPool")(gpu.device, &info, nullptr, &pool_), VK_SUCCESS);
}

GpuWork::~GpuWork()
{
    gpu_.get<PFN_vkDeviceWaitIdle>("vkDeviceWaitIdle")(gpu_.device);
    for (const VkFence fence : fences_)
        gpu_.get<PFN_vkDestroyFence>("vkDestroyFence")(gpu_.device, fence, nullptr);
    for (const VkSemaphore semaphore : semaphores_)
        gpu_.get<PFN_vkDestroySemaphore>("vkDestroySemaphore")(gpu_.device, semaphore, nullptr);
    gpu_.get<PFN_vkDestroyCommandPool>("vkDestroyCommandPool")(gpu_.device, pool_, nullptr);
}

VkCommandBuffer GpuWork::record(const std::function<void(VkCommandBuffer)>& commands)
{
    VkCommandBufferAllocateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
    info.commandPool = pool_;
    info.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    info.commandBufferCount = 1;
    VkCommandBuffer buffer = VK_NULL_HANDLE;
    EXPECT_EQ(gpu_.get<PFN_vkAllocateCommandBuffers>("vkAllocateCommandBuffers")(gpu_.device, &info, &buffer),
              VK_SUCCESS);
    VkCommandBufferBeginInfo begin{};
    begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
    gpu_.get<PFN_vkBeginCommandBuffer>("vkBeginCommandBuffer")(buffer, &begin);
    commands(buffer);
    EXPECT_EQ(gpu_.get<PFN_vkEndCommandBuffer>("vkEndCommandBuffer")(buffer), VK_SUCCESS);
    return buffer;
}

void GpuWork::submit(const Submission& submission) const
{
    VkTimelineSemaphoreSubmitInfo values{};
    values.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO;
    values.pWaitSemaphoreValues = &submission.wait_value;
    values.pSignalSemaphoreValues = &submission.signal_value;
    const VkPipelineStageFlags stages = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
    VkSubmitInfo info{};
    info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
    info.pNext = &values;
    info.waitSemaphoreCount = values.waitSemaphoreValueCount = submission.wait != VK_NULL_HANDLE ? 1 : 0;
    info.pWaitSemaphores = &submission.wait;
    info.pWaitDstStageMask = &stages;
    info.commandBufferCount = submission.commands != VK_NULL_HANDLE ? 1 : 0;
    info.pCommandBuffers = &submission.commands;
    info.signalSemaphoreCount = values.signalSemaphoreValueCount = submission.signal != VK_NULL_HANDLE ? 1 : 0;
    info.pSignalSemaphores = &submission.signal;
    EXPECT_EQ(gpu_.get<PFN_vkQueueSubmit>("vkQueueSubmit")(gpu_.queue, 1, &info, submission.fence), VK_SUCCESS);
}

VkFence GpuWork::fence(bool exportable)
{
    VkExportFenceCreateInfo exported{};
    exported.sType = VK_STRUCTURE_TYPE_EXPORT_FENCE_CREATE_INFO;
    exported.handleTypes = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT;
    VkFenceCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO;
    info.pNext = exportable ? &exported : nullptr;
    VkFence fence = VK_NULL_HANDLE;
    EXPECT_EQ(gpu_.get<PFN_vkCreateFence>("vkCreateFence")(gpu_.device, &info, nullptr, &fence), VK_SUCCESS);
    fences_.push_back(fence);
    return fence;
}

VkSemaphore GpuWork::semaphore(const void* chain)
{
    VkSemaphoreCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO;
    info.pNext = chain;
    VkSemaphore semaphore = VK_NULL_HANDLE;
    EXPECT_EQ(gpu_.get<PFN_vkCreateSemaphore>("vkCreateSemaphore")(gpu_.device, &info, nullptr, &semaphore),
              VK_SUCCESS);
    semaphores_.push_back(semaphore);
    return semaphore;
}

VkSemaphore GpuWork::semaphore() { return semaphore(nullptr); }

VkSemaphore GpuWork::timeline(bool exportable)
{
    VkExportSemaphoreCreateInfo exported{};
    exported.sType = VK_STRUCTURE_TYPE_EXPORT_SEMAPHORE_CREATE_INFO;
    exported.handleTypes = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_OPAQUE_FD_BIT;
    VkSemaphoreTypeCreateInfo type{};
    type.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO;
    type.pNext = exportable ? &exported : nullptr;
    type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE;
    return semaphore(&type);
}

VkResult GpuWork::status(VkFence fence) const
{
    return gpu_.get<PFN_vkGetFenceStatus>("vkGetFenceStatus")(gpu_.device, fence);
}

bool GpuWork::signals(VkFence fence) const
{
    constexpr std::uint64_t ten_seconds = 10'000'000'000;
    return gpu_.get<PFN_vkWaitForFences>("vkWaitForFences")(gpu_.device, 1, &fence, VK_TRUE, ten_seconds) == VK_SUCCESS;
}
