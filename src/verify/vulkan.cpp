// SPDX-License-Identifier: MIT
//
// Proof by content of images: the GPU copies between the image in question and memory of its own,
// and the CPU looks at both. A use that reads gets a picture that the CPU drew into the buffer; one
// that writes finds the picture in the GPU's memory.
#include "base/text.hpp"
#include "verify/compare.hpp"
#include "verify/gpu_session.hpp"
#include "verify/look.hpp"
#include "verify/provers.hpp"

#include <commonbuf/vulkan/barrier.hpp>

#include <array>
#include <utility>
#include <vector>

namespace commonbuf::content {
namespace {

constexpr VkImageUsageFlags reading = VK_IMAGE_USAGE_SAMPLED_BIT | VK_IMAGE_USAGE_STORAGE_BIT |
                                      VK_IMAGE_USAGE_INPUT_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT;
constexpr VkImageUsageFlags writing =
    VK_IMAGE_USAGE_STORAGE_BIT | VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT;

enum class Way : std::uint8_t { from_image, to_image };

class Copier {
public:
    Copier(std::shared_ptr<GpuSession> session, const Layout& own) : session_(std::move(session)), own_(own) {}

    View own() const { return {own_, {session_->bytes()}}; }

    Status copy(VkImage image, Way way, Deadline deadline)
    {
        return session_->run([&](VkCommandBuffer commands) { record(commands, image, way); }, deadline);
    }

private:
    void record(VkCommandBuffer commands, VkImage image, Way way)
    {
        const bool reads = way == Way::from_image;
        const vulkan::Families families = vulkan::families(session_->device());
        const vulkan::Work work{VK_PIPELINE_STAGE_2_TRANSFER_BIT,
                                reads ? VK_ACCESS_2_TRANSFER_READ_BIT : VK_ACCESS_2_TRANSFER_WRITE_BIT,
                                reads ? VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL : VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL};
        const auto barrier = session_->function<PFN_vkCmdPipelineBarrier>("vkCmdPipelineBarrier");
        // What is there counts, also in what a copy does not touch: Contents::kept.
        const auto acquire = vulkan::without_synchronization2(acquire_image(families, image, work));
        barrier(commands, acquire.source, acquire.destination, 0, 0, nullptr, 0, nullptr, 1, &acquire.barrier);
        const auto regions = planes();
        if (reads)
            session_->function<PFN_vkCmdCopyImageToBuffer>("vkCmdCopyImageToBuffer")(
                commands, image, work.layout, session_->buffer(), own_.plane_count, regions.data());
        else
            session_->function<PFN_vkCmdCopyBufferToImage>("vkCmdCopyBufferToImage")(
                commands, session_->buffer(), image, work.layout, own_.plane_count, regions.data());
        const auto release = vulkan::without_synchronization2(release_image(families, image, work));
        // The copy's own bytes, for the CPU.
        const VkMemoryBarrier host{.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                   .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
                                   .dstAccessMask = VK_ACCESS_HOST_READ_BIT};
        barrier(commands, release.source, release.destination | VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &host, 0, nullptr, 1,
                &release.barrier);
    }

    std::array<VkBufferImageCopy, max_planes> planes() const
    {
        std::array<VkBufferImageCopy, max_planes> regions{};
        const FormatInfo& info = *format_info(own_.format);
        for (std::uint32_t i = 0; i < own_.plane_count; ++i) {
            const VkImageAspectFlags aspect = own_.plane_count == 1
                                                  ? VkImageAspectFlags{VK_IMAGE_ASPECT_COLOR_BIT}
                                                  : VkImageAspectFlags{VK_IMAGE_ASPECT_PLANE_0_BIT} << i;
            const std::uint32_t hsub = info.planes.at(i).hsub;
            regions.at(i) = {.bufferOffset = own_.planes.at(i).offset,
                             .imageSubresource = {aspect, 0, 0, 1},
                             .imageExtent = {(own_.width + hsub - 1) / hsub, plane_rows(info, i, own_.height), 1}};
        }
        return regions;
    }

