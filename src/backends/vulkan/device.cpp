// SPDX-License-Identifier: MIT
#include "backends/vulkan/buffer.hpp"
#include "backends/vulkan/conversion.hpp"
#include "backends/vulkan/image.hpp"
#include "backends/vulkan/importers.hpp"
#include "base/text.hpp"
#include "buffer/buffer_state.hpp"

#include <vector>

namespace commonbuf::vulkan {
Result<Device> Device::wrap(const WrapInfo& info)
{
    return Context::create(info).map([](auto context) { return Device(std::move(context)); });
}

const std::string& Device::name() const noexcept { return context_->info().name; }
VkDevice Device::handle() const noexcept { return context_->device(); }
VkPhysicalDevice Device::physical() const noexcept { return context_->physical(); }
std::uint32_t Device::queue_family() const noexcept { return context_->queue_family(); }
VkQueue Device::queue() const noexcept { return context_->queue(); }
const VkPhysicalDeviceMemoryProperties& Device::memory_properties() const noexcept { return context_->memory(); }

PFN_vkVoidFunction Device::function(const char* name) const noexcept
{
    return context_->vk().GetDeviceProcAddr(context_->device(), name);
}

Use Device::use(const ImageUsage& usage) const { return make_image_use(context_, usage); }
Use Device::sampled() const { return use({VK_IMAGE_USAGE_SAMPLED_BIT}); }
Use Device::storage() const { return use({VK_IMAGE_USAGE_STORAGE_BIT}); }
Use Device::color_attachment() const { return use({VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT}); }
Use Device::input_attachment() const { return use({VK_IMAGE_USAGE_INPUT_ATTACHMENT_BIT}); }
Use Device::transfer_source() const { return use({VK_IMAGE_USAGE_TRANSFER_SRC_BIT}); }
Use Device::transfer_destination() const { return use({VK_IMAGE_USAGE_TRANSFER_DST_BIT}); }
Use Device::buffer_use(VkBufferUsageFlags usage) const { return make_buffer_use(context_, usage); }

Result<Image> Device::import_image(const Buffer& buffer, const ImageUsage& usage) const
{
    if (const Status can = shareable(buffer, context_->where("vkAllocateMemory")); !can)
        return can.error();
    buffer.state().share(); // the driver may put fences in, and look for those of others
    const auto import = [&] {
        std::vector<int> memories;
        memories.reserve(buffer.layout().memory_count);
        for (std::uint32_t i = 0; i < buffer.layout().memory_count; ++i)
            memories.push_back(buffer.state().dma_buf_fd(i));
        return ImageObject::create(context_, buffer.layout(), usage, memories);
    };
    const auto failed = [&](const Error& error) {
        buffer.state().import_failed({image_identity(*context_, usage)}, error);
    };
    return buffer.state().import_once<ImageObject>(context_->owners().of(usage), import, failed).map([](auto object) {
        return Image(std::move(object));
    });
}

Result<DeviceBuffer> Device::import_buffer(const Buffer& buffer, VkBufferUsageFlags usage, std::size_t memory) const
{
    if (const Status can = shareable(buffer, context_->where("vkAllocateMemory")); !can)
        return can.error();
    if (memory >= buffer.layout().memory_count)
        return Error::invalid_argument(context_->where("vkCreateBuffer"),
                                       text::format("the buffer has no memory {}", memory));
    buffer.state().share();
    const auto import = [&] {
        return BufferObject::create(context_, buffer.layout().memory_sizes.at(memory), usage,
                                    buffer.state().dma_buf_fd(memory));
    };
    const auto failed = [&](const Error& error) {
        buffer.state().import_failed({buffer_identity(*context_, usage)}, error);
    };
    const void* owner = context_->owners().of(std::pair(usage, memory));
    return buffer.state().import_once<BufferObject>(owner, import, failed).map([](auto object) {
        return DeviceBuffer(std::move(object));
    });
}

void Device::forget(const Buffer& buffer) const
{
    for (const void* owner : context_->owners().all())
        buffer.state().forget_import(owner);
}

Result<Conversion> Device::conversion(Format format, Modifier modifier, const Colours& colours) const
{
    return ConversionObject::create(context_, format, modifier, colours).map([](auto object) {
        return Conversion(std::move(object));
    });
}

} // namespace commonbuf::vulkan
