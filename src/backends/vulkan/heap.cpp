// SPDX-License-Identifier: MIT
//
// An exported dma-buf holds its memory by itself ("External Memory Handle Types"), so an allocation
// destroys its image and its VkDeviceMemory before it returns.
#include "backends/vulkan/context.hpp"
#include "backends/vulkan/image.hpp"
#include "backends/vulkan/image_support.hpp"
#include "backends/vulkan/importers.hpp"
#include "base/text.hpp"
#include "os/os.hpp"

#include <commonbuf/vulkan/heap.hpp>

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

namespace commonbuf::vulkan {
namespace {

/// A handle that is destroyed at the end of its scope.
template <typename Handle, typename Destroy>
class Scoped {
public:
    Scoped(const Context& context, Handle handle, Destroy destroy) noexcept
        : context_(context),
          handle_(handle),
          destroy_(destroy)
    {}
    Scoped(const Scoped&) = delete;
    Scoped& operator=(const Scoped&) = delete;
    ~Scoped() { destroy_(context_.device(), handle_, nullptr); }
    Handle get() const noexcept { return handle_; }

private:
    const Context& context_;
    Handle handle_;
    Destroy destroy_;
};

/// What one piece of memory needs.
struct Piece {
    VkDeviceSize size = 0;
    std::uint32_t type_bits = 0;
    VkImage dedicated_image = VK_NULL_HANDLE;
    VkBuffer dedicated_buffer = VK_NULL_HANDLE;
};

class VulkanHeap final : public Heap {
public:
    VulkanHeap(const Device& device, ImageUsage usage) : context_(device.context()), usage_(std::move(usage))
    {
        info_.name = "vulkan-" + context_->info().label;
        info_.kind = HeapKind::vulkan;
        info_.path = context_->info().name;
        // It belongs to one device, as dumb buffers belong to one display.
        info_.scarce = true;
        const Status can = context_->require({Need::external_memory_fd, Need::external_memory_dma_buf}, exports());
        if (!can) {
            info_.obstacle = can.error();
            return;
        }
        images_ = context_->has(Need::image_drm_format_modifier);
        ask_buffers();
        if (!images_ && !buffers_)
            info_.obstacle = Error::unsupported(exports(), "the device does not export memory of buffers, and was "
                                                           "made without VK_EXT_image_drm_format_modifier");
    }

    const HeapInfo& info() const noexcept override { return info_; }
    Result<UniqueFd> allocate(std::uint64_t bytes) override;
    Result<std::vector<Layout>> propose(const WantedImage& image) override;
    Result<std::vector<UniqueFd>> allocate_image(const Layout& layout) override;

private:
    static constexpr VkBufferUsageFlags buffer_usage =
        VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;

    std::string exports() const { return "export dma-bufs of " + context_->info().name; }
    void ask_buffers();
    Result<UniqueFd> export_memory(const Piece& piece) const;
    std::optional<std::uint32_t> memory_type(std::uint32_t bits) const;
    Result<std::optional<VkFormat>> makes(Format format, Modifier modifier, const VkExtent3D& extent) const;
    Error failed(VkResult result, const char* call, std::string_view detail = {}) const
    {
        return failure(result, context_->where(call), detail);
    }
    Error unlike(std::string detail) const
    {
        return Error::incompatible(context_->where("vkCreateImage"), std::move(detail));
    }

