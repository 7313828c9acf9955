// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>
#include <commonbuf/heap.hpp>
#include <commonbuf/vulkan/device.hpp>
#include <commonbuf/vulkan/image.hpp>

#include <memory>

namespace commonbuf::vulkan {

/// Memory of a Vulkan device as dma-bufs: a heap for Allocator beside the others, named
/// "vulkan-" and the device (VK_EXT_external_memory_dma_buf, vkGetMemoryFdKHR).
///
/// - Images, with the layouts that the driver gives them (VkImageDrmFormatModifierListCreateInfoEXT,
///   read back with vkGetImageSubresourceLayout for each memory plane) and those that it takes
///   (VkImageDrmFormatModifierExplicitCreateInfoEXT), where the device was made with VK_EXT_image_drm_format_modifier.
///   `usage` is what for. Layouts of its own have all planes in one memory.
/// - Linear layouts, opaque formats and plain bytes as the memory of a VkBuffer.
///
/// Memory is of the first type that the driver lists for the image or buffer, leaving out lazy,
/// protected and device-coherent ones; where that runs out the next heap of a plan serves.
/// Vulkan does not promise zeroes: what is in fresh memory is up to the driver.
///
/// Each buffer is the dma-buf alone: no VkImage and no VkDeviceMemory of it is kept. Import it as
/// any other. The VkDevice has to outlive the heap and every plan with it.
///
/// What stands in the way is in info().obstacle: the device was made without an extension,
/// or does not export dma-bufs.
COMMONBUF_API std::shared_ptr<Heap> heap(const Device& device, const ImageUsage& usage);

} // namespace commonbuf::vulkan
