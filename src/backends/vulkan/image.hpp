// SPDX-License-Identifier: MIT
#pragma once

#include "backends/vulkan/context.hpp"
#include "backends/vulkan/memory.hpp"

#include <commonbuf/layout.hpp>
#include <commonbuf/vulkan/image.hpp>

#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace commonbuf::vulkan {

/// A VkImage with an explicit layout, without memory yet.
class BareImage {
public:
    /// What one VkDeviceMemory behind it needs.
    struct Needs {
        VkDeviceSize size = 0;
        std::uint32_t type_bits = 0;
        bool dedicated = false;
    };

    /// Makes an image. `groups` says for each memory of the layout which VkDeviceMemory it becomes
    /// part of: several memories may be one dma-buf. More than one group makes a disjoint image.
    static Result<BareImage> create(std::shared_ptr<const Context> context, const Layout& layout,
                                    const ImageUsage& usage, std::span<const std::uint32_t> groups);

    BareImage(BareImage&& other) noexcept;
    BareImage& operator=(BareImage&&) = delete;
    BareImage(const BareImage&) = delete;
    BareImage& operator=(const BareImage&) = delete;
    ~BareImage();

    VkImage handle() const noexcept { return handle_; }
    VkFormat format() const noexcept { return format_; }
    bool is_disjoint() const noexcept { return needs_.size() > 1; }

    /// Lists the needs of each group.
    std::span<const Needs> needs() const noexcept { return needs_; }

    /// Lists the group of each plane.
    std::span<const std::uint32_t> plane_groups() const noexcept { return plane_groups_; }

private:
    explicit BareImage(std::shared_ptr<const Context> context) noexcept : context_(std::move(context)) {}
    VkResult make(const Layout& layout, const ImageUsage& usage);
    std::optional<std::string> other_place(const Layout& layout) const;
    void ask_needs();

    std::shared_ptr<const Context> context_;
    VkFormat format_ = VK_FORMAT_UNDEFINED;
    VkImage handle_ = VK_NULL_HANDLE;
    std::vector<Needs> needs_;
    std::vector<std::uint32_t> plane_groups_;
};

/// An image with its memories and views, as it is kept with a buffer.
class ImageObject {
public:
    /// Imports borrowed dma-bufs, one for each memory of the layout.
    static Result<std::shared_ptr<ImageObject>> create(const std::shared_ptr<const Context>& context,
                                                       const Layout& layout, const ImageUsage& usage,
                                                       std::span<const int> memories);
    ~ImageObject();
    ImageObject(const ImageObject&) = delete;
    ImageObject& operator=(const ImageObject&) = delete;

    const BareImage& bare() const noexcept { return image_; }
    const Layout& layout() const noexcept { return layout_; }
    const ImageUsage& usage() const noexcept { return usage_; }
    std::span<const VkDeviceMemory> handles() const noexcept { return handles_; }
    Result<VkImageView> view(const ViewInfo& info);

private:
    ImageObject(std::shared_ptr<const Context> context, BareImage image, const Layout& layout, ImageUsage usage)
        : context_(std::move(context)),
          layout_(layout),
          usage_(std::move(usage)),
          image_(std::move(image))
    {}
    VkResult bind();

    struct View {
        VkFormat format;
        VkImageAspectFlags aspect;
        VkImageUsageFlags usage;
        std::shared_ptr<const ConversionObject> conversion;
        VkImageView handle;
    };

    std::shared_ptr<const Context> context_;
    Layout layout_;
    ImageUsage usage_;
    // The image is destroyed before its memory: members are destroyed from the last to the first.
    std::vector<Memory> memories_;
    std::vector<VkDeviceMemory> handles_;
    BareImage image_;
    std::mutex mutex_;
    std::vector<View> views_;
};

} // namespace commonbuf::vulkan
