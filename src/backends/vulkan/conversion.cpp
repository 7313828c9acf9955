// SPDX-License-Identifier: MIT
#include "backends/vulkan/conversion.hpp"

#include "backends/vulkan/image_support.hpp"
#include "base/text.hpp"

#include <vector>

namespace commonbuf::vulkan {
namespace {

constexpr VkFormatFeatureFlags cosited = VK_FORMAT_FEATURE_COSITED_CHROMA_SAMPLES_BIT;
constexpr VkFormatFeatureFlags midpoint = VK_FORMAT_FEATURE_MIDPOINT_CHROMA_SAMPLES_BIT;

/// Chooses the other place for chroma samples if the device does not support this one.
void fit_place(VkChromaLocation& place, VkFormatFeatureFlags features, const char* name,
               std::vector<std::string>& changed)
{
    if (place == VK_CHROMA_LOCATION_COSITED_EVEN && (features & cosited) == 0) {
        place = VK_CHROMA_LOCATION_MIDPOINT;
        changed.push_back(text::format("{} chroma is taken to lie between luma samples", name));
    } else if (place == VK_CHROMA_LOCATION_MIDPOINT && (features & midpoint) == 0) {
        place = VK_CHROMA_LOCATION_COSITED_EVEN;
        changed.push_back(text::format("{} chroma is taken to lie on even luma samples", name));
    }
}

} // namespace

Result<std::shared_ptr<const ConversionObject>> ConversionObject::create(const std::shared_ptr<const Context>& context,
                                                                         Format format, Modifier modifier,
                                                                         const Colours& asked)
{
    constexpr const char* call = "vkCreateSamplerYcbcrConversion";
    if (const Status can =
            context->require({Need::sampler_ycbcr_conversion, Need::image_drm_format_modifier}, context->where(call));
        !can)
        return can.error();
    const auto vulkan = format_of(*context, format);
    if (!vulkan)
        return vulkan.error();
    const auto known = find_modifier(*context, *vulkan, modifier);
    const VkFormatFeatureFlags features = known ? known->drmFormatModifierTilingFeatures : 0;
    if ((features & (cosited | midpoint)) == 0)
        return Error::unsupported(context->where(call), text::format("the device does not convert {} with {}",
                                                                     to_string(format), to_string(modifier)));

    Colours colours = asked;
    std::vector<std::string> changed;
    fit_place(colours.x_chroma, features, "horizontal", changed);
    fit_place(colours.y_chroma, features, "vertical", changed);
    if (colours.chroma_filter == VK_FILTER_LINEAR &&
        (features & VK_FORMAT_FEATURE_SAMPLED_IMAGE_YCBCR_CONVERSION_LINEAR_FILTER_BIT) == 0) {
        colours.chroma_filter = VK_FILTER_NEAREST;
        changed.emplace_back("chroma is not interpolated");
    }
    const VkSamplerYcbcrConversionCreateInfo info{.sType = VK_STRUCTURE_TYPE_SAMPLER_YCBCR_CONVERSION_CREATE_INFO,
                                                  .format = *vulkan,
                                                  .ycbcrModel = colours.model,
                                                  .ycbcrRange = colours.range,
                                                  .xChromaOffset = colours.x_chroma,
                                                  .yChromaOffset = colours.y_chroma,
                                                  .chromaFilter = colours.chroma_filter};
    auto made =
        decltype(handle)::create(context, call, &Functions::CreateSamplerYcbcrConversion, info, to_string(format));
    if (!made)
        return made.error();
    return std::make_shared<const ConversionObject>(
        ConversionObject{std::move(*made), colours, text::join(changed, "; ")});
}

// A handle that was moved from is empty.
VkSamplerYcbcrConversion Conversion::handle() const noexcept
{
    return object_ ? object_->handle.get() : VK_NULL_HANDLE;
}
const Colours& Conversion::colours() const noexcept
{
    static const Colours none{};
    return object_ ? object_->colours : none;
}
const std::string& Conversion::changed() const noexcept
{
    static const std::string none;
    return object_ ? object_->changed : none;
}

} // namespace commonbuf::vulkan
