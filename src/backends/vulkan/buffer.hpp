// SPDX-License-Identifier: MIT
#pragma once

#include "backends/vulkan/memory.hpp"

#include <memory>

namespace commonbuf::vulkan {

/// Asks what the device can do with dma-bufs as buffers with this usage.
VkExternalMemoryFeatureFlags buffer_features(const Context& context, VkBufferUsageFlags usage);

/// A VkBuffer that has no memory yet.
struct BareBuffer {
    Owned<VkBuffer, &Functions::DestroyBuffer> handle;
    MemoryNeeds needs;

    /// Makes a buffer whose memory will be imported or exported; `what` says which.
    static Result<BareBuffer> create(const std::shared_ptr<const Context>& context, VkDeviceSize size,
                                     VkBufferUsageFlags usage, VkExternalMemoryFeatureFlags what);
};

/// A VkBuffer over one dma-buf, as it is kept with a buffer.
class BufferObject {
public:
    static Result<std::shared_ptr<BufferObject>> create(const std::shared_ptr<const Context>& context,
                                                        VkDeviceSize size, VkBufferUsageFlags usage, int dma_buf);

    VkDeviceSize size;
    Memory memory; // destroyed after the buffer
    BareBuffer bare;
};

} // namespace commonbuf::vulkan
