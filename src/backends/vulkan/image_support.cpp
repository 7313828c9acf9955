// SPDX-License-Identifier: MIT
#include "backends/vulkan/image_support.hpp"

#include "base/text.hpp"
#include "format/twins.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace commonbuf::vulkan {
namespace {

/// Returns the extension that a format came with after Vulkan 1.1, by the blocks of numbers in
/// vulkan_core.h.
std::optional<Need> need_of(VkFormat format) noexcept
{
    constexpr int block = 1000;
    switch (static_cast<int>(format) / block) {
    case 1000340: return Need::formats_4444;
    case 1000330: return Need::ycbcr_2plane_444_formats;
    case 1000470: return Need::maintenance5;
    default: return std::nullopt;
    }
}

VkImageCreateFlags create_flags(const ImageUsage& usage, bool disjoint) noexcept
{
    VkImageCreateFlags flags = usage.create_flags;
    if (!usage.view_formats.empty())
        flags |= VK_IMAGE_CREATE_MUTABLE_FORMAT_BIT;
    if (disjoint)
        flags |= VK_IMAGE_CREATE_DISJOINT_BIT;
    return flags;
}

} // namespace

Result<VkFormat> format_of(const Context& context, Format format)
{
    const std::string operation = "use a format on " + context.info().name;
    const auto vulkan = to_vulkan(format);
    if (!vulkan)
        return Error::unsupported(operation, text::format("Vulkan has no {}", to_string(format)));
    if (const auto need = need_of(*vulkan)) {
        if (const Status can = context.require({*need}, operation); !can)
            return can.error();
    }
    return *vulkan;
}

bool is_ycbcr(Format format) noexcept
{
    const FormatInfo* info = format_info(format);
    return info != nullptr && (info->plane_count > 1 || info->hsub > 1);
}

bool has_unused_alpha(Format format) noexcept
{
    const FormatInfo* info = format_info(format);
    if (info == nullptr)
        return false;
    const auto holds = [info](std::string_view part) { return info->name.find(part) != std::string_view::npos; };
    return holds("X") && !holds("A") && (holds("RGB") || holds("BGR"));
}

std::vector<VkDrmFormatModifierPropertiesEXT> modifiers_of(const Context& context, VkFormat format)
{
    VkDrmFormatModifierPropertiesListEXT list{.sType = VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_EXT};
    VkFormatProperties2 properties{.sType = VK_STRUCTURE_TYPE_FORMAT_PROPERTIES_2, .pNext = &list};
    context.vk().GetPhysicalDeviceFormatProperties2(context.physical(), format, &properties);
    std::vector<VkDrmFormatModifierPropertiesEXT> all(list.drmFormatModifierCount);
    if (all.empty())
        return all;
    list.pDrmFormatModifierProperties = all.data();
    context.vk().GetPhysicalDeviceFormatProperties2(context.physical(), format, &properties);
    all.resize(std::min<std::size_t>(all.size(), list.drmFormatModifierCount));
    return all;
}

std::optional<VkDrmFormatModifierPropertiesEXT> find_modifier(const Context& context, VkFormat format,
                                                              Modifier modifier)
{
    const auto all = modifiers_of(context, format);
    for (const Modifier listed : {modifier, without_column_height(modifier)}) {
        const auto found = std::ranges::find(all, listed.value, &VkDrmFormatModifierPropertiesEXT::drmFormatModifier);
        if (found != all.end())
            return *found;
    }
    return std::nullopt;
}

ViewFormats::ViewFormats(VkFormat format, const ImageUsage& usage)
    : VkImageFormatListCreateInfo{.sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_LIST_CREATE_INFO}
{
    if (usage.view_formats.empty())
        return;
    all_.push_back(format);
    for (const VkFormat each : usage.view_formats) {
        if (std::ranges::find(all_, each) == all_.end())
            all_.push_back(each);
    }
    viewFormatCount = static_cast<std::uint32_t>(all_.size());
    pViewFormats = all_.data();
}

ImageInfo::ImageInfo(VkFormat image_format, const VkExtent3D& size, const ImageUsage& image_usage, bool disjoint,
                     const void* tiling_chain) noexcept
    : VkImageCreateInfo{.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
                        .pNext = &external_,
                        .flags = create_flags(image_usage, disjoint),
                        .imageType = VK_IMAGE_TYPE_2D,
                        .format = image_format,
                        .extent = size,
                        .mipLevels = 1,
                        .arrayLayers = 1,
                        .samples = VK_SAMPLE_COUNT_1_BIT,
                        .tiling = VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT,
                        .usage = image_usage.flags,
                        .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
                        .initialLayout = VK_IMAGE_LAYOUT_UNDEFINED},
      external_{.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO,
                .pNext = tiling_chain,
                .handleTypes = dma_buf_handle}
{}

VkImageAspectFlagBits memory_plane(std::size_t plane) noexcept
{
    constexpr auto aspects = std::to_array<VkImageAspectFlagBits>({
        VK_IMAGE_ASPECT_MEMORY_PLANE_0_BIT_EXT,
        VK_IMAGE_ASPECT_MEMORY_PLANE_1_BIT_EXT,
        VK_IMAGE_ASPECT_MEMORY_PLANE_2_BIT_EXT,
        VK_IMAGE_ASPECT_MEMORY_PLANE_3_BIT_EXT,
    });
    static_assert(aspects.size() == max_planes);
    return aspects.at(plane);
}

