// SPDX-License-Identifier: MIT
//
// An exported dma-buf holds its memory by itself ("External Memory Handle Types"), so an allocation
// destroys its image and its VkDeviceMemory before it returns.
#include "backends/vulkan/buffer.hpp"
#include "backends/vulkan/image.hpp"
#include "base/text.hpp"

#include <commonbuf/vulkan/heap.hpp>

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

namespace commonbuf::vulkan {
namespace {

class VulkanHeap final : public Heap {
public:
    VulkanHeap(const Device& device, ImageUsage usage) : context_(device.context()), usage_(std::move(usage))
    {
        info_.name = "vulkan-" + context_->info().label;
        identity_ = text::format("{} heap {:#x}", context_->info().identity, usage_.flags);
        info_.kind = HeapKind::vulkan;
        info_.path = context_->info().name;
        // It belongs to one device, as dumb buffers belong to one display.
        info_.scarce = true;
        const Status can = context_->require_dma_bufs(exports());
        if (!can) {
            info_.obstacle = can.error();
            return;
        }
        images_ = context_->has(Need::image_drm_format_modifier);
        buffers_ = (buffer_features(*context_, buffer_usage) & VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT) != 0;
        if (!images_ && !buffers_)
            info_.obstacle = Error::unsupported(exports(), "the device does not export memory of buffers, and was "
                                                           "made without VK_EXT_image_drm_format_modifier");
    }

    const HeapInfo& info() const noexcept override { return info_; }
    const std::string& identity() const noexcept override { return identity_; }
    Result<UniqueFd> allocate(std::uint64_t bytes) override;
    Result<std::vector<Layout>> propose(const WantedImage& image) override;
    Result<std::vector<UniqueFd>> allocate_image(const Layout& layout) override;

private:
    static constexpr VkBufferUsageFlags buffer_usage =
        VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;

    std::string exports() const { return "export dma-bufs of " + context_->info().name; }
    Result<std::optional<VkDrmFormatModifierPropertiesEXT>> makes(Format format, Modifier modifier,
                                                                  const VkExtent3D& extent) const;
    Error unlike(std::string detail) const
    {
        return Error::incompatible(context_->where("vkCreateImage"), std::move(detail));
    }

    std::shared_ptr<const Context> context_;
    ImageUsage usage_;
    HeapInfo info_;
    std::string identity_;
    bool images_ = false;
    bool buffers_ = false;
};

Result<UniqueFd> VulkanHeap::allocate(std::uint64_t bytes)
{
    if (info_.obstacle)
        return *info_.obstacle;
    if (!buffers_)
        return Error::unsupported(context_->where("vkCreateBuffer"), "the device exports only images, no plain memory");
    if (bytes == 0 || bytes > std::uint64_t{std::numeric_limits<std::int64_t>::max()})
        return Error::invalid_argument(context_->where("vkCreateBuffer"),
                                       text::format("a buffer cannot have {} bytes", bytes));
    const auto buffer = BareBuffer::create(context_, bytes, buffer_usage, VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT);
    if (!buffer)
        return buffer.error();
    return export_memory(context_, buffer->needs);
}

/// Returns what the device says of the modifier if it makes and exports such images.
Result<std::optional<VkDrmFormatModifierPropertiesEXT>> VulkanHeap::makes(Format format, Modifier modifier,
                                                                          const VkExtent3D& extent) const
{
    const auto known = is_opaque(format) || modifier == implicit_modifier ? std::nullopt : to_vulkan(format);
    const auto found = images_ && known ? find_modifier(*context_, *known, modifier) : std::nullopt;
    if (!found)
        return std::nullopt;
    const auto limits = image_limits(*context_, *known, modifier, usage_, false);
    if (!limits)
        return limits.error();
    if (!limits->exportable || limits->max_extent.width < extent.width || limits->max_extent.height < extent.height)
        return std::nullopt;
    return found;
}

Result<std::vector<Layout>> VulkanHeap::propose(const WantedImage& image)
{
    const Request& request = image.request;
    if (info_.obstacle || image.arrangement.memories != Memories::single)
        return std::vector<Layout>{};
    const auto modifier = makes(request.format, image.arrangement.modifier, {request.width, request.height, 1});
    if (!modifier)
        return modifier.error();
    auto layout = *modifier ? own_layout(context_, request, **modifier, usage_) : std::nullopt;
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
    const auto modifier = makes(layout.format, layout.modifier, {layout.width, layout.height, 1});
    if (!modifier)
        return modifier.error();
    if (!*modifier) {
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
    for (std::size_t i = 0; i < image->needs.size(); ++i) {
        MemoryNeeds needs = image->needs[i];
        const std::uint64_t wanted = layout.memory_sizes[i];
        // Dedicated memory has the image's own size (VUID-VkMemoryDedicatedAllocateInfo-image-02964).
        if (needs.size > wanted || (needs.dedicated_image != VK_NULL_HANDLE && needs.size != wanted))
            return unlike(text::format("the device needs {} bytes for {}, and the layout has {}", needs.size,
                                       to_string(layout), wanted));
        needs.size = wanted;
        auto memory = export_memory(context_, needs);
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
