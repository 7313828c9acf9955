// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>
#include <commonbuf/result.hpp>

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>
#include <vulkan/vulkan_core.h>

/// Buffers as images and buffers of a VkDevice. Device (vulkan.hpp) makes them.
namespace commonbuf::vulkan {

/// What will be done with an image: the parameters of its VkImage that are the caller's.
/// Support is asked, and imports are made, for exactly these.
struct ImageUsage {
    VkImageUsageFlags flags = 0;
    /// VkImageCreateInfo::flags besides those that follow from the layout and `view_formats`,
    /// for example VK_IMAGE_CREATE_EXTENDED_USAGE_BIT.
    VkImageCreateFlags create_flags = 0;
    /// Formats of views besides the image's own: sRGB, or those of single planes. They make
    /// the image mutable (VK_IMAGE_CREATE_MUTABLE_FORMAT_BIT).
    std::vector<VkFormat> view_formats{};
    /// Memory for this image alone (VkMemoryDedicatedAllocateInfo), also where the driver
    /// does not ask for it. Not for images with several memories.
    bool dedicated = false;

    friend bool operator==(const ImageUsage&, const ImageUsage&) = default;
    friend auto operator<=>(const ImageUsage&, const ImageUsage&) = default;
};

/// The flags that words mean, one or several with "+" between: sampled, storage,
/// colour-attachment, input-attachment, transfer-source, transfer-destination. Reports name
/// uses by these. Nothing for other words. Thread-safe.
COMMONBUF_API std::optional<ImageUsage> parse_image_usage(std::string_view words);

/// What the numbers of a YCbCr image mean, in Vulkan's words (VkSamplerYcbcrConversion in
/// the chapter on samplers). The defaults are those of HD video.
struct Colours {
    VkSamplerYcbcrModelConversion model = VK_SAMPLER_YCBCR_MODEL_CONVERSION_YCBCR_709;
    VkSamplerYcbcrRange range = VK_SAMPLER_YCBCR_RANGE_ITU_NARROW;
    VkChromaLocation x_chroma = VK_CHROMA_LOCATION_COSITED_EVEN;
    VkChromaLocation y_chroma = VK_CHROMA_LOCATION_MIDPOINT;
    VkFilter chroma_filter = VK_FILTER_LINEAR;

    friend bool operator==(const Colours&, const Colours&) = default;
};

class ConversionObject; // the library's own

/// A VkSamplerYcbcrConversion. A handle: it goes with the last copy and the last view of it.
class COMMONBUF_API Conversion {
public:
    VkSamplerYcbcrConversion handle() const noexcept;

    /// What it does: what was asked for, as far as the device can. A sampler with this
    /// conversion needs chroma_filter as its minFilter and magFilter, unless the device has
    /// VK_FORMAT_FEATURE_SAMPLED_IMAGE_YCBCR_CONVERSION_SEPARATE_RECONSTRUCTION_FILTER_BIT.
    const Colours& colours() const noexcept;

    /// Which wishes the device does not fulfil, for people; empty where it does all.
    const std::string& changed() const noexcept;

    explicit Conversion(std::shared_ptr<const ConversionObject> object) noexcept : object_(std::move(object)) {}
    const std::shared_ptr<const ConversionObject>& object() const noexcept { return object_; }

private:
    std::shared_ptr<const ConversionObject> object_;
};

/// How to look at an image.
struct ViewInfo {
    VkFormat format = VK_FORMAT_UNDEFINED; ///< undefined: the image's own
    VkImageAspectFlags aspect = VK_IMAGE_ASPECT_COLOR_BIT;
    /// For YCbCr as colours. The sampler and the binding need it too.
    std::optional<Conversion> conversion{};
    /// What this view is used for, a part of the image's; 0 for all of it.
    VkImageUsageFlags usage = 0;
};

class ImageObject;  // the library's own
class BufferObject; // the library's own

/// A VkImage over a buffer's memory. A handle.
///
/// The VkImage, its views and its memory go when the buffer and the last copy of this are
/// gone; the caller sees to it that the GPU is done with them by then, and that the VkDevice
/// lives as long. The image begins in VK_IMAGE_LAYOUT_UNDEFINED and is exclusive to a queue
/// family; its pixels belong to VK_QUEUE_FAMILY_FOREIGN_EXT until they are acquired.
/// Thread-safe, as far as Vulkan's own objects are.
class COMMONBUF_API Image {
public:
    VkImage handle() const noexcept;
    VkFormat format() const noexcept;
    VkExtent2D extent() const noexcept;
    const ImageUsage& usage() const noexcept;

    /// One for each dma-buf, in the order of the layout's memories: several planes may be in
    /// one dma-buf. Borrowed.
    std::span<const VkDeviceMemory> memories() const noexcept;

    /// Whether its planes are bound one by one (VK_IMAGE_CREATE_DISJOINT_BIT).
    bool is_disjoint() const noexcept;

    /// A view, made at the first call and kept with the image. Where the format's fourth
    /// channel means nothing (XRGB8888) and the view is for sampling alone, alpha reads as 1.
    ///
    /// Errors: invalid_argument (a conversion of another device; a usage that the image does
    /// not have), unsupported (YCbCr as colours without a conversion), exhausted, device_lost.
    Result<VkImageView> view(const ViewInfo& info = {}) const;

    explicit Image(std::shared_ptr<ImageObject> object) noexcept : object_(std::move(object)) {}

private:
    std::shared_ptr<ImageObject> object_;
};

/// A VkBuffer over the whole of one memory of a buffer. A handle; lifetime as of Image.
class COMMONBUF_API DeviceBuffer {
public:
    VkBuffer handle() const noexcept;
    VkDeviceMemory memory() const noexcept;
    VkDeviceSize size() const noexcept;

    explicit DeviceBuffer(std::shared_ptr<BufferObject> object) noexcept : object_(std::move(object)) {}

private:
    std::shared_ptr<BufferObject> object_;
};

} // namespace commonbuf::vulkan
