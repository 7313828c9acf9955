// SPDX-License-Identifier: MIT
#include "bands.hpp"

#include "one_shot.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace cb = commonbuf;

namespace {

constexpr std::array<std::array<std::uint8_t, 3>, 5> colours{
    {{255, 255, 255}, {255, 255, 0}, {0, 255, 0}, {255, 0, 0}, {0, 0, 255}}};

/// Where a band begins; the last one ends where one more would begin.
std::uint32_t left_of(std::size_t band, std::uint32_t width)
{
    return static_cast<std::uint32_t>(band * width / colours.size());
}

} // namespace

Bands::~Bands()
{
    vkDestroyFramebuffer(device_, framebuffer_, nullptr);
    vkDestroyRenderPass(device_, pass_, nullptr);
}

cb::Status Bands::record(VkCommandBuffer commands, const cb::vulkan::Image& image)
{
    const auto view = image.view();
    if (!view)
        return view.error();
    const VkExtent2D extent = image.extent();
    if (auto made = make(*view, image.format(), extent); !made)
        return made;
    VkRenderPassBeginInfo begin{};
    begin.sType = VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO;
    begin.renderPass = pass_;
    begin.framebuffer = framebuffer_;
    begin.renderArea.extent = extent;
    vkCmdBeginRenderPass(commands, &begin, VK_SUBPASS_CONTENTS_INLINE);
    for (std::size_t band = 0; band < colours.size(); ++band) {
        const auto channel = [&](std::size_t number) { return static_cast<float>(colours.at(band).at(number)) / 255; };
        VkClearAttachment colour{};
        colour.aspectMask = VK_IMAGE_ASPECT_COLOR_BIT;
        colour.clearValue.color = {{channel(0), channel(1), channel(2), 1}};
        const std::uint32_t left = left_of(band, extent.width);
        const std::uint32_t right = left_of(band + 1, extent.width);
        const VkClearRect where{{{static_cast<std::int32_t>(left), 0}, {right - left, extent.height}}, 0, 1};
        vkCmdClearAttachments(commands, 1, &colour, 1, &where);
    }
    vkCmdEndRenderPass(commands);
    return {};
}

cb::Status Bands::make(VkImageView view, VkFormat format, VkExtent2D extent)
{
    VkAttachmentDescription attachment{};
    attachment.format = format;
    attachment.samples = VK_SAMPLE_COUNT_1_BIT;
    attachment.loadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE;
    attachment.storeOp = VK_ATTACHMENT_STORE_OP_STORE;
    attachment.stencilLoadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE;
    attachment.stencilStoreOp = VK_ATTACHMENT_STORE_OP_DONT_CARE;
    attachment.initialLayout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL;
    attachment.finalLayout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL;
    const VkAttachmentReference reference{0, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL};
    VkSubpassDescription subpass{};
    subpass.pipelineBindPoint = VK_PIPELINE_BIND_POINT_GRAPHICS;
    subpass.colorAttachmentCount = 1;
    subpass.pColorAttachments = &reference;
    VkRenderPassCreateInfo pass{};
    pass.sType = VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO;
    pass.attachmentCount = 1;
    pass.pAttachments = &attachment;
    pass.subpassCount = 1;
    pass.pSubpasses = &subpass;
    if (auto made = vulkan_status(vkCreateRenderPass(device_, &pass, nullptr, &pass_), "vkCreateRenderPass"); !made)
        return made;
    VkFramebufferCreateInfo framebuffer{};
    framebuffer.sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO;
    framebuffer.renderPass = pass_;
    framebuffer.attachmentCount = 1;
    framebuffer.pAttachments = &view;
    framebuffer.width = extent.width;
    framebuffer.height = extent.height;
    framebuffer.layers = 1;
    return vulkan_status(vkCreateFramebuffer(device_, &framebuffer, nullptr, &framebuffer_), "vkCreateFramebuffer");
}

cb::Status Bands::draw(const cb::Buffer& buffer, cb::Deadline deadline)
{
    auto access = buffer.write(deadline);
    if (!access)
        return access.error();
    const cb::Layout& layout = buffer.layout();
    for (std::size_t y = 0; y < layout.height; ++y) {
        const auto row = access->plane(0).subspan(y * layout.planes[0].stride);
        for (std::size_t band = 0; band < colours.size(); ++band) {
            const auto [red, green, blue] = colours.at(band);
            const std::array pixel{std::byte{blue}, std::byte{green}, std::byte{red}, std::byte{0xff}};
            for (std::size_t x = left_of(band, layout.width); x < left_of(band + 1, layout.width); ++x)
                std::copy(pixel.begin(), pixel.end(), row.subspan(x * pixel.size()).begin());
        }
    }
    return access->end();
}
