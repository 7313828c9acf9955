// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>

#include <compare>
#include <optional>
#include <string_view>
#include <vector>
#include <vulkan/vulkan_core.h>

namespace commonbuf::vulkan {

/// What an image is for: the parameters of its VkImage that the caller chooses. Support is asked,
/// and imports are made, for exactly these.
struct ImageUsage {
    VkImageUsageFlags flags = 0;
    /// VkImageCreateInfo::flags besides those that follow from the layout and `view_formats`, for
    /// example VK_IMAGE_CREATE_EXTENDED_USAGE_BIT.
    VkImageCreateFlags create_flags = 0;
    /// Formats of views besides the image's own: sRGB, or those of single planes. They make the
    /// image mutable (VK_IMAGE_CREATE_MUTABLE_FORMAT_BIT).
    std::vector<VkFormat> view_formats{};
    /// Memory for this image only (VkMemoryDedicatedAllocateInfo), even if the driver does not ask
    /// for it. Not for images with several memories.
    bool dedicated = false;

    friend bool operator==(const ImageUsage&, const ImageUsage&) = default;
    friend auto operator<=>(const ImageUsage&, const ImageUsage&) = default;
};

/// Reads a usage from words, one or several joined with "+": sampled, storage, color-attachment,
/// input-attachment, transfer-source, transfer-destination. Nothing for other words.
///
/// Reports name uses by these words. Thread-safe.
COMMONBUF_API std::optional<ImageUsage> parse_image_usage(std::string_view words);

} // namespace commonbuf::vulkan
