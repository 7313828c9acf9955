// SPDX-License-Identifier: MIT
#include "backends/vulkan/buffer.hpp"

#include "backends/vulkan/image_support.hpp"
#include "base/text.hpp"

#include <commonbuf/vulkan/buffer.hpp>

namespace commonbuf::vulkan {
namespace {

constexpr const char* creates = "vkCreateBuffer";

}

VkExternalMemoryFeatureFlags buffer_features(const Context& context, VkBufferUsageFlags usage)
{
    VkPhysicalDeviceExternalBufferInfo info{};
    info.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO;
    info.usage = usage;
    info.handleType = dma_buf_handle;
    VkExternalBufferProperties answer{};
    answer.sType = VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES;
    context.vk().GetPhysicalDeviceExternalBufferProperties(context.physical(), &info, &answer);
    return answer.externalMemoryProperties.externalMemoryFeatures;
}

Result<BareBuffer> BareBuffer::create(std::shared_ptr<const Context> context, VkDeviceSize size,
                                      VkBufferUsageFlags usage)
{
    if (Status can =
            context->require({Need::external_memory_fd, Need::external_memory_dma_buf}, context->where(creates));
        !can)
        return std::move(can.error());
    if (usage == 0 || size == 0)
        return refuse(*context, creates, Category::invalid_argument, "the usage or the size is 0");
    const VkExternalMemoryFeatureFlags features = buffer_features(*context, usage);
    if ((features & VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT) == 0)
        return refuse(*context, "vkGetPhysicalDeviceExternalBufferProperties", Category::unsupported,
                      text::format("the device does not import dma-bufs as buffers of usage {:#x}", usage));

    BareBuffer buffer(std::move(context));
    const Context& device = *buffer.context_;
    VkExternalMemoryBufferCreateInfo external{};
    external.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO;
    external.handleTypes = dma_buf_handle;
    VkBufferCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
    info.pNext = &external;
    info.size = size;
    info.usage = usage;
    info.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
    const VkResult result = device.vk().CreateBuffer(device.device(), &info, nullptr, &buffer.handle_);
    if (result != VK_SUCCESS) {
        buffer.handle_ = VK_NULL_HANDLE;
        return failed(device, creates, result, text::format("{} bytes", size));
    }
    VkBufferMemoryRequirementsInfo2 question{};
    question.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_REQUIREMENTS_INFO_2;
    question.buffer = buffer.handle_;
    VkMemoryDedicatedRequirements dedicated{};
    dedicated.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS;
    VkMemoryRequirements2 answer{};
    answer.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2;
    answer.pNext = &dedicated;
    device.vk().GetBufferMemoryRequirements2(device.device(), &question, &answer);
    const bool alone = dedicated.requiresDedicatedAllocation == VK_TRUE ||
                       dedicated.prefersDedicatedAllocation == VK_TRUE ||
                       (features & VK_EXTERNAL_MEMORY_FEATURE_DEDICATED_ONLY_BIT) != 0;
    buffer.needs_ = {answer.memoryRequirements.size, answer.memoryRequirements.memoryTypeBits, VK_NULL_HANDLE,
                     alone ? buffer.handle_ : VK_NULL_HANDLE};
    return buffer;
}

BareBuffer::~BareBuffer()
{
    if (handle_ != VK_NULL_HANDLE)
        context_->vk().DestroyBuffer(context_->device(), handle_, nullptr);
}

Result<std::shared_ptr<BufferObject>> BufferObject::create(const std::shared_ptr<const Context>& context,
                                                           VkDeviceSize size, VkBufferUsageFlags usage, int dma_buf)
{
    auto bare = BareBuffer::create(context, size, usage);
    if (!bare)
        return std::move(bare.error());
    auto memory = Memory::import(context, dma_buf, bare->needs());
    if (!memory)
        return std::move(memory.error());
    std::shared_ptr<BufferObject> object(new BufferObject(std::move(*bare), size));
    object->memory_ = std::move(*memory);
    VkBindBufferMemoryInfo bind{};
    bind.sType = VK_STRUCTURE_TYPE_BIND_BUFFER_MEMORY_INFO;
    bind.buffer = object->handle();
    bind.memory = object->memory();
    if (const VkResult result = context->vk().BindBufferMemory2(context->device(), 1, &bind); result != VK_SUCCESS)
        return failed(*context, "vkBindBufferMemory2", result);
    return object;
}

VkBuffer DeviceBuffer::handle() const noexcept { return object_->handle(); }
VkDeviceMemory DeviceBuffer::memory() const noexcept { return object_->memory(); }
VkDeviceSize DeviceBuffer::size() const noexcept { return object_->size(); }

} // namespace commonbuf::vulkan
