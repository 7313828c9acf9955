// SPDX-License-Identifier: MIT
//
// Proof by content for images: the GPU copies between the image in question and memory of
// its own, and the CPU looks at both. A use that reads gets a picture that the CPU drew into
// the buffer; one that writes finds the picture in the GPU's memory.
#include "backends/vulkan/image.hpp"
#include "backends/vulkan/image_support.hpp"
#include "backends/vulkan/importers.hpp"
#include "backends/vulkan/session.hpp"
#include "buffer/buffer_state.hpp"
#include "verify/compare.hpp"
#include "base/text.hpp"

#include <array>

namespace commonbuf::vulkan {
namespace {

constexpr VkImageUsageFlags reading = VK_IMAGE_USAGE_SAMPLED_BIT | VK_IMAGE_USAGE_STORAGE_BIT |
                                      VK_IMAGE_USAGE_INPUT_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT;
constexpr VkImageUsageFlags writing =
    VK_IMAGE_USAGE_STORAGE_BIT | VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT;

Content not_checked(std::string reason)
{
    Content content;
    content.reason = std::move(reason);
    return content;
}

enum class Way : std::uint8_t { from_image, to_image };

class Copier {
public:
    Copier(const Context& context, std::shared_ptr<Session> session, const Layout& own)
        : context_(context),
          session_(std::move(session)),
          own_(own)
    {}

    content::View own() const { return {own_, {session_->bytes()}}; }

    Status copy(VkImage image, Way way, Deadline deadline)
    {
        return session_->run([&](VkCommandBuffer commands) { record(commands, image, way); }, deadline);
    }

private:
    void record(VkCommandBuffer commands, VkImage image, Way way)
    {
        const bool reads = way == Way::from_image;
        const std::uint32_t others =
            context_.has(Need::queue_family_foreign) ? VK_QUEUE_FAMILY_FOREIGN_EXT : VK_QUEUE_FAMILY_EXTERNAL;
        const VkImageLayout used = reads ? VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL : VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL;
        VkImageMemoryBarrier barrier{};
        barrier.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER;
        barrier.dstAccessMask = reads ? VK_ACCESS_TRANSFER_READ_BIT : VK_ACCESS_TRANSFER_WRITE_BIT;
        // What is there counts, also in what a copy does not touch.
        barrier.oldLayout = VK_IMAGE_LAYOUT_GENERAL;
        barrier.newLayout = used;
        barrier.srcQueueFamilyIndex = others;
        barrier.dstQueueFamilyIndex = context_.queue_family();
        barrier.image = image;
        barrier.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
        const Functions& vk = context_.vk();
        vk.CmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 0,
                              nullptr, 0, nullptr, 1, &barrier);
        const auto regions = planes();
        if (reads)
            vk.CmdCopyImageToBuffer(commands, image, used, session_->buffer(), own_.plane_count, regions.data());
        else
            vk.CmdCopyBufferToImage(commands, session_->buffer(), image, used, own_.plane_count, regions.data());
        barrier.srcAccessMask = reads ? 0U : unsigned{VK_ACCESS_TRANSFER_WRITE_BIT};
        barrier.dstAccessMask = 0;
        barrier.oldLayout = used;
        barrier.newLayout = VK_IMAGE_LAYOUT_GENERAL;
        barrier.srcQueueFamilyIndex = context_.queue_family();
        barrier.dstQueueFamilyIndex = others;
        // The copy's own bytes, for the CPU.
        VkMemoryBarrier host{};
        host.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
        host.srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT;
        host.dstAccessMask = VK_ACCESS_HOST_READ_BIT;
        vk.CmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
                              VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT | VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &host, 0,
                              nullptr, 1, &barrier);
    }

    std::array<VkBufferImageCopy, max_planes> planes() const
    {
        std::array<VkBufferImageCopy, max_planes> regions{};
        const FormatInfo& info = *format_info(own_.format);
        for (std::uint32_t i = 0; i < own_.plane_count; ++i) {
            VkBufferImageCopy& region = regions.at(i);
            region.bufferOffset = own_.planes.at(i).offset;
            const VkImageAspectFlags aspect = own_.plane_count == 1
                                                  ? VkImageAspectFlags{VK_IMAGE_ASPECT_COLOR_BIT}
                                                  : VkImageAspectFlags{VK_IMAGE_ASPECT_PLANE_0_BIT} << i;
            region.imageSubresource = {aspect, 0, 0, 1};
            const std::uint32_t hsub = info.planes.at(i).hsub;
            region.imageExtent = {(own_.width + hsub - 1) / hsub, plane_rows(info, i, own_.height), 1};
        }
        return regions;
    }

