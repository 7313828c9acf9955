// SPDX-License-Identifier: MIT
#include "backends/vulkan/context.hpp"

#include <commonbuf/vulkan/barrier.hpp>

namespace commonbuf::vulkan {
namespace {

// An acquire ignores the accesses of the source, a release those of the destination ("Queue Family
// Ownership Transfer"), so they are left empty. Only the semaphore's signal has to wait for the
// second half of a release, and it comes after all commands anyway.
template <typename Barrier>
void acquire(Barrier& barrier, const Families& families, const Work& work) noexcept
{
    barrier.srcStageMask = work.stages;
    barrier.srcAccessMask = VK_ACCESS_2_NONE;
    barrier.dstStageMask = work.stages;
    barrier.dstAccessMask = work.access;
    barrier.srcQueueFamilyIndex = families.outside;
    barrier.dstQueueFamilyIndex = families.own;
}

template <typename Barrier>
void release(Barrier& barrier, const Families& families, const Work& work) noexcept
{
    barrier.srcStageMask = work.stages;
    barrier.srcAccessMask = work.access;
    barrier.dstStageMask = VK_PIPELINE_STAGE_2_NONE;
    barrier.dstAccessMask = VK_ACCESS_2_NONE;
    barrier.srcQueueFamilyIndex = families.own;
    barrier.dstQueueFamilyIndex = families.outside;
}

// The first 32 bits of both masks mean the same in both versions.
constexpr std::uint64_t known_to_both = 0xffffffff;

VkPipelineStageFlags stages_of(VkPipelineStageFlags2 stages, VkPipelineStageFlags none) noexcept
{
    if (stages == VK_PIPELINE_STAGE_2_NONE)
        return none;
    return (stages & ~known_to_both) != 0 ? VkPipelineStageFlags{VK_PIPELINE_STAGE_ALL_COMMANDS_BIT}
                                          : static_cast<VkPipelineStageFlags>(stages);
}

VkAccessFlags accesses_of(VkAccessFlags2 accesses) noexcept
{
    return (accesses & ~known_to_both) != 0 ? VkAccessFlags{VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT}
                                            : static_cast<VkAccessFlags>(accesses);
}

} // namespace

Families families(const Device& device) noexcept
{
    return {device.queue_family(),
            device.context()->has(Need::queue_family_foreign) ? VK_QUEUE_FAMILY_FOREIGN_EXT : VK_QUEUE_FAMILY_EXTERNAL};
}

VkImageSubresourceRange whole(VkImageAspectFlags aspects) noexcept
{
    return {aspects, 0, VK_REMAINING_MIP_LEVELS, 0, VK_REMAINING_ARRAY_LAYERS};
}

VkImageMemoryBarrier2 acquire_image(const Families& families, VkImage image, const Work& work, Contents contents,
                                    const VkImageSubresourceRange& range) noexcept
{
    VkImageMemoryBarrier2 barrier{.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER_2,
                                  .oldLayout =
                                      contents == Contents::kept ? VK_IMAGE_LAYOUT_GENERAL : VK_IMAGE_LAYOUT_UNDEFINED,
                                  .newLayout = work.layout,
                                  .image = image,
                                  .subresourceRange = range};
    acquire(barrier, families, work);
    return barrier;
}

VkImageMemoryBarrier2 release_image(const Families& families, VkImage image, const Work& work,
                                    const VkImageSubresourceRange& range) noexcept
{
    VkImageMemoryBarrier2 barrier{.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER_2,
                                  .oldLayout = work.layout,
                                  .newLayout = VK_IMAGE_LAYOUT_GENERAL,
                                  .image = image,
                                  .subresourceRange = range};
    release(barrier, families, work);
    return barrier;
}

VkBufferMemoryBarrier2 acquire_buffer(const Families& families, VkBuffer buffer, const Work& work) noexcept
{
    VkBufferMemoryBarrier2 barrier{
        .sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER_2, .buffer = buffer, .size = VK_WHOLE_SIZE};
    acquire(barrier, families, work);
    return barrier;
}

VkBufferMemoryBarrier2 release_buffer(const Families& families, VkBuffer buffer, const Work& work) noexcept
{
    VkBufferMemoryBarrier2 barrier{
        .sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER_2, .buffer = buffer, .size = VK_WHOLE_SIZE};
    release(barrier, families, work);
    return barrier;
}

ImageBarrier without_synchronization2(const VkImageMemoryBarrier2& barrier) noexcept
{
    return {stages_of(barrier.srcStageMask, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT),
            stages_of(barrier.dstStageMask, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT),
            {.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER,
             .srcAccessMask = accesses_of(barrier.srcAccessMask),
             .dstAccessMask = accesses_of(barrier.dstAccessMask),
             .oldLayout = barrier.oldLayout,
             .newLayout = barrier.newLayout,
             .srcQueueFamilyIndex = barrier.srcQueueFamilyIndex,
             .dstQueueFamilyIndex = barrier.dstQueueFamilyIndex,
             .image = barrier.image,
             .subresourceRange = barrier.subresourceRange}};
}

BufferBarrier without_synchronization2(const VkBufferMemoryBarrier2& barrier) noexcept
{
    return {stages_of(barrier.srcStageMask, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT),
            stages_of(barrier.dstStageMask, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT),
            {.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER,
             .srcAccessMask = accesses_of(barrier.srcAccessMask),
             .dstAccessMask = accesses_of(barrier.dstAccessMask),
             .srcQueueFamilyIndex = barrier.srcQueueFamilyIndex,
             .dstQueueFamilyIndex = barrier.dstQueueFamilyIndex,
             .buffer = barrier.buffer,
             .offset = barrier.offset,
             .size = barrier.size}};
}

} // namespace commonbuf::vulkan
