// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/commonbuf.hpp>
#include <commonbuf/vulkan.hpp>

#include <vulkan/vulkan.h>

/// A drawing for a GPU with graphics, in place of a program's own: bands of colour from left to
/// right, in a render pass.
class Bands {
public:
    explicit Bands(VkDevice device) : device_(device) {}
    ~Bands();
    Bands(const Bands&) = delete;
    Bands& operator=(const Bands&) = delete;

    /// Records it, once, for an image in VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL, which stays
    /// so. Image and this have to live until the GPU has done it.
    commonbuf::Status record(VkCommandBuffer commands, const commonbuf::vulkan::Image& image);

    /// The same by CPU, into XRGB8888: to compare.
    static commonbuf::Status draw(const commonbuf::Buffer& buffer, commonbuf::Deadline deadline);

private:
    commonbuf::Status make(VkImageView view, VkFormat format, VkExtent2D extent);

    VkDevice device_;
    VkRenderPass pass_ = VK_NULL_HANDLE;
    VkFramebuffer framebuffer_ = VK_NULL_HANDLE;
};
