// SPDX-License-Identifier: MIT
#pragma once

#include "gpu.hpp"

#include <commonbuf/commonbuf.hpp>
#include <commonbuf/vulkan.hpp>

#include <memory>
#include <vulkan/vulkan.h>

/// One piece of work for a GPU, in order with whoever else uses the same buffers.
class OneShot {
public:
    /// Begins recording. Errors: kernel_failure (with the VkResult), what
    /// vulkan::Semaphore::create() gives.
    static commonbuf::Result<std::unique_ptr<OneShot>> create(const Gpu& gpu);

    /// Calls finish(), for at most 2 s.
    ~OneShot();
    OneShot(const OneShot&) = delete;
    OneShot& operator=(const OneShot&) = delete;

    /// To record into, until submit().
    VkCommandBuffer commands() const noexcept { return commands_; }

    /// One of commonbuf's barriers, for a device without synchronization2.
    void barrier(const VkImageMemoryBarrier2& wanted) const;

    /// Submits what was recorded: it begins at `stage` when the buffers of the job are free.
    /// The job publishes its end, which is returned. Waits for nothing.
    commonbuf::Result<commonbuf::Fence> submit(commonbuf::Job& job, VkPipelineStageFlags stage);

    /// Waits until the GPU has done it: before what it uses is destroyed.
    commonbuf::Status finish(commonbuf::Deadline deadline);

private:
    explicit OneShot(const Gpu& gpu) : gpu_(gpu) {}
    commonbuf::Status begin();

    const Gpu& gpu_;
    VkCommandPool pool_ = VK_NULL_HANDLE;
    VkCommandBuffer commands_ = VK_NULL_HANDLE;
    VkFence over_ = VK_NULL_HANDLE;
    bool submitted_ = false;
    std::unique_ptr<commonbuf::vulkan::Semaphore> ready_;
    std::unique_ptr<commonbuf::vulkan::Semaphore> done_;
};
