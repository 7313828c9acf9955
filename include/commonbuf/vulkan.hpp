// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>
#include <commonbuf/format.hpp>

#include <optional>
#include <vulkan/vulkan_core.h>

/// Vulkan's names of formats. Only its headers are needed; the library links no loader.
namespace commonbuf::vulkan {

/// The VkFormat with the same bytes; nothing where Vulkan has none. Formats with an
/// unused channel (XRGB8888) give the one with alpha: its content is undefined. YCbCr
/// formats need a sampler with a conversion (VkSamplerYcbcrConversion), those of them that
/// have a VkFormat of colours too (Y410).
COMMONBUF_API std::optional<VkFormat> to_vulkan(Format format) noexcept;

/// The DRM format with the same bytes, alpha included; nothing where the library knows
/// none. Where DRM has several (Y410 is ARGB2101010 with a conversion), colours stand for
/// all. sRGB formats are not told apart from linear ones: the bytes are the same.
COMMONBUF_API std::optional<Format> from_vulkan(VkFormat format) noexcept;

} // namespace commonbuf::vulkan
