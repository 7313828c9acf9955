// SPDX-License-Identifier: MIT
#pragma once

#include "backends/vulkan/context.hpp"
#include "backends/vulkan/memory.hpp"

#include <memory>
#include <utility>

namespace commonbuf::vulkan {

/// A VkBuffer that has no memory yet.
class BareBuffer {
public:
    static Result<BareBuffer> create(std::shared_ptr<const Context> context, VkDeviceSize size,
                                     VkBufferUsageFlags usage);

    BareBuffer(BareBuffer&& other) noexcept
        : context_(std::move(other.context_)),
          handle_(std::exchange(other.handle_, VK_NULL_HANDLE)),
          needs_(other.needs_)
    {}
    BareBuffer& operator=(BareBuffer&&) = delete;
    BareBuffer(const BareBuffer&) = delete;
    BareBuffer& operator=(const BareBuffer&) = delete;
    ~BareBuffer();

    VkBuffer handle() const noexcept { return handle_; }
    const Memory::Needs& needs() const noexcept { return needs_; }

private:
    explicit BareBuffer(std::shared_ptr<const Context> context) noexcept : context_(std::move(context)) {}

    std::shared_ptr<const Context> context_;
    VkBuffer handle_ = VK_NULL_HANDLE;
    Memory::Needs needs_;
};

/// Asks what the device can do with dma-bufs as buffers with this usage.
VkExternalMemoryFeatureFlags buffer_features(const Context& context, VkBufferUsageFlags usage);

/// A VkBuffer over one dma-buf, as it is kept with a buffer.
class BufferObject {
public:
    static Result<std::shared_ptr<BufferObject>> create(const std::shared_ptr<const Context>& context,
                                                        VkDeviceSize size, VkBufferUsageFlags usage, int dma_buf);
    BufferObject(const BufferObject&) = delete;
    BufferObject& operator=(const BufferObject&) = delete;
    ~BufferObject() = default;

    VkBuffer handle() const noexcept { return buffer_.handle(); }
    VkDeviceMemory memory() const noexcept { return memory_.handle(); }
    VkDeviceSize size() const noexcept { return size_; }

private:
    BufferObject(BareBuffer buffer, VkDeviceSize size) noexcept : size_(size), buffer_(std::move(buffer)) {}

    VkDeviceSize size_;
    Memory memory_; // destroyed after the buffer
    BareBuffer buffer_;
};

} // namespace commonbuf::vulkan
