// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/deadline.hpp>
#include <commonbuf/vulkan/device.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <vulkan/vulkan_core.h>

// The names of Vulkan's functions are the table's: one list makes the members and loads them.
#define COMMONBUF_SESSION_FUNCTIONS(X)                                                                                 \
    X(AllocateCommandBuffers)                                                                                          \
    X(AllocateMemory)                                                                                                  \
    X(BeginCommandBuffer)                                                                                              \
    X(BindBufferMemory2)                                                                                               \
    X(CmdCopyBufferToImage)                                                                                            \
    X(CmdCopyImageToBuffer)                                                                                            \
    X(CmdPipelineBarrier)                                                                                              \
    X(CreateBuffer)                                                                                                    \
    X(CreateCommandPool)                                                                                               \
    X(CreateFence)                                                                                                     \
    X(DestroyBuffer)                                                                                                   \
    X(DestroyCommandPool)                                                                                              \
    X(DestroyFence)                                                                                                    \
    X(EndCommandBuffer)                                                                                                \
    X(FreeMemory)                                                                                                      \
    X(GetBufferMemoryRequirements2)                                                                                    \
    X(MapMemory)                                                                                                       \
    X(QueueSubmit)                                                                                                     \
    X(ResetFences)                                                                                                     \
    X(WaitForFences)

namespace commonbuf::content {

/// Vulkan's functions of a device.
// NOLINTBEGIN(bugprone-macro-parentheses): the arguments are names
struct GpuFunctions {
#define COMMONBUF_MEMBER(name) PFN_vk##name name = nullptr;
    COMMONBUF_SESSION_FUNCTIONS(COMMONBUF_MEMBER)
#undef COMMONBUF_MEMBER
};
// NOLINTEND(bugprone-macro-parentheses)

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
    const GpuFunctions& vk() const noexcept { return vk_; }

    /// The CPU's memory, and the buffer that is the same to the GPU.
    std::span<std::byte> bytes() const noexcept { return bytes_; }
    VkBuffer buffer() const noexcept { return buffer_; }

    /// Records, submits and waits. Errors: timed_out (see is_pending()), out_of_memory, device_gone.
    Status run(const std::function<void(VkCommandBuffer)>& record, Deadline deadline);

    /// Whether the GPU may still be at it: nothing of it may be destroyed then.
    bool is_pending() const noexcept { return pending_; }

private:
    explicit GpuSession(vulkan::Device device);
    Status make_commands();
    Status make_memory(VkDeviceSize bytes);
    Status check(VkResult result, const char* call) const;

    vulkan::Device device_;
    GpuFunctions vk_;
    VkCommandPool pool_ = VK_NULL_HANDLE;
    VkCommandBuffer commands_ = VK_NULL_HANDLE;
    VkFence fence_ = VK_NULL_HANDLE;
    VkBuffer buffer_ = VK_NULL_HANDLE;
    VkDeviceMemory memory_ = VK_NULL_HANDLE;
    std::span<std::byte> bytes_;
    bool pending_ = false;
};

} // namespace commonbuf::content
