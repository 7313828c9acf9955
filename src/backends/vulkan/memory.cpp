// SPDX-License-Identifier: MIT
#include "backends/vulkan/memory.hpp"

#include "backends/vulkan/image_support.hpp"
#include "base/text.hpp"
#include "os/os.hpp"

#include <commonbuf/unique_fd.hpp>

namespace commonbuf::vulkan {
namespace {

/// Returns the first type that both accept (Vulkan orders them best first), except those that only
/// protected work may touch.
std::optional<std::uint32_t> memory_type(const VkPhysicalDeviceMemoryProperties& memory, std::uint32_t bits)
{
    for (std::uint32_t i = 0; i < memory.memoryTypeCount && i < VK_MAX_MEMORY_TYPES; ++i) {
        if ((bits >> i & 1U) != 0 && (memory.memoryTypes[i].propertyFlags & VK_MEMORY_PROPERTY_PROTECTED_BIT) == 0)
            return i;
    }
    return std::nullopt;
}

} // namespace

Error failed(const Context& context, const char* call, VkResult result, std::string_view detail)
{
    return failure(result, context.where(call), detail);
}

Error refuse(const Context& context, const char* call, Category category, std::string detail, std::string advice)
{
    return Error::of(category, context.where(call), std::move(detail), std::move(advice));
}

Result<Memory> Memory::import(std::shared_ptr<const Context> context, int fd, const Needs& needs)
{
    constexpr const char* asks = "vkGetMemoryFdPropertiesKHR";
    constexpr const char* allocates = "vkAllocateMemory";
    const auto size = os::size_of(fd);
    if (!size)
        return size.error();
    if (needs.size > *size) {
        return refuse(*context, allocates, Category::incompatible,
                      text::format("the driver needs {} bytes, and the dma-buf has {}", needs.size, *size),
                      "plan with this use, so that the memory is large enough")
            .with_sizes(needs.size, *size);
    }
    VkMemoryFdPropertiesKHR properties{};
    properties.sType = VK_STRUCTURE_TYPE_MEMORY_FD_PROPERTIES_KHR;
    const VkResult asked = context->vk().GetMemoryFdPropertiesKHR(context->device(), dma_buf_handle, fd, &properties);
    if (asked != VK_SUCCESS)
        return failed(*context, asks, asked, "the driver does not accept this memory");
    const auto type = memory_type(context->memory(), properties.memoryTypeBits & needs.type_bits);
    if (!type)
        return refuse(*context, asks, Category::incompatible,
                      text::format("no memory type serves both: the dma-buf has {:#x}, the use needs one of {:#x}",
                                   properties.memoryTypeBits, needs.type_bits));

    auto own = duplicate(fd);
    if (!own)
        return own.error();
    VkMemoryDedicatedAllocateInfo dedicated{};
    dedicated.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO;
    dedicated.image = needs.dedicated_image;
    dedicated.buffer = needs.dedicated_buffer;
    VkImportMemoryFdInfoKHR import{};
    import.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR;
    const bool alone = needs.dedicated_image != VK_NULL_HANDLE || needs.dedicated_buffer != VK_NULL_HANDLE;
    import.pNext = alone ? &dedicated : nullptr;
    import.handleType = dma_buf_handle;
    import.fd = own->get();
    VkMemoryAllocateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
    info.pNext = &import;
    info.allocationSize = needs.size;
    info.memoryTypeIndex = *type;
    VkDeviceMemory handle = VK_NULL_HANDLE;
    const VkResult result = context->vk().AllocateMemory(context->device(), &info, nullptr, &handle);
    if (result != VK_SUCCESS)
        return failed(*context, allocates, result, text::format("the driver does not import {} bytes", needs.size));
    static_cast<void>(own->release()); // Vulkan owns it now
    return Memory(std::move(context), handle);
}

Memory::~Memory()
{
    if (handle_ != VK_NULL_HANDLE)
        context_->vk().FreeMemory(context_->device(), handle_, nullptr);
}

} // namespace commonbuf::vulkan
