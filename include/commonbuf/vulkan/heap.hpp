// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>
#include <commonbuf/heap.hpp>
#include <commonbuf/vulkan/device.hpp>
#include <commonbuf/vulkan/image.hpp>

#include <memory>

namespace commonbuf::vulkan {

/// Makes a heap of a Vulkan device's memory, for Allocator to use beside other heaps. It is named
/// "vulkan-" and the device (VK_EXT_external_memory_dma_buf, vkGetMemoryFdKHR).
///
/// It allocates
/// - images for `usage`, if the device was made with VK_EXT_image_drm_format_modifier. Their layouts
///   are those that the driver chooses (VkImageDrmFormatModifierListCreateInfoEXT, read back with
///   vkGetImageSubresourceLayout for each memory plane; all planes are in one memory) or accepts
///   (VkImageDrmFormatModifierExplicitCreateInfoEXT);
/// - linear layouts, opaque formats and plain bytes, as the memory of a VkBuffer.
///
/// The memory is of the first type that the driver lists for the image or buffer, except lazily
/// allocated, protected and device-coherent types. If it runs out, the next heap of a plan serves.
/// Vulkan does not promise zeroes: the content of fresh memory is up to the driver.
///
/// A buffer is only the dma-buf: no VkImage and no VkDeviceMemory of it is kept. Import it like any
/// other. The VkDevice must outlive the heap and every plan with it.
///
/// If the device was made without an extension or does not export dma-bufs, info().obstacle says so.
COMMONBUF_API std::shared_ptr<Heap> heap(const Device& device, const ImageUsage& usage);

} // namespace commonbuf::vulkan
