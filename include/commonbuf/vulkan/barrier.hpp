// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>
#include <commonbuf/vulkan/device.hpp>

#include <cstdint>
#include <vulkan/vulkan_core.h>

/// The barriers with which a queue takes a shared image or buffer over from other devices, and
/// hands it back (the Vulkan specification, "Queue Family Ownership Transfer" and "External
/// Resource Sharing"; VK_EXT_queue_family_foreign). The caller records them; nothing here
/// calls Vulkan.
///
///     wait for the semaphore (import_semaphore())  at Work::stages
///     acquire_image()  ─►  the caller's work  ─►  release_image()
///     signal the semaphore (export_semaphore())    at VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT
///
/// Ownership goes over in two halves. The outside records no half of its own; the fences in
/// between are what orders it. Whoever takes an image without acquiring it finds undefined
/// content.
///
/// **Layouts.** Outside of Vulkan an image is in VK_IMAGE_LAYOUT_GENERAL: what lies in its
/// memory is then what its modifier says. Both functions go between that and the layout of
/// the caller's work, so that it is the same at every hand-over.
namespace commonbuf::vulkan {

/// Who hands over to whom.
struct Families {
    std::uint32_t own = 0; ///< the queue family of the caller's work
    /// VK_QUEUE_FAMILY_FOREIGN_EXT, which is any other device, where the VkDevice was made with
    /// VK_EXT_queue_family_foreign. Otherwise VK_QUEUE_FAMILY_EXTERNAL: by the specification
    /// that is only the same driver on the same physical device. Drivers without the extension
    /// have nothing that says more.
    std::uint32_t outside = VK_QUEUE_FAMILY_EXTERNAL;
};

COMMONBUF_API Families families(const Device& device) noexcept;

/// What the caller does with an image or buffer between acquire and release.
struct Work {
    VkPipelineStageFlags2 stages = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT;
    VkAccessFlags2 access = VK_ACCESS_2_MEMORY_READ_BIT | VK_ACCESS_2_MEMORY_WRITE_BIT;
    VkImageLayout layout = VK_IMAGE_LAYOUT_GENERAL; ///< for images
};

/// What becomes of the pixels when they are taken over.
enum class Contents : std::uint8_t {
    kept,
    undefined, ///< all of it is written anew: nothing has to be preserved
};

/// All of an image: for an image with several planes that is not disjoint, and for all of
/// colour. Of a disjoint one each plane's aspect.
COMMONBUF_API VkImageSubresourceRange whole(VkImageAspectFlags aspects = VK_IMAGE_ASPECT_COLOR_BIT) noexcept;

/// Takes an image over from outside, the first time too. Its first synchronisation scope is
/// Work::stages, which is where the wait for the semaphore has to stand: then what the barrier
/// does comes after the wait.
COMMONBUF_API VkImageMemoryBarrier2 acquire_image(const Families& families, VkImage image, const Work& work,
                                                  Contents contents = Contents::kept,
                                                  const VkImageSubresourceRange& range = whole()) noexcept;

/// Hands an image to the outside, in VK_IMAGE_LAYOUT_GENERAL.
COMMONBUF_API VkImageMemoryBarrier2 release_image(const Families& families, VkImage image, const Work& work,
                                                  const VkImageSubresourceRange& range = whole()) noexcept;

/// The same for buffers, whole.
COMMONBUF_API VkBufferMemoryBarrier2 acquire_buffer(const Families& families, VkBuffer buffer,
                                                    const Work& work) noexcept;
COMMONBUF_API VkBufferMemoryBarrier2 release_buffer(const Families& families, VkBuffer buffer,
                                                    const Work& work) noexcept;

/// For vkCmdPipelineBarrier, where the VkDevice was made without synchronization2: the barrier
/// with the two masks of stages that the call takes. Stages and accesses that only
/// synchronization2 knows become all of them.
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
COMMONBUF_API ImageBarrier without_synchronization2(const VkImageMemoryBarrier2& barrier) noexcept;
COMMONBUF_API BufferBarrier without_synchronization2(const VkBufferMemoryBarrier2& barrier) noexcept;

} // namespace commonbuf::vulkan
