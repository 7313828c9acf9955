// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/vulkan/conversion.hpp>
#include <commonbuf/vulkan/usage.hpp>

#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vulkan/vulkan_core.h>

namespace commonbuf::vulkan {

/// How to look at an image.
struct ViewInfo {
    VkFormat format = VK_FORMAT_UNDEFINED; ///< undefined: the image's own
    VkImageAspectFlags aspect = VK_IMAGE_ASPECT_COLOR_BIT;
    /// To sample YCbCr as colours. The sampler and the binding need it too.
    std::optional<Conversion> conversion{};
    /// What this view is used for, a part of the image's usage; 0 for all of it.
    VkImageUsageFlags usage = 0;
};

class ImageObject; // the library's own

/// A VkImage over a buffer's memory; Device::import_image() makes it. A handle.
///
/// The VkImage, its views and its memory are destroyed when the buffer and the last copy of this
/// are gone. By then the GPU must be done with them; the caller sees to that, and keeps the VkDevice
/// alive as long. The image begins in VK_IMAGE_LAYOUT_UNDEFINED and is exclusive to a queue family;
/// its pixels belong to VK_QUEUE_FAMILY_FOREIGN_EXT until they are acquired. As thread-safe as
/// Vulkan's own objects.
class COMMONBUF_API Image {
public:
    VkImage handle() const noexcept;
    VkFormat format() const noexcept;
    VkExtent2D extent() const noexcept;
    const ImageUsage& usage() const noexcept;

    /// Lists the VkDeviceMemory of each dma-buf, in the order of the layout's memories. Several
    /// planes may be in one dma-buf. Borrowed.
    std::span<const VkDeviceMemory> memories() const noexcept;

    /// Returns whether the planes are bound one by one (VK_IMAGE_CREATE_DISJOINT_BIT).
    bool is_disjoint() const noexcept;

    /// Returns a view, made by the first call and kept with the image.
    ///
    /// If the fourth channel of the format means nothing (XRGB8888) and the view is only for
    /// sampling, alpha reads as 1.
    ///
    /// Errors: invalid_argument (the conversion is another device's; the image does not have the
    /// usage), unsupported (YCbCr as colours without a conversion), out_of_memory, device_gone
    /// (VK_ERROR_DEVICE_LOST).
    Result<VkImageView> view(const ViewInfo& info = {}) const;

    explicit Image(std::shared_ptr<ImageObject> object) noexcept : object_(std::move(object)) {}

private:
    std::shared_ptr<ImageObject> object_;
};

} // namespace commonbuf::vulkan
