// SPDX-License-Identifier: MIT
#pragma once

#include "backends/vulkan/image_support.hpp"
#include "backends/vulkan/memory.hpp"

#include <commonbuf/layout.hpp>
#include <commonbuf/vulkan/image.hpp>

#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace commonbuf::vulkan {

/// A VkImage with an explicit layout, without memory yet.
struct BareImage {
    OwnedImage handle;
    VkFormat format;
    std::vector<MemoryNeeds> needs;          ///< of each group
    std::vector<std::uint32_t> plane_groups; ///< the group of each plane

    /// Makes an image. `groups` says for each memory of the layout which VkDeviceMemory it becomes
    /// part of: several memories may be one dma-buf. More than one group makes a disjoint image.
    static Result<BareImage> create(const std::shared_ptr<const Context>& context, const Layout& layout,
                                    const ImageUsage& usage, std::span<const std::uint32_t> groups);

    bool is_disjoint() const noexcept { return needs.size() > 1; }
};

/// An image with its memories and views, as it is kept with a buffer.
class ImageObject {
public:
    /// Imports borrowed dma-bufs, one for each memory of the layout.
    static Result<std::shared_ptr<ImageObject>> create(const std::shared_ptr<const Context>& context,
                                                       const Layout& layout, const ImageUsage& usage,
                                                       std::span<const int> memories);
    ~ImageObject() = default;
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

    struct View {
        VkFormat format;
        VkImageAspectFlags aspect;
        VkImageUsageFlags usage;
        std::shared_ptr<const ConversionObject> conversion;
        Owned<VkImageView, &Functions::DestroyImageView> handle{};
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
