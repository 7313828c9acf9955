// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/deadline.hpp>
#include <commonbuf/vulkan/device.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vulkan/vulkan_core.h>

namespace commonbuf::content {

/// Work on the caller's queue, one piece at a time, with memory that the CPU sees.
class GpuSession {
public:
    /// Errors: unsupported (the caller gave no queue; no memory for the CPU), out_of_memory,
    /// device_gone.
    static Result<std::shared_ptr<GpuSession>> create(const vulkan::Device& device, VkDeviceSize bytes);
    ~GpuSession();
    GpuSession(const GpuSession&) = delete;
    GpuSession& operator=(const GpuSession&) = delete;

    const vulkan::Device& device() const noexcept { return device_; }

    /// Finds a function of the device: function<PFN_vkCmdPipelineBarrier>("vkCmdPipelineBarrier").
    template <typename Function>
    Function function(const char* name) const noexcept
    {
        return reinterpret_cast<Function>(device_.function(name));
    }

    /// The CPU's memory, and the buffer that is the same to the GPU.
    std::span<std::byte> bytes() const noexcept { return bytes_; }
    VkBuffer buffer() const noexcept { return buffer_; }

    /// Records, submits and waits. Errors: timed_out (see is_pending()), out_of_memory, device_gone.
    Status run(const std::function<void(VkCommandBuffer)>& record, Deadline deadline);

    /// Whether the GPU may still be working: then nothing that it uses may be destroyed.
    bool is_pending() const noexcept { return pending_; }

private:
    explicit GpuSession(const vulkan::Device& device) : device_(device) {}
    template <typename Create, typename Info, typename Handle>
    Status make(const char* name, const Info& info, Handle& handle);
    Status make_commands();
    Status make_memory(VkDeviceSize bytes);
    Status check(const char* name, VkResult result) const;
    template <typename Function, typename... Arguments>
    Status call(const char* name, Arguments... arguments) const;

    vulkan::Device device_;
    VkCommandPool pool_ = VK_NULL_HANDLE;
    VkCommandBuffer commands_ = VK_NULL_HANDLE;
    VkFence fence_ = VK_NULL_HANDLE;
    VkBuffer buffer_ = VK_NULL_HANDLE;
    VkDeviceMemory memory_ = VK_NULL_HANDLE;
    std::span<std::byte> bytes_;
    bool pending_ = false;
};

} // namespace commonbuf::content
