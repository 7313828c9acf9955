// SPDX-License-Identifier: MIT
#include "backends/vulkan/buffer.hpp"

#include "backends/vulkan/image_support.hpp"
#include "base/text.hpp"

#include <commonbuf/vulkan/buffer.hpp>

namespace commonbuf::vulkan {

VkExternalMemoryFeatureFlags buffer_features(const Context& context, VkBufferUsageFlags usage)
{
    const VkPhysicalDeviceExternalBufferInfo info{
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO, .usage = usage, .handleType = dma_buf_handle};
    VkExternalBufferProperties answer{.sType = VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES};
    context.vk().GetPhysicalDeviceExternalBufferProperties(context.physical(), &info, &answer);
    return answer.externalMemoryProperties.externalMemoryFeatures;
}

Result<BareBuffer> BareBuffer::create(const std::shared_ptr<const Context>& context, VkDeviceSize size,
                                      VkBufferUsageFlags usage, VkExternalMemoryFeatureFlags what)
{
    constexpr const char* creates = "vkCreateBuffer";
    const bool imports = what == VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT;
    if (const Status can = context->require_dma_bufs(context->where(creates)); !can)
        return can.error();
    if (usage == 0 || size == 0)
        return Error::invalid_argument(context->where(creates), "the usage or the size is 0");
    const VkExternalMemoryFeatureFlags features = buffer_features(*context, usage);
    if ((features & what) == 0)
        return Error::unsupported(context->where("vkGetPhysicalDeviceExternalBufferProperties"),
                                  text::format("the device does not {} dma-bufs as buffers of usage {:#x}",
                                               imports ? "import" : "export", usage));
    const VkExternalMemoryBufferCreateInfo external{.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
                                                    .handleTypes = dma_buf_handle};
    const VkBufferCreateInfo info{.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                                  .pNext = &external,
                                  .size = size,
                                  .usage = usage,
                                  .sharingMode = VK_SHARING_MODE_EXCLUSIVE};
    auto buffer =
        decltype(handle)::create(context, creates, &Functions::CreateBuffer, info, text::format("{} bytes", size));
    if (!buffer)
        return buffer.error();
    const VkBufferMemoryRequirementsInfo2 question{.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_REQUIREMENTS_INFO_2,
                                                   .buffer = buffer->get()};
    VkMemoryDedicatedRequirements dedicated{.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS};
    VkMemoryRequirements2 answer{.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2, .pNext = &dedicated};
    context->vk().GetBufferMemoryRequirements2(context->device(), &question, &answer);
    // What is exported serves others too, so a mere preference does not count.
    const bool alone = dedicated.requiresDedicatedAllocation == VK_TRUE ||
                       (imports && dedicated.prefersDedicatedAllocation == VK_TRUE) ||
                       (features & VK_EXTERNAL_MEMORY_FEATURE_DEDICATED_ONLY_BIT) != 0;
    const MemoryNeeds needs{.size = answer.memoryRequirements.size,
                            .type_bits = answer.memoryRequirements.memoryTypeBits,
                            .dedicated_buffer = alone ? buffer->get() : VK_NULL_HANDLE};
    return BareBuffer{std::move(*buffer), needs};
}

Result<std::shared_ptr<BufferObject>> BufferObject::create(const std::shared_ptr<const Context>& context,
                                                           VkDeviceSize size, VkBufferUsageFlags usage, int dma_buf)
{
    auto bare = BareBuffer::create(context, size, usage, VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT);
    if (!bare)
        return bare.error();
    auto memory = import_memory(context, dma_buf, bare->needs);
    if (!memory)
        return memory.error();
    const VkBindBufferMemoryInfo bind{
        .sType = VK_STRUCTURE_TYPE_BIND_BUFFER_MEMORY_INFO, .buffer = bare->handle.get(), .memory = memory->get()};
    if (const VkResult result = context->vk().BindBufferMemory2(context->device(), 1, &bind); result != VK_SUCCESS)
        return context->failed("vkBindBufferMemory2", result);
    return std::make_shared<BufferObject>(BufferObject{size, std::move(*memory), std::move(*bare)});
}

VkBuffer DeviceBuffer::handle() const noexcept { return object_ ? object_->bare.handle.get() : VK_NULL_HANDLE; }
VkDeviceMemory DeviceBuffer::memory() const noexcept { return object_ ? object_->memory.get() : VK_NULL_HANDLE; }
VkDeviceSize DeviceBuffer::size() const noexcept { return object_ ? object_->size : 0; }

} // namespace commonbuf::vulkan