    std::shared_ptr<const Context> context_;
    ImageUsage usage_;
    HeapInfo info_;
    bool images_ = false;
    bool buffers_ = false;
    bool buffers_dedicated_ = false;
};

void VulkanHeap::ask_buffers()
{
    VkPhysicalDeviceExternalBufferInfo info{};
    info.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO;
    info.usage = buffer_usage;
    info.handleType = dma_buf_handle;
    VkExternalBufferProperties properties{};
    properties.sType = VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES;
    context_->vk().GetPhysicalDeviceExternalBufferProperties(context_->physical(), &info, &properties);
    const VkExternalMemoryFeatureFlags features = properties.externalMemoryProperties.externalMemoryFeatures;
    buffers_ = (features & VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT) != 0;
    buffers_dedicated_ = (features & VK_EXTERNAL_MEMORY_FEATURE_DEDICATED_ONLY_BIT) != 0;
}

/// Returns the first type that will do: drivers list the fastest first ("Device Memory").
std::optional<std::uint32_t> VulkanHeap::memory_type(std::uint32_t bits) const
{
    constexpr VkMemoryPropertyFlags never = VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT | VK_MEMORY_PROPERTY_PROTECTED_BIT |
                                            VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD;
    const VkPhysicalDeviceMemoryProperties& memory = context_->memory();
    for (std::uint32_t i = 0; i < memory.memoryTypeCount; ++i) {
        if ((bits >> i & 1U) != 0 && (memory.memoryTypes[i].propertyFlags & never) == 0)
            return i;
    }
    return std::nullopt;
}

Result<UniqueFd> VulkanHeap::export_memory(const Piece& piece) const
{
    const auto type = memory_type(piece.type_bits);
    if (!type)
        return Error::unsupported(context_->where("vkAllocateMemory"),
                                  text::format("none of the allowed memory types ({:#x}) will do", piece.type_bits));
    VkMemoryDedicatedAllocateInfo dedicated{};
    dedicated.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO;
    dedicated.image = piece.dedicated_image;
    dedicated.buffer = piece.dedicated_buffer;
    const bool alone = piece.dedicated_image != VK_NULL_HANDLE || piece.dedicated_buffer != VK_NULL_HANDLE;
    VkExportMemoryAllocateInfo exported{};
    exported.sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO;
    exported.pNext = alone ? &dedicated : nullptr;
    exported.handleTypes = dma_buf_handle;
    VkMemoryAllocateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
    info.pNext = &exported;
    info.allocationSize = piece.size;
    info.memoryTypeIndex = *type;
    const std::string what = text::format("{} bytes of memory type {}", piece.size, *type);
    VkDeviceMemory handle = VK_NULL_HANDLE;
    if (const VkResult result = context_->vk().AllocateMemory(context_->device(), &info, nullptr, &handle);
        result != VK_SUCCESS)
        return failed(result, "vkAllocateMemory", what);
    const Scoped memory(*context_, handle, context_->vk().FreeMemory);
    VkMemoryGetFdInfoKHR get{};
    get.sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR;
    get.memory = memory.get();
    get.handleType = dma_buf_handle;
    int fd = -1;
    if (const VkResult result = context_->vk().GetMemoryFdKHR(context_->device(), &get, &fd); result != VK_SUCCESS)
        return failed(result, "vkGetMemoryFdKHR", what);
    UniqueFd dma_buf(fd);
    const auto size = os::size_of(dma_buf.get());
    if (!size || *size < piece.size)
        return Error::kernel_failure(
            context_->where("vkGetMemoryFdKHR"),
            text::format("the driver gave {} bytes instead of {}", size.value_or(0), piece.size));
    // A driver that works on the CPU exports udmabufs.
    os::open_for_both_directions(dma_buf.get());
    return dma_buf;
}

Result<UniqueFd> VulkanHeap::allocate(std::uint64_t bytes)
{
    if (info_.obstacle)
        return *info_.obstacle;
    if (!buffers_)
        return Error::unsupported(context_->where("vkCreateBuffer"), "the device exports only images, no plain memory");
    if (bytes == 0 || bytes > std::uint64_t{std::numeric_limits<std::int64_t>::max()})
        return Error::invalid_argument(context_->where("vkCreateBuffer"),
                                       text::format("a buffer cannot have {} bytes", bytes));
    VkExternalMemoryBufferCreateInfo external{};
    external.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO;
    external.handleTypes = dma_buf_handle;
    VkBufferCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
    info.pNext = &external;
    info.size = bytes;
    info.usage = buffer_usage;
    VkBuffer handle = VK_NULL_HANDLE;
    if (const VkResult result = context_->vk().CreateBuffer(context_->device(), &info, nullptr, &handle);
        result != VK_SUCCESS)
        return failed(result, "vkCreateBuffer", text::format("{} bytes", bytes));
    const Scoped buffer(*context_, handle, context_->vk().DestroyBuffer);
    VkMemoryDedicatedRequirements dedicated{};
    dedicated.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS;
    VkMemoryRequirements2 needs{};
    needs.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2;
    needs.pNext = &dedicated;
    VkBufferMemoryRequirementsInfo2 which{};
    which.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_REQUIREMENTS_INFO_2;
    which.buffer = buffer.get();
    context_->vk().GetBufferMemoryRequirements2(context_->device(), &which, &needs);
    Piece piece{needs.memoryRequirements.size, needs.memoryRequirements.memoryTypeBits};
    if (buffers_dedicated_ || dedicated.requiresDedicatedAllocation == VK_TRUE)
        piece.dedicated_buffer = buffer.get();
    return export_memory(piece);
}

/// Returns the VkFormat of images that the device makes and exports; nothing if there are none.
Result<std::optional<VkFormat>> VulkanHeap::makes(Format format, Modifier modifier, const VkExtent3D& extent) const
{
    const auto known = is_opaque(format) || modifier == implicit_modifier ? std::nullopt : to_vulkan(format);
    if (!images_ || !known || !find_modifier(*context_, *known, modifier))
        return std::nullopt;
    const auto limits = image_limits(*context_, *known, modifier, usage_, false);
    if (!limits)
        return limits.error();
    if (!*limits || !(*limits)->exportable || (*limits)->max_extent.width < extent.width ||
        (*limits)->max_extent.height < extent.height)
        return std::nullopt;
    return known;
}

Result<std::vector<Layout>> VulkanHeap::propose(const WantedImage& image)
{
    const Request& request = image.request;
    if (info_.obstacle || image.arrangement.memories != Memories::single)
        return std::vector<Layout>{};
    const auto format = makes(request.format, image.arrangement.modifier, {request.width, request.height, 1});
    if (!format)
        return format.error();
    const auto modifier = *format ? find_modifier(*context_, **format, image.arrangement.modifier) : std::nullopt;
    auto layout = modifier ? own_layout(*context_, request, *modifier, usage_) : std::nullopt;
    const FormatInfo* rows = format_info(request.format);
    if (!layout || rows == nullptr)
        return std::vector<Layout>{};
    // A driver's size of a plane may go beyond the last row.
    for (std::uint32_t i = 0; layout->modifier == linear && i < layout->plane_count; ++i) {
        Plane& plane = layout->planes.at(i);
        plane.size = std::min(plane.size, std::uint64_t{plane.stride} * plane_rows(*rows, i, request.height));
    }
    return std::vector{*layout};
}

Result<std::vector<UniqueFd>> VulkanHeap::allocate_image(const Layout& layout)
{
    if (info_.obstacle)
        return *info_.obstacle;
    const bool any_bytes = is_opaque(layout.format) || layout.modifier == linear;
    const auto format = makes(layout.format, layout.modifier, {layout.width, layout.height, 1});
    if (!format)
        return format.error();
    if (!*format) {
        if (any_bytes)
            return Heap::allocate_image(layout);
        return unlike(text::format("the device does not make {}", to_string(layout)));
    }
    std::vector<std::uint32_t> groups(layout.memory_count);
    std::iota(groups.begin(), groups.end(), 0U);
    auto image = BareImage::create(context_, layout, usage_, groups);
    if (!image) {
        // Plain bytes can have any linear layout, whatever the device says of images.
        if (any_bytes && buffers_ && !image.error().concerns_device())
            return Heap::allocate_image(layout);
        Error error = image.error();
        if (error.category == Category::unsupported)
            error.category = Category::incompatible;
        return error;
    }
    std::vector<UniqueFd> memories;
    for (std::size_t i = 0; i < image->needs().size(); ++i) {
        const BareImage::Needs& needs = image->needs()[i];
        const std::uint64_t wanted = layout.memory_sizes[i];
        // Dedicated memory has the image's own size (VUID-VkMemoryDedicatedAllocateInfo-image-02964).
        if (needs.size > wanted || (needs.dedicated && needs.size != wanted))
            return unlike(text::format("the device needs {} bytes for {}, and the layout has {}", needs.size,
                                       to_string(layout), wanted));
        auto memory = export_memory({wanted, needs.type_bits, needs.dedicated ? image->handle() : VK_NULL_HANDLE});
        if (!memory)
            return memory.error();
        memories.push_back(std::move(*memory));
    }
    return memories;
}

} // namespace

std::shared_ptr<Heap> heap(const Device& device, const ImageUsage& usage)
{
    return std::make_shared<VulkanHeap>(device, usage);
}

} // namespace commonbuf::vulkan