    std::shared_ptr<GpuSession> session_;
    Layout own_;
};

/// One frame in one direction.
Status copy_and_look(Copier& copier, const Buffer& buffer, VkImage image, Way way, std::uint32_t frame,
                     Deadline deadline, Content& content)
{
    Picture expected;
    const std::byte before = canary(frame);
    Status done = look(buffer, Access::write, deadline, [&](const View& there) {
        fill(there, before);
        fill(copier.own(), before);
        const View drawn = way == Way::from_image ? there : copier.own();
        draw(drawn, frame);
        expected = Picture(drawn);
    });
    if (done)
        done = copier.copy(image, way, deadline);
    if (!done)
        return done;
    return look(buffer, Access::read, deadline, [&](const View& there) {
        if (way == Way::to_image)
            return add(content, frame, expected, there, before);
        const auto comparison = compare(expected, copier.own());
        if (comparison.first && !content.first)
            note(content, guess(Picture(copier.own()), there, std::nullopt));
        add(content, frame, comparison);
    });
}

} // namespace

Result<Content> verify_images(const vulkan::UsedImages& images, const Stream& stream)
{
    const Layout& layout = stream.layout();
    if (layout.modifier != linear)
        return not_checked("only a GPU can read " + to_string(layout.modifier));
    const VkImageUsageFlags asked = images.usage.flags;
    const bool reads = (asked & reading) != 0;
    const bool writes = (asked & writing) != 0;
    vulkan::ImageUsage usage = images.usage;
    usage.flags |= reads ? unsigned{VK_IMAGE_USAGE_TRANSFER_SRC_BIT} : 0U;
    usage.flags |= writes ? unsigned{VK_IMAGE_USAGE_TRANSFER_DST_BIT} : 0U;
    // Rows without padding, as copies without bufferRowLength have them.
    constexpr std::uint64_t texels = 16;
    const FormatInfo* info = format_info(layout.format);
    if (info == nullptr)
        return not_checked("the library does not know the pixels of " + to_string(layout.format));
    const auto own =
        linear_layout({layout.format, layout.width, layout.height},
                      static_cast<std::uint32_t>(min_stride(*info, 0, layout.width)), Memories::single, 0, texels);
    if (!own)
        return own.error();

    const auto twins = twins_of(stream.buffers);
    if (!twins)
        return twins.error();
    std::vector<vulkan::Image> imported;
    for (const Buffer& buffer : *twins) {
        auto image = images.device.import_image(buffer, usage);
        if (!image && usage.flags != asked && image.error().category == Category::unsupported)
            return not_checked("the device copies no such images: " + image.error().message());
        if (!image)
            return image.error();
        imported.push_back(std::move(*image));
    }
    auto session = GpuSession::create(images.device, own->total_size());
    if (!session && session.error().category == Category::unsupported)
        return not_checked(session.error().message());
    if (!session)
        return session.error();

    Content content{.stage = "copies by the GPU to and from memory of its own"};
    Copier copier(*session, *own);
    Status done;
    for (std::uint32_t i = 0; i < stream.frames && done; ++i) {
        const std::size_t index = i % twins->size();
        const bool back = writes && (!reads || i % 2 != 0);
        done = copy_and_look(copier, (*twins)[index], imported[index].handle(), back ? Way::to_image : Way::from_image,
                             i, stream.deadline, content);
    }
    if ((*session)->is_pending()) {
        // Nothing may be destroyed that the GPU may be working on, now or for ever.
        static auto& abandoned = *new std::vector<std::pair<std::shared_ptr<GpuSession>, std::vector<vulkan::Image>>>;
        abandoned.emplace_back(*session, std::move(imported));
    }
    if (!done)
        return done.error();
    return finished(std::move(content));
}

} // namespace commonbuf::content
