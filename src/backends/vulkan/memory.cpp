// SPDX-License-Identifier: MIT
#include "backends/vulkan/memory.hpp"

#include "backends/vulkan/image_support.hpp"
#include "base/text.hpp"
#include "os/os.hpp"

namespace commonbuf::vulkan {
namespace {

constexpr const char* allocates = "vkAllocateMemory";

/// Returns the first of these types without one of these properties. Drivers list the fastest first
/// ("Device Memory").
std::optional<std::uint32_t> memory_type(const Context& context, std::uint32_t bits, VkMemoryPropertyFlags never)
{
    const VkPhysicalDeviceMemoryProperties& memory = context.memory();
    for (std::uint32_t i = 0; i < memory.memoryTypeCount && i < VK_MAX_MEMORY_TYPES; ++i) {
        if ((bits >> i & 1U) != 0 && (memory.memoryTypes[i].propertyFlags & never) == 0)
            return i;
    }
    return std::nullopt;
}

/// Allocates memory that is imported or exported, as `how` says.
template <typename How>
Result<Memory> allocate(std::shared_ptr<const Context> context, const MemoryNeeds& needs, std::uint32_t type, How how,
                        const std::string& detail)
{
    const VkMemoryDedicatedAllocateInfo dedicated{.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO,
                                                  .image = needs.dedicated_image,
                                                  .buffer = needs.dedicated_buffer};
    if (needs.dedicated_image != VK_NULL_HANDLE || needs.dedicated_buffer != VK_NULL_HANDLE)
        how.pNext = &dedicated;
    const VkMemoryAllocateInfo info{.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                    .pNext = &how,
                                    .allocationSize = needs.size,
                                    .memoryTypeIndex = type};
    return Memory::create(std::move(context), allocates, &Functions::AllocateMemory, info, detail);
}

} // namespace

Result<Memory> import_memory(std::shared_ptr<const Context> context, int fd, const MemoryNeeds& needs)
{
    constexpr const char* asks = "vkGetMemoryFdPropertiesKHR";
    const auto size = os::size_of(fd);
    if (!size)
        return size.error();
    if (needs.size > *size) {
        return Error::incompatible(context->where(allocates),
                                   text::format("the driver needs {} bytes, and the dma-buf has {}", needs.size, *size),
                                   "plan with this use, so that the memory is large enough")
            .with_sizes(needs.size, *size);
    }
    VkMemoryFdPropertiesKHR properties{.sType = VK_STRUCTURE_TYPE_MEMORY_FD_PROPERTIES_KHR};
    const VkResult asked = context->vk().GetMemoryFdPropertiesKHR(context->device(), dma_buf_handle, fd, &properties);
    if (asked != VK_SUCCESS)
        return context->failed(asks, asked, "the driver does not accept this memory");
    const auto type =
        memory_type(*context, properties.memoryTypeBits & needs.type_bits, VK_MEMORY_PROPERTY_PROTECTED_BIT);
    if (!type)
        return Error::incompatible(
            context->where(asks),
            text::format("no memory type serves both: the dma-buf has {:#x}, the use needs one of {:#x}",
                         properties.memoryTypeBits, needs.type_bits));
    auto own = duplicate(fd);
    if (!own)
        return own.error();
    const VkImportMemoryFdInfoKHR how{
        .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR, .handleType = dma_buf_handle, .fd = own->get()};
    auto memory = allocate(std::move(context), needs, *type, how,
                           text::format("the driver does not import {} bytes", needs.size));
    if (memory)
        static_cast<void>(own->release()); // Vulkan owns it now
    return memory;
}

Result<UniqueFd> export_memory(const std::shared_ptr<const Context>& context, const MemoryNeeds& needs)
{
    constexpr const char* exports = "vkGetMemoryFdKHR";
    const auto type = memory_type(*context, needs.type_bits,
                                  VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT | VK_MEMORY_PROPERTY_PROTECTED_BIT |
                                      VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD);
    if (!type)
        return Error::unsupported(context->where(allocates),
                                  text::format("none of the allowed memory types ({:#x}) will do", needs.type_bits));
    const std::string what = text::format("{} bytes of memory type {}", needs.size, *type);
    const VkExportMemoryAllocateInfo how{.sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
                                         .handleTypes = dma_buf_handle};
    const auto memory = allocate(context, needs, *type, how, what);
    if (!memory)
        return memory.error();
    const VkMemoryGetFdInfoKHR get{
        .sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR, .memory = memory->get(), .handleType = dma_buf_handle};
    int fd = -1;
    if (const VkResult result = context->vk().GetMemoryFdKHR(context->device(), &get, &fd); result != VK_SUCCESS)
        return context->failed(exports, result, what);
    UniqueFd dma_buf(fd);
    const auto size = os::size_of(dma_buf.get());
    if (!size || *size < needs.size)
        return Error::kernel_failure(context->where(exports), text::format("the driver gave {} bytes instead of {}",
                                                                           size.value_or(0), needs.size));
    // A driver that works on the CPU exports udmabufs.
    os::open_for_both_directions(dma_buf.get());
    return dma_buf;
}

} // namespace commonbuf::vulkan
