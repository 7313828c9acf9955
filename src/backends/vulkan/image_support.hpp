// SPDX-License-Identifier: MIT
#pragma once

#include "backends/vulkan/context.hpp"

#include <commonbuf/layout.hpp>

#include <optional>
#include <span>
#include <vector>

namespace commonbuf::vulkan {

inline constexpr auto dma_buf_handle = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;

/// Returns the VkFormat if the device may be asked for it: some formats need an extension.
///
/// Errors: unsupported (names the extension).
Result<VkFormat> format_of(const Context& context, Format format);

/// Returns whether sampling the format as colours needs a conversion.
bool is_ycbcr(Format format) noexcept;

/// Returns whether the VkFormat has an alpha channel that the format does not use (XRGB8888).
bool has_unused_alpha(Format format) noexcept;

/// Lists what the device can do with each modifier of a format
/// (VkDrmFormatModifierPropertiesListEXT); empty if it has none.
std::vector<VkDrmFormatModifierPropertiesEXT> modifiers_of(const Context& context, VkFormat format);
std::optional<VkDrmFormatModifierPropertiesEXT> find_modifier(const Context& context, VkFormat format,
                                                              Modifier modifier);

/// Lists the formats of views, the image's own first; empty if there are no others.
std::vector<VkFormat> view_formats(VkFormat format, const ImageUsage& usage);

/// Returns VkImageCreateInfo::flags.
VkImageCreateFlags create_flags(const ImageUsage& usage, bool disjoint) noexcept;

/// The VkImageCreateInfo of an image over dma-bufs: 2D and exclusive. `tiling_chain` is the chain of
/// its tiling, and must live as long as this object.
struct ImageInfo : VkImageCreateInfo {
    ImageInfo(VkFormat image_format, const VkExtent3D& size, const ImageUsage& image_usage, bool disjoint,
              const void* tiling_chain) noexcept;
    ImageInfo(const ImageInfo&) = delete;
    ImageInfo& operator=(const ImageInfo&) = delete;
    ~ImageInfo() = default;

private:
    VkExternalMemoryImageCreateInfo external_{};
};

/// Asks where the driver has put a plane of an image.
VkSubresourceLayout plane_layout(const Context& context, VkImage image, std::uint32_t plane) noexcept;

/// Returns the aspect of a memory plane, below max_planes.
VkImageAspectFlagBits memory_plane(std::size_t plane) noexcept;

/// The device's limits for images with exactly these parameters.
struct ImageLimits {
    VkExtent3D max_extent{};
    VkDeviceSize max_size = 0;
    bool importable = false;
    bool exportable = false;
    bool dedicated_only = false;
};

/// Asks vkGetPhysicalDeviceImageFormatProperties2; nothing if there are no such images.
///
/// Errors: out_of_memory, and other failures of the call.
Result<std::optional<ImageLimits>> image_limits(const Context& context, VkFormat format, Modifier modifier,
                                                const ImageUsage& usage, bool disjoint);

} // namespace commonbuf::vulkan
