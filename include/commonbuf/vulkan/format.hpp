// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>
#include <commonbuf/format.hpp>

#include <optional>
#include <vulkan/vulkan_core.h>

namespace commonbuf::vulkan {

/// Returns the VkFormat with the same bytes, or nothing if Vulkan has none.
///
/// A format with an unused channel (XRGB8888) gives the one with alpha, whose alpha is undefined.
/// YCbCr formats need a sampler with a conversion (VkSamplerYcbcrConversion), even those whose
/// VkFormat is one of colours (Y410).
COMMONBUF_API std::optional<VkFormat> to_vulkan(Format format) noexcept;

/// Returns the DRM format with the same bytes, alpha included, or nothing if the library knows none.
///
/// If DRM has several (Y410 is ARGB2101010 with a conversion), the format of colours is returned.
/// sRGB formats give the same as linear ones: their bytes are the same.
COMMONBUF_API std::optional<Format> from_vulkan(VkFormat format) noexcept;

} // namespace commonbuf::vulkan