VkSubresourceLayout plane_layout(const Context& context, VkImage image, std::uint32_t plane) noexcept
{
    const VkImageSubresource which{static_cast<VkImageAspectFlags>(memory_plane(plane)), 0, 0};
    VkSubresourceLayout layout{};
    context.vk().GetImageSubresourceLayout(context.device(), image, &which, &layout);
    return layout;
}

Result<ImageLimits> image_limits(const Context& context, VkFormat format, Modifier modifier, const ImageUsage& usage,
                                 bool disjoint)
{
    const ViewFormats formats(format, usage);
    const VkPhysicalDeviceImageDrmFormatModifierInfoEXT tiling{
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_DRM_FORMAT_MODIFIER_INFO_EXT,
        .pNext = formats.chain(),
        .drmFormatModifier = modifier.value,
        .sharingMode = VK_SHARING_MODE_EXCLUSIVE};
    const VkPhysicalDeviceExternalImageFormatInfo external{
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO,
        .pNext = &tiling,
        .handleType = dma_buf_handle};
    const VkPhysicalDeviceImageFormatInfo2 image{.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_FORMAT_INFO_2,
                                                 .pNext = &external,
                                                 .format = format,
                                                 .type = VK_IMAGE_TYPE_2D,
                                                 .tiling = VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT,
                                                 .usage = usage.flags,
                                                 .flags = create_flags(usage, disjoint)};
    VkExternalImageFormatProperties memory{.sType = VK_STRUCTURE_TYPE_EXTERNAL_IMAGE_FORMAT_PROPERTIES};
    VkImageFormatProperties2 answer{.sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_PROPERTIES_2, .pNext = &memory};
    const VkResult result = context.vk().GetPhysicalDeviceImageFormatProperties2(context.physical(), &image, &answer);
    if (result == VK_ERROR_FORMAT_NOT_SUPPORTED)
        return ImageLimits{};
    if (result != VK_SUCCESS)
        return context.failed("vkGetPhysicalDeviceImageFormatProperties2", result);
    const VkExternalMemoryFeatureFlags features = memory.externalMemoryProperties.externalMemoryFeatures;
    return ImageLimits{.supported = true,
                       .max_extent = answer.imageFormatProperties.maxExtent,
                       .max_size = answer.imageFormatProperties.maxResourceSize,
                       .importable = (features & VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT) != 0,
                       .exportable = (features & VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT) != 0,
                       .dedicated_only = (features & VK_EXTERNAL_MEMORY_FEATURE_DEDICATED_ONLY_BIT) != 0};
}

// Only the driver knows where the pixels of a tiled image lie. So let it make an image with the
// modifier and without memory, and ask where it put the planes.
std::optional<Layout> own_layout(const std::shared_ptr<const Context>& context, const Request& request,
                                 const VkDrmFormatModifierPropertiesEXT& modifier, const ImageUsage& usage)
{
    const auto format = format_of(*context, request.format);
    const std::uint32_t planes = modifier.drmFormatModifierPlaneCount;
    if (!format || planes == 0 || planes > max_planes)
        return std::nullopt;
    const ViewFormats formats(*format, usage);
    const VkImageDrmFormatModifierListCreateInfoEXT tiling{
        .sType = VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_LIST_CREATE_INFO_EXT,
        .pNext = formats.chain(),
        .drmFormatModifierCount = 1,
        .pDrmFormatModifiers = &modifier.drmFormatModifier};
    const ImageInfo info(*format, {request.width, request.height, 1}, usage, false, &tiling);
    const auto image = OwnedImage::create(context, "vkCreateImage", &Functions::CreateImage, info);
    if (!image)
        return std::nullopt;
    const VkImageMemoryRequirementsInfo2 question{.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_REQUIREMENTS_INFO_2,
                                                  .image = image->get()};
    VkMemoryRequirements2 answer{.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2};
    context->vk().GetImageMemoryRequirements2(context->device(), &question, &answer);

    Layout layout;
    layout.format = request.format;
    layout.modifier = modifier.drmFormatModifier;
    layout.width = request.width;
    layout.height = request.height;
    layout.plane_count = planes;
    layout.memory_count = 1;
    layout.memory_sizes[0] = answer.memoryRequirements.size;
    for (std::uint32_t i = 0; i < planes; ++i) {
        const VkSubresourceLayout plane = plane_layout(*context, image->get(), i);
        if (plane.rowPitch > std::numeric_limits<std::uint32_t>::max() || plane.offset > layout.memory_sizes[0])
            return std::nullopt;
        const VkDeviceSize room = layout.memory_sizes[0] - plane.offset;
        layout.planes.at(i) = {0, static_cast<std::uint32_t>(plane.rowPitch), plane.offset,
                               plane.size != 0 ? std::min(plane.size, room) : room};
    }
    // Some drivers give no size for a plane, or that of all planes: it ends where the next one begins.
    for (std::uint32_t i = 0; i < planes; ++i) {
        for (const Plane& other : layout.used_planes()) {
            Plane& plane = layout.planes.at(i);
            if (other.offset > plane.offset)
                plane.size = std::min(plane.size, other.offset - plane.offset);
        }
    }
    // Check the driver's numbers: an inconsistent layout is none.
    return validate(layout) ? std::optional(layout) : std::nullopt;
}

} // namespace commonbuf::vulkan
