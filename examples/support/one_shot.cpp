// SPDX-License-Identifier: MIT
#include "one_shot.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace cb = commonbuf;
using namespace std::chrono_literals;

cb::Result<std::unique_ptr<OneShot>> OneShot::create(const Gpu& gpu)
{
    std::unique_ptr<OneShot> shot(new OneShot(gpu));
    if (const auto begun = shot->begin(); !begun)
        return begun.error();
    return shot;
}

cb::Status OneShot::begin()
{
    for (auto* semaphore : {&ready_, &done_}) {
        auto made = cb::vulkan::Semaphore::create(gpu_.device());
        if (!made)
            return made.error();
        *semaphore = std::make_unique<cb::vulkan::Semaphore>(std::move(*made));
    }
    VkFenceCreateInfo over{};
    over.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO;
    if (auto made = vulkan_status(vkCreateFence(gpu_.handle(), &over, nullptr, &over_), "vkCreateFence"); !made)
        return made;
    VkCommandPoolCreateInfo pool{};
    pool.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
    pool.queueFamilyIndex = gpu_.family();
    if (auto made = vulkan_status(vkCreateCommandPool(gpu_.handle(), &pool, nullptr, &pool_), "vkCreateCommandPool");
        !made)
        return made;
    VkCommandBufferAllocateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
    info.commandPool = pool_;
    info.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    info.commandBufferCount = 1;
    if (auto made =
            vulkan_status(vkAllocateCommandBuffers(gpu_.handle(), &info, &commands_), "vkAllocateCommandBuffers");
        !made)
        return made;
    VkCommandBufferBeginInfo begin{};
    begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
    begin.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
    return vulkan_status(vkBeginCommandBuffer(commands_, &begin), "vkBeginCommandBuffer");
}

OneShot::~OneShot()
{
    static_cast<void>(finish(cb::deadline_in(2s)));
    vkDestroyCommandPool(gpu_.handle(), pool_, nullptr);
    vkDestroyFence(gpu_.handle(), over_, nullptr);
}

void OneShot::barrier(const VkImageMemoryBarrier2& wanted) const
{
    const cb::vulkan::ImageBarrier barrier = cb::vulkan::without_synchronization2(wanted);
    vkCmdPipelineBarrier(commands_, barrier.source, barrier.destination, 0, 0, nullptr, 0, nullptr, 1,
                         &barrier.barrier);
}

cb::Result<cb::Fence> OneShot::submit(cb::Job& job, VkPipelineStageFlags stage)
{
    if (const auto ended = vulkan_status(vkEndCommandBuffer(commands_), "vkEndCommandBuffer"); !ended)
        return ended.error();
    const auto before = job.gather();
    if (!before)
        return before.error();
    VkSemaphore ready = ready_->handle();
    VkSemaphore done = done_->handle();
    if (const auto imported = cb::vulkan::import_semaphore(gpu_.device(), ready, *before); !imported)
        return imported.error();
    VkSubmitInfo info{};
    info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
    info.waitSemaphoreCount = 1;
    info.pWaitSemaphores = &ready;
    info.pWaitDstStageMask = &stage;
    info.commandBufferCount = 1;
    info.pCommandBuffers = &commands_;
    info.signalSemaphoreCount = 1;
    info.pSignalSemaphores = &done;
    if (const VkResult result = vkQueueSubmit(gpu_.queue(), 1, &info, over_); result != VK_SUCCESS) {
        if (result == VK_ERROR_DEVICE_LOST)
            cb::vulkan::fail_outstanding(gpu_.device());
        return vulkan_error(result, "vkQueueSubmit");
    }
    submitted_ = true;
    auto over = cb::vulkan::export_semaphore(gpu_.device(), done, *before);
    if (!over)
        return over;
    if (const auto published = job.publish(*over); !published)
        return published.error();
    return over;
}

cb::Status OneShot::finish(cb::Deadline deadline)
{
    if (!submitted_)
        return {};
    const auto left = std::max(deadline - std::chrono::steady_clock::now(), std::chrono::steady_clock::duration(0));
    const auto patience = static_cast<std::uint64_t>(std::chrono::nanoseconds(left).count());
    return vulkan_status(vkWaitForFences(gpu_.handle(), 1, &over_, VK_TRUE, patience), "vkWaitForFences");
}
