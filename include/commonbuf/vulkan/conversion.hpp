// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vulkan/vulkan_core.h>

namespace commonbuf::vulkan {

/// What the numbers of a YCbCr image mean, in Vulkan's words (VkSamplerYcbcrConversion in the
/// chapter on samplers). The defaults are those of HD video.
struct Colours {
    VkSamplerYcbcrModelConversion model = VK_SAMPLER_YCBCR_MODEL_CONVERSION_YCBCR_709;
    VkSamplerYcbcrRange range = VK_SAMPLER_YCBCR_RANGE_ITU_NARROW;
    VkChromaLocation x_chroma = VK_CHROMA_LOCATION_COSITED_EVEN;
    VkChromaLocation y_chroma = VK_CHROMA_LOCATION_MIDPOINT;
    VkFilter chroma_filter = VK_FILTER_LINEAR;

    friend bool operator==(const Colours&, const Colours&) = default;
};

class ConversionObject; // the library's own

/// A VkSamplerYcbcrConversion; Device::conversion() makes it. A handle: it is destroyed with its
/// last copy and the last view that uses it.
class COMMONBUF_API Conversion {
public:
    VkSamplerYcbcrConversion handle() const noexcept;

    /// Returns what the conversion does: what was asked for, as far as the device can.
    ///
    /// A sampler with this conversion needs chroma_filter as its minFilter and magFilter, unless the
    /// device has
    /// VK_FORMAT_FEATURE_SAMPLED_IMAGE_YCBCR_CONVERSION_SEPARATE_RECONSTRUCTION_FILTER_BIT.
    const Colours& colours() const noexcept;

    /// Says, for people, what the device does differently from what was asked; empty if nothing.
    const std::string& changed() const noexcept;

    explicit Conversion(std::shared_ptr<const ConversionObject> object) noexcept : object_(std::move(object)) {}
    const std::shared_ptr<const ConversionObject>& object() const noexcept { return object_; }

private:
    std::shared_ptr<const ConversionObject> object_;
};

} // namespace commonbuf::vulkan
