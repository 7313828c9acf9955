// SPDX-License-Identifier: MIT
#pragma once

#include "gpu.hpp"

#include <cstdint>
#include <functional>
#include <vector>

/// Submissions that nobody waits for, with their semaphores and fences; the destructor waits
/// for the device and destroys them. Declare it before the fences that the GPU waits for: a
/// test that ends early takes those with it, and the GPU goes on.
class GpuWork {
public:
    explicit GpuWork(const Gpu& gpu);
    ~GpuWork();
    GpuWork(const GpuWork&) = delete;
    GpuWork& operator=(const GpuWork&) = delete;

    VkCommandBuffer record(const std::function<void(VkCommandBuffer)>& commands);

    struct Submission {
        VkSemaphore wait = VK_NULL_HANDLE;
        VkCommandBuffer commands = VK_NULL_HANDLE;
        VkSemaphore signal = VK_NULL_HANDLE;
        VkFence fence = VK_NULL_HANDLE;
        std::uint64_t wait_value = 0;   ///< where it is a timeline
        std::uint64_t signal_value = 0; ///< the same
    };
    void submit(const Submission& submission) const;

    VkFence fence(bool exportable = true);
    VkSemaphore semaphore(); ///< binary, not for export
    VkSemaphore timeline(bool exportable = false);
    VkResult status(VkFence fence) const;
    /// Whether it signals within some seconds.
    bool signals(VkFence fence) const;

private:
    VkSemaphore semaphore(const void* chain);

    const Gpu& gpu_;
    VkCommandPool pool_ = VK_NULL_HANDLE;
    std::vector<VkFence> fences_;
    std::vector<VkSemaphore> semaphores_;
};
