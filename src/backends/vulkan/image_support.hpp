// SPDX-License-Identifier: MIT
#pragma once

#include "backends/vulkan/context.hpp"

#include <commonbuf/layout.hpp>

#include <optional>
#include <span>
#include <vector>

namespace commonbuf::vulkan {

inline constexpr auto dma_buf_handle = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;

/// The VkFormat, where the device may be asked for it: some came with extensions. Errors:
/// unsupported, naming the extension.
Result<VkFormat> format_of(const Context& context, Format format);

/// Whether the format needs a conversion to be sampled as colours.
bool is_ycbcr(Format format) noexcept;

/// Whether the VkFormat has an alpha channel where the format has nothing (XRGB8888).
bool has_unused_alpha(Format format) noexcept;

/// What the device can do with each modifier of a format
/// (VkDrmFormatModifierPropertiesListEXT); empty where it knows none.
std::vector<VkDrmFormatModifierPropertiesEXT> modifiers_of(const Context& context, VkFormat format);
std::optional<VkDrmFormatModifierPropertiesEXT> find_modifier(const Context& context, VkFormat format,
                                                              Modifier modifier);

/// The formats of views, the image's own first; empty where it has no others.
std::vector<VkFormat> view_formats(VkFormat format, const ImageUsage& usage);

/// VkImageCreateInfo::flags.
VkImageCreateFlags create_flags(const ImageUsage& usage, bool disjoint) noexcept;

/// What makes images over dma-bufs: 2D, exclusive, with the chain of its tiling in `tiling`,
/// which has to live as long as what is returned.
struct ImageInfo : VkImageCreateInfo {
    ImageInfo(VkFormat image_format, const VkExtent3D& size, const ImageUsage& image_usage, bool disjoint,
              const void* tiling_chain) noexcept;
    ImageInfo(const ImageInfo&) = delete;
    ImageInfo& operator=(const ImageInfo&) = delete;
    ~ImageInfo() = default;

private:
    VkExternalMemoryImageCreateInfo external_{};
};

/// Where the driver has put a plane of an image.
VkSubresourceLayout plane_layout(const Context& context, VkImage image, std::uint32_t plane) noexcept;

/// The aspect of a plane as memory has it, below max_planes.
VkImageAspectFlagBits memory_plane(std::size_t plane) noexcept;

/// What the device says of images with exactly these parameters.
struct ImageLimits {
    VkExtent3D max_extent{};
    VkDeviceSize max_size = 0;
    bool importable = false;
    bool exportable = false;
    bool dedicated_only = false;
};

/// Asks vkGetPhysicalDeviceImageFormatProperties2; nothing where there are no such images.
/// Errors: exhausted and what else the call may say.
Result<std::optional<ImageLimits>> image_limits(const Context& context, VkFormat format, Modifier modifier,
                                                const ImageUsage& usage, bool disjoint);

} // namespace commonbuf::vulkan
