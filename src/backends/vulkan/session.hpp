// SPDX-License-Identifier: MIT
#pragma once

#include "backends/vulkan/context.hpp"

#include <commonbuf/deadline.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

namespace commonbuf::vulkan {

/// Work of the library's own on the caller's queue, one piece at a time, with memory that the
/// CPU sees. For proof by content.
class Session {
public:
    /// Errors: unsupported (the caller gave no queue; no memory for the CPU), exhausted,
    /// device_lost.
    static Result<std::shared_ptr<Session>> create(std::shared_ptr<const Context> context, VkDeviceSize bytes);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    /// The CPU's memory, and the buffer that is the same to the GPU.
    std::span<std::byte> bytes() const noexcept { return bytes_; }
    VkBuffer buffer() const noexcept { return buffer_; }

    /// Records, submits and waits. Errors: timed_out (see is_pending()), exhausted,
    /// device_lost.
    Status run(const std::function<void(VkCommandBuffer)>& record, Deadline deadline);

    /// Whether the GPU may still be at it: nothing of it may be destroyed then.
    bool is_pending() const noexcept { return pending_; }

private:
    explicit Session(std::shared_ptr<const Context> context) noexcept : context_(std::move(context)) {}
    Status make_commands();
    Status make_memory(VkDeviceSize bytes);
    Status check(VkResult result, const char* call) const;

    std::shared_ptr<const Context> context_;
    VkCommandPool pool_ = VK_NULL_HANDLE;
    VkCommandBuffer commands_ = VK_NULL_HANDLE;
    VkFence fence_ = VK_NULL_HANDLE;
    VkBuffer buffer_ = VK_NULL_HANDLE;
    VkDeviceMemory memory_ = VK_NULL_HANDLE;
    std::span<std::byte> bytes_;
    bool pending_ = false;
};

} // namespace commonbuf::vulkan
