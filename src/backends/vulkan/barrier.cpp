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

VkImageMemoryBarrier2 of_image(VkImage image, const VkImageSubresourceRange& range) noexcept
{
    VkImageMemoryBarrier2 barrier{};
    barrier.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER_2;
    barrier.image = image;
    barrier.subresourceRange = range;
    return barrier;
}

VkBufferMemoryBarrier2 of_buffer(VkBuffer buffer) noexcept
{
    VkBufferMemoryBarrier2 barrier{};
    barrier.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER_2;
    barrier.buffer = buffer;
    barrier.size = VK_WHOLE_SIZE;
    return barrier;
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

/// Converts what both kinds of barrier share.
template <typename Old, typename New>
Old without(const New& barrier, VkStructureType type) noexcept
{
    Old old{};
    old.source = stages_of(barrier.srcStageMask, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT);
    old.destination = stages_of(barrier.dstStageMask, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT);
    old.barrier.sType = type;
    old.barrier.srcAccessMask = accesses_of(barrier.srcAccessMask);
    old.barrier.dstAccessMask = accesses_of(barrier.dstAccessMask);
    old.barrier.srcQueueFamilyIndex = barrier.srcQueueFamilyIndex;
    old.barrier.dstQueueFamilyIndex = barrier.dstQueueFamilyIndex;
    return old;
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
    VkImageMemoryBarrier2 barrier = of_image(image, range);
    acquire(barrier, families, work);
    barrier.oldLayout = contents == Contents::kept ? VK_IMAGE_LAYOUT_GENERAL : VK_IMAGE_LAYOUT_UNDEFINED;
    barrier.newLayout = work.layout;
    return barrier;
}

VkImageMemoryBarrier2 release_image(const Families& families, VkImage image, const Work& work,
                                    const VkImageSubresourceRange& range) noexcept
{
    VkImageMemoryBarrier2 barrier = of_image(image, range);
    release(barrier, families, work);
    barrier.oldLayout = work.layout;
    barrier.newLayout = VK_IMAGE_LAYOUT_GENERAL;
    return barrier;
}

VkBufferMemoryBarrier2 acquire_buffer(const Families& families, VkBuffer buffer, const Work& work) noexcept
{
    VkBufferMemoryBarrier2 barrier = of_buffer(buffer);
    acquire(barrier, families, work);
    return barrier;
}

VkBufferMemoryBarrier2 release_buffer(const Families& families, VkBuffer buffer, const Work& work) noexcept
{
    VkBufferMemoryBarrier2 barrier = of_buffer(buffer);
    release(barrier, families, work);
    return barrier;
}

ImageBarrier without_synchronization2(const VkImageMemoryBarrier2& barrier) noexcept
{
    auto old = without<ImageBarrier>(barrier, VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER);
    old.barrier.oldLayout = barrier.oldLayout;
    old.barrier.newLayout = barrier.newLayout;
    old.barrier.image = barrier.image;
    old.barrier.subresourceRange = barrier.subresourceRange;
    return old;
}

BufferBarrier without_synchronization2(const VkBufferMemoryBarrier2& barrier) noexcept
{
    auto old = without<BufferBarrier>(barrier, VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER);
    old.barrier.buffer = barrier.buffer;
    old.barrier.offset = barrier.offset;
    old.barrier.size = barrier.size;
    return old;
}

} // namespace commonbuf::vulkan
