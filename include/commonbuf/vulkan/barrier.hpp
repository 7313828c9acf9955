// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>
#include <commonbuf/vulkan/device.hpp>

#include <cstdint>
#include <vulkan/vulkan_core.h>

/// The barriers by which a queue acquires a shared image or buffer from other devices and releases
/// it to them (the Vulkan specification, "Queue Family Ownership Transfer" and "External Resource
/// Sharing"; VK_EXT_queue_family_foreign). The caller records them; nothing here calls Vulkan.
///
///     wait for the semaphore (import_semaphore())  at Work::stages
///     acquire_image()  ─►  the caller's work  ─►  release_image()
///     signal the semaphore (export_semaphore())    at VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT
///
/// A transfer of ownership has two halves. The outside records none of its own; fences order the two
/// sides. An image that is used without being acquired has undefined content.
///
/// **Layouts.** Outside of Vulkan an image is in VK_IMAGE_LAYOUT_GENERAL: its memory is laid out as
/// its modifier says. Both functions convert between that and the layout of the caller's work, so
/// the image is in the same layout at every transfer.
namespace commonbuf::vulkan {

/// The two sides of a transfer of ownership.
struct Families {
    std::uint32_t own = 0; ///< the queue family of the caller's work
    /// VK_QUEUE_FAMILY_FOREIGN_EXT, which means any other device, if the VkDevice was made with
    /// VK_EXT_queue_family_foreign. Otherwise VK_QUEUE_FAMILY_EXTERNAL, which by the specification
    /// means only the same driver on the same physical device; such a driver has nothing better.
    std::uint32_t outside = VK_QUEUE_FAMILY_EXTERNAL;
};

/// Returns the families of a device's transfers.
COMMONBUF_API Families families(const Device& device) noexcept;

/// What the caller does with an image or buffer between acquire and release.
struct Work {
    VkPipelineStageFlags2 stages = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT;
    VkAccessFlags2 access = VK_ACCESS_2_MEMORY_READ_BIT | VK_ACCESS_2_MEMORY_WRITE_BIT;
    VkImageLayout layout = VK_IMAGE_LAYOUT_GENERAL; ///< for images
};

/// What happens to the pixels when an image is acquired.
enum class Contents : std::uint8_t {
    kept,
    undefined, ///< the whole image will be written anew: nothing has to be preserved
};

/// Returns the range of a whole image. For a disjoint image, pass the aspect of each plane.
COMMONBUF_API VkImageSubresourceRange whole(VkImageAspectFlags aspects = VK_IMAGE_ASPECT_COLOR_BIT) noexcept;

/// Makes the barrier that acquires an image from outside, also the first time. Its first
/// synchronisation scope is Work::stages. Let the submission wait for the semaphore at these stages,
/// so that the barrier comes after the wait.
COMMONBUF_API VkImageMemoryBarrier2 acquire_image(const Families& families, VkImage image, const Work& work,
                                                  Contents contents = Contents::kept,
                                                  const VkImageSubresourceRange& range = whole()) noexcept;

/// Makes the barrier that releases an image to the outside, in VK_IMAGE_LAYOUT_GENERAL.
COMMONBUF_API VkImageMemoryBarrier2 release_image(const Families& families, VkImage image, const Work& work,
                                                  const VkImageSubresourceRange& range = whole()) noexcept;

/// Make the same barriers for whole buffers.
COMMONBUF_API VkBufferMemoryBarrier2 acquire_buffer(const Families& families, VkBuffer buffer,
                                                    const Work& work) noexcept;
COMMONBUF_API VkBufferMemoryBarrier2 release_buffer(const Families& families, VkBuffer buffer,
                                                    const Work& work) noexcept;

/// A barrier for vkCmdPipelineBarrier, with the two stage masks of that call.
struct ImageBarrier {
    VkPipelineStageFlags source = 0;
    VkPipelineStageFlags destination = 0;
    VkImageMemoryBarrier barrier{};
};
struct BufferBarrier {
    VkPipelineStageFlags source = 0;
    VkPipelineStageFlags destination = 0;
    VkBufferMemoryBarrier barrier{};
};

/// Converts a barrier for a VkDevice that was made without synchronization2. Stages and accesses
/// that only synchronization2 has become all stages or accesses.
COMMONBUF_API ImageBarrier without_synchronization2(const VkImageMemoryBarrier2& barrier) noexcept;
COMMONBUF_API BufferBarrier without_synchronization2(const VkBufferMemoryBarrier2& barrier) noexcept;

} // namespace commonbuf::vulkan
