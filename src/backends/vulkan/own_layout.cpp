// SPDX-License-Identifier: MIT
//
// Only the driver knows where the pixels of a tiled image lie. So let it make an image with the
// modifier and without memory, and ask where it put the planes.
#include "backends/vulkan/image_support.hpp"
#include "backends/vulkan/importers.hpp"

#include <algorithm>
#include <limits>

namespace commonbuf::vulkan {
namespace {

/// A VkImage that lives for a few questions.
class Sample {
public:
    Sample(const Context& context, const VkImageCreateInfo& info) : context_(context)
    {
        if (context.vk().CreateImage(context.device(), &info, nullptr, &handle_) != VK_SUCCESS)
            handle_ = VK_NULL_HANDLE;
    }
    ~Sample()
    {
        if (handle_ != VK_NULL_HANDLE)
            context_.vk().DestroyImage(context_.device(), handle_, nullptr);
    }
    Sample(const Sample&) = delete;
    Sample& operator=(const Sample&) = delete;

    VkImage handle() const noexcept { return handle_; }

    VkDeviceSize size() const
    {
        VkImageMemoryRequirementsInfo2 question{};
        question.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_REQUIREMENTS_INFO_2;
        question.image = handle_;
        VkMemoryRequirements2 answer{};
        answer.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2;
        context_.vk().GetImageMemoryRequirements2(context_.device(), &question, &answer);
        return answer.memoryRequirements.size;
    }

private:
    const Context& context_;
    VkImage handle_ = VK_NULL_HANDLE;
};

} // namespace

std::optional<Layout> own_layout(const Context& context, const Request& request,
                                 const VkDrmFormatModifierPropertiesEXT& modifier, const ImageUsage& usage)
{
    const auto format = format_of(context, request.format);
    const std::uint32_t planes = modifier.drmFormatModifierPlaneCount;
    if (!format || planes == 0 || planes > max_planes)
        return std::nullopt;
    const std::vector<VkFormat> formats = view_formats(*format, usage);
    VkImageFormatListCreateInfo list{};
    list.sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_LIST_CREATE_INFO;
    list.viewFormatCount = static_cast<std::uint32_t>(formats.size());
    list.pViewFormats = formats.data();
    VkImageDrmFormatModifierListCreateInfoEXT tiling{};
    tiling.sType = VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_LIST_CREATE_INFO_EXT;
    tiling.pNext = formats.empty() ? nullptr : &list;
    tiling.drmFormatModifierCount = 1;
    tiling.pDrmFormatModifiers = &modifier.drmFormatModifier;
    const Sample sample(context, ImageInfo(*format, {request.width, request.height, 1}, usage, false, &tiling));
    if (sample.handle() == VK_NULL_HANDLE)
        return std::nullopt;

    Layout layout;
    layout.format = request.format;
    layout.modifier = modifier.drmFormatModifier;
    layout.width = request.width;
    layout.height = request.height;
    layout.plane_count = planes;
    layout.memory_count = 1;
    layout.memory_sizes[0] = sample.size();
    for (std::uint32_t i = 0; i < planes; ++i) {
        const VkSubresourceLayout plane = plane_layout(context, sample.handle(), i);
        if (plane.rowPitch > std::numeric_limits<std::uint32_t>::max() || plane.offset > layout.memory_sizes[0])
            return std::nullopt;
        const VkDeviceSize room = layout.memory_sizes[0] - plane.offset;
        layout.planes.at(i) = {0, static_cast<std::uint32_t>(plane.rowPitch), plane.offset,
                               plane.size != 0 ? std::min(plane.size, room) : room};
    }
    // Check the driver's numbers: an inconsistent layout is none.
    return validate(layout) ? std::optional(layout) : std::nullopt;
}

} // namespace commonbuf::vulkan
