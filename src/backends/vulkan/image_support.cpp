// SPDX-License-Identifier: MIT
#include "backends/vulkan/image_support.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <optional>

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

} // namespace

Result<VkFormat> format_of(const Context& context, Format format)
{
    const auto vulkan = to_vulkan(format);
    if (!vulkan)
        return Error::unsupported(text::format("use a format on {}", context.info().name),
                                  text::format("Vulkan has no {}", to_string(format)));
    if (const auto need = need_of(*vulkan)) {
        if (const Status can = context.require({*need}, text::format("use a format on {}", context.info().name)); !can)
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
    VkDrmFormatModifierPropertiesListEXT list{};
    list.sType = VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_EXT;
    VkFormatProperties2 properties{};
    properties.sType = VK_STRUCTURE_TYPE_FORMAT_PROPERTIES_2;
    properties.pNext = &list;
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
    const auto found = std::find_if(all.begin(), all.end(),
                                    [modifier](const auto& each) { return each.drmFormatModifier == modifier.value; });
    return found != all.end() ? std::optional(*found) : std::nullopt;
}

std::vector<VkFormat> view_formats(VkFormat format, const ImageUsage& usage)
{
    std::vector<VkFormat> all;
    if (usage.view_formats.empty())
        return all;
    all.push_back(format);
    for (const VkFormat each : usage.view_formats) {
        if (std::find(all.begin(), all.end(), each) == all.end())
            all.push_back(each);
    }
    return all;
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

ImageInfo::ImageInfo(VkFormat image_format, const VkExtent3D& size, const ImageUsage& image_usage, bool disjoint,
                     const void* tiling_chain) noexcept
    : VkImageCreateInfo{}
{
    external_.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO;
    external_.pNext = tiling_chain;
    external_.handleTypes = dma_buf_handle;
    sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO;
    pNext = &external_;
    flags = create_flags(image_usage, disjoint);
    imageType = VK_IMAGE_TYPE_2D;
    format = image_format;
    extent = size;
    mipLevels = 1;
    arrayLayers = 1;
    samples = VK_SAMPLE_COUNT_1_BIT;
    tiling = VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT;
    usage = image_usage.flags;
    sharingMode = VK_SHARING_MODE_EXCLUSIVE;
    initialLayout = VK_IMAGE_LAYOUT_UNDEFINED;
}

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

Result<std::optional<ImageLimits>> image_limits(const Context& context, VkFormat format, Modifier modifier,
                                                const ImageUsage& usage, bool disjoint)
{
    const std::vector<VkFormat> formats = view_formats(format, usage);
    VkImageFormatListCreateInfo list{};
    list.sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_LIST_CREATE_INFO;
    list.viewFormatCount = static_cast<std::uint32_t>(formats.size());
    list.pViewFormats = formats.data();
    VkPhysicalDeviceImageDrmFormatModifierInfoEXT tiling{};
    tiling.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_DRM_FORMAT_MODIFIER_INFO_EXT;
    tiling.pNext = formats.empty() ? nullptr : &list;
    tiling.drmFormatModifier = modifier.value;
    tiling.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
    VkPhysicalDeviceExternalImageFormatInfo external{};
    external.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO;
    external.pNext = &tiling;
    external.handleType = dma_buf_handle;
    VkPhysicalDeviceImageFormatInfo2 image{};
    image.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_FORMAT_INFO_2;
    image.pNext = &external;
    image.format = format;
    image.type = VK_IMAGE_TYPE_2D;
    image.tiling = VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT;
    image.usage = usage.flags;
    image.flags = create_flags(usage, disjoint);

    VkExternalImageFormatProperties memory{};
    memory.sType = VK_STRUCTURE_TYPE_EXTERNAL_IMAGE_FORMAT_PROPERTIES;
    VkImageFormatProperties2 answer{};
    answer.sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_PROPERTIES_2;
    answer.pNext = &memory;
    const VkResult result = context.vk().GetPhysicalDeviceImageFormatProperties2(context.physical(), &image, &answer);
    if (result == VK_ERROR_FORMAT_NOT_SUPPORTED)
        return std::nullopt;
    if (result != VK_SUCCESS)
        return failure(result, context.where("vkGetPhysicalDeviceImageFormatProperties2"));
    const VkExternalMemoryFeatureFlags features = memory.externalMemoryProperties.externalMemoryFeatures;
    return ImageLimits{answer.imageFormatProperties.maxExtent, answer.imageFormatProperties.maxResourceSize,
                       (features & VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT) != 0,
                       (features & VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT) != 0,
                       (features & VK_EXTERNAL_MEMORY_FEATURE_DEDICATED_ONLY_BIT) != 0};
}

} // namespace commonbuf::vulkan
