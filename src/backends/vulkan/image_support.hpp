// SPDX-License-Identifier: MIT
#pragma once

#include "backends/vulkan/handle.hpp"

#include <commonbuf/layout.hpp>

#include <memory>
#include <optional>
#include <vector>

namespace commonbuf::vulkan {

using OwnedImage = Owned<VkImage, &Functions::DestroyImage>;

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

/// Finds what the device can do with a modifier. It lists columns without their height, which the
/// modifier of each image has; image_limits() asks the driver about that one height.
std::optional<VkDrmFormatModifierPropertiesEXT> find_modifier(const Context& context, VkFormat format,
                                                              Modifier modifier);

/// The formats of an image's views, the image's own first, for the chain of its tiling.
struct ViewFormats : VkImageFormatListCreateInfo {
    ViewFormats(VkFormat format, const ImageUsage& usage);
    ViewFormats(const ViewFormats&) = delete;
    ViewFormats& operator=(const ViewFormats&) = delete;
    ~ViewFormats() = default;

    /// Returns null if there are only views of the image's own format.
    const void* chain() const noexcept { return all_.empty() ? nullptr : this; }

private:
    std::vector<VkFormat> all_;
};

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
    bool supported = false; ///< whether there are such images at all
    VkExtent3D max_extent{};
    VkDeviceSize max_size = 0;
    bool importable = false;
    bool exportable = false;
    bool dedicated_only = false;
};

/// Asks vkGetPhysicalDeviceImageFormatProperties2. Errors: out_of_memory, and other failures of the call.
Result<ImageLimits> image_limits(const Context& context, VkFormat format, Modifier modifier, const ImageUsage& usage,
                                 bool disjoint);

/// Asks how the driver itself lays out an image with this modifier; nothing if it makes none.
std::optional<Layout> own_layout(const std::shared_ptr<const Context>& context, const Request& request,
                                 const VkDrmFormatModifierPropertiesEXT& modifier, const ImageUsage& usage);

} // namespace commonbuf::vulkan
