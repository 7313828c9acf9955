// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>

#include <memory>
#include <utility>
#include <vulkan/vulkan_core.h>

namespace commonbuf::vulkan {

class BufferObject; // the library's own

/// A VkBuffer over the whole of one memory of a buffer; Device::import_buffer() makes it. A handle;
/// it lives as long as an Image does.
class COMMONBUF_API DeviceBuffer {
public:
    VkBuffer handle() const noexcept;
    VkDeviceMemory memory() const noexcept;
    VkDeviceSize size() const noexcept;

    explicit DeviceBuffer(std::shared_ptr<BufferObject> object) noexcept : object_(std::move(object)) {}

private:
    std::shared_ptr<BufferObject> object_;
};

} // namespace commonbuf::vulkan