    const Context& context_;
    std::shared_ptr<Session> session_;
    Layout own_;
};

/// One frame in one direction.
Status look(Copier& copier, const Buffer& buffer, VkImage image, Way way, std::uint32_t frame, Deadline deadline,
            Content& content)
{
    content::Picture expected;
    const std::byte before = content::canary(frame);
    {
        auto access = buffer.write(deadline);
        if (!access)
            return access.error();
        const content::View there{buffer.layout(), buffer.state().bytes()};
        content::fill(there, before);
        content::fill(copier.own(), before);
        const content::View& drawn = way == Way::from_image ? there : copier.own();
        content::draw(drawn, frame);
        expected = content::Picture(drawn);
        if (Status ended = access->end(); !ended)
            return ended;
    }
    if (Status copied = copier.copy(image, way, deadline); !copied)
        return copied;
    auto access = buffer.read(deadline);
    if (!access)
        return access.error();
    const content::View there{buffer.layout(), buffer.state().bytes()};
    const content::View found = way == Way::from_image ? copier.own() : there;
    const auto comparison = content::compare(expected, found);
    if (comparison.first && !content.first) {
        const auto guess = way == Way::from_image ? content::guess(content::Picture(found), there, std::nullopt)
                                                  : content::guess(expected, there, before);
        content.cause = guess.cause;
        content.reason = guess.reason;
    }
    content::add(content, frame, comparison);
    return access->end();
}

} // namespace

Result<Content> verify_images(const std::shared_ptr<Context>& context, const ImageUsage& asked,
                              std::span<const Buffer> buffers, std::uint32_t frames, Deadline deadline)
{
    const Layout& layout = buffers[0].layout();
    if (layout.modifier != linear)
        return not_checked("only a GPU can read " + to_string(layout.modifier));
    ImageUsage usage = asked;
    const bool reads = (asked.flags & reading) != 0;
    const bool writes = (asked.flags & writing) != 0;
    usage.flags |= reads ? unsigned{VK_IMAGE_USAGE_TRANSFER_SRC_BIT} : 0U;
    usage.flags |= writes ? unsigned{VK_IMAGE_USAGE_TRANSFER_DST_BIT} : 0U;
    // Rows without padding, which is what copies without bufferRowLength are made of.
    constexpr std::uint64_t texels = 16;
    const FormatInfo* info = format_info(layout.format);
    if (info == nullptr)
        return not_checked("the library does not know the pixels of " + to_string(layout.format));
    const auto own =
        linear_layout({layout.format, layout.width, layout.height},
                      static_cast<std::uint32_t>(min_stride(*info, 0, layout.width)), Memories::single, 0, texels);
    if (!own)
        return own.error();

    std::vector<std::shared_ptr<ImageObject>> images;
    for (const Buffer& buffer : buffers) {
        std::vector<int> memories;
        for (std::uint32_t i = 0; i < layout.memory_count; ++i)
            memories.push_back(buffer.dma_buf_fd(i));
        auto image = ImageObject::create(context, layout, usage, memories);
        if (!image && usage.flags != asked.flags && image.error().category == Category::unsupported)
            return not_checked("the device copies no such images: " + image.error().message());
        if (!image)
            return image.error();
        images.push_back(std::move(*image));
    }
    auto session = Session::create(context, own->total_size());
    if (!session && session.error().category == Category::unsupported)
        return not_checked(session.error().message());
    if (!session)
        return session.error();

    Content content;
    content.stage = "copies by the GPU to and from memory of its own";
    Copier copier(*context, *session, *own);
    Status looked;
    for (std::uint32_t i = 0; i < frames && looked; ++i) {
        const std::size_t index = i % buffers.size();
        const bool back = writes && (!reads || i % 2 != 0);
        looked = look(copier, buffers[index], images[index]->bare().handle(), back ? Way::to_image : Way::from_image, i,
                      deadline, content);
    }
    if ((*session)->is_pending()) {
        // Nothing may be destroyed that the GPU may still be working on.
        context->abandon(*session);
        for (const auto& image : images)
            context->abandon(image);
    }
    if (!looked)
        return looked.error();
    if (content.result == Sameness::not_checked)
        content.result = Sameness::same;
    return content;
}

} // namespace commonbuf::vulkan
