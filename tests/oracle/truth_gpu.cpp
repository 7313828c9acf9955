// SPDX-License-Identifier: MIT
//
// A GPU: it copies between the buffers and memory of its own, and the CPU looks at both.
#include "truth_device.hpp"
#include "truth_vulkan.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <deque>

namespace truth {
namespace {

constexpr VkImageUsageFlags copies = VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT;

/// A VkImage and its memory.
class Image {
public:
    Image(const Gpu& gpu, const Buffer& buffer, VkImageUsageFlags usage) : gpu_(gpu)
    {
        image_ = gpu.make_image(buffer.layout(), usage);
        try {
            bind(buffer);
        } catch (...) {
            free();
            throw;
        }
    }
    Image(const Image&) = delete;
    Image& operator=(const Image&) = delete;
    ~Image() { free(); }

    VkImage get() const noexcept { return image_; }

private:
    void bind(const Buffer& buffer)
    {
        VkMemoryRequirements needs{};
        gpu_.vk().GetImageMemoryRequirements(gpu_.device(), image_, &needs);
        if (needs.size > buffer.size(0))
            throw Refused("the image needs " + std::to_string(needs.size) + " bytes, and the memory has " +
                          std::to_string(buffer.size(0)));
        VkMemoryFdPropertiesKHR memory{};
        memory.sType = VK_STRUCTURE_TYPE_MEMORY_FD_PROPERTIES_KHR;
        check(gpu_.vk().GetMemoryFdPropertiesKHR(gpu_.device(), VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
                                                 buffer.fd(0), &memory),
              "vkGetMemoryFdPropertiesKHR");
        VkMemoryDedicatedAllocateInfo dedicated{};
        dedicated.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO;
        dedicated.image = image_;
        VkImportMemoryFdInfoKHR import{};
        import.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR;
        import.pNext = &dedicated;
        import.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;
        import.fd = ::fcntl(buffer.fd(0), F_DUPFD_CLOEXEC, 3);
        VkMemoryAllocateInfo info{};
        info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
        info.pNext = &import;
        info.allocationSize = needs.size;
        info.memoryTypeIndex = gpu_.memory_type(needs.memoryTypeBits & memory.memoryTypeBits, 0);
        if (const VkResult result = gpu_.vk().AllocateMemory(gpu_.device(), &info, nullptr, &memory_);
            result != VK_SUCCESS) {
            ::close(import.fd); // it became the device's on success only
            check(result, "vkAllocateMemory");
        }
        check(gpu_.vk().BindImageMemory(gpu_.device(), image_, memory_, 0), "vkBindImageMemory");
    }

    void free()
    {
        gpu_.vk().DestroyImage(gpu_.device(), image_, nullptr);
        if (memory_ != VK_NULL_HANDLE)
            gpu_.vk().FreeMemory(gpu_.device(), memory_, nullptr);
    }

    const Gpu& gpu_;
    VkImage image_ = VK_NULL_HANDLE;
    VkDeviceMemory memory_ = VK_NULL_HANDLE;
};

/// Memory that the CPU sees, with the picture's rows one after the other.
class Staging {
public:
    Staging(const Gpu& gpu, const Layout& image) : gpu_(gpu)
    {
        const Shape& shape = *shape_of(image.fourcc);
        layout_ = {image.fourcc, 0, image.width, image.height, {}, {}};
        constexpr std::uint64_t step = 48; // a multiple of every texel's bytes, and of 4
        std::uint64_t offset = 0;
        for (std::size_t i = 0; i < shape.planes.size(); ++i) {
            const std::uint64_t row = shape.row_bytes(i, image.width);
            layout_.planes.push_back({0, static_cast<std::uint32_t>(row), offset});
            offset = (offset + row * shape.rows(i, image.height) + step - 1) / step * step;
        }
        layout_.memories = {offset};
        VkBufferCreateInfo buffer{};
        buffer.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
        buffer.size = offset;
        buffer.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
        check(gpu.vk().CreateBuffer(gpu.device(), &buffer, nullptr, &buffer_), "vkCreateBuffer");
        VkMemoryRequirements needs{};
        gpu.vk().GetBufferMemoryRequirements(gpu.device(), buffer_, &needs);
        VkMemoryAllocateInfo info{};
        info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
        info.allocationSize = needs.size;
        info.memoryTypeIndex = gpu.memory_type(needs.memoryTypeBits, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                                                         VK_MEMORY_PROPERTY_HOST_COHERENT_BIT);
        check(gpu.vk().AllocateMemory(gpu.device(), &info, nullptr, &memory_), "vkAllocateMemory");
        check(gpu.vk().BindBufferMemory(gpu.device(), buffer_, memory_, 0), "vkBindBufferMemory");
        void* start = nullptr;
        check(gpu.vk().MapMemory(gpu.device(), memory_, 0, VK_WHOLE_SIZE, 0, &start), "vkMapMemory");
        bytes_ = {static_cast<std::byte*>(start), static_cast<std::size_t>(offset)};
    }
    Staging(const Staging&) = delete;
    Staging& operator=(const Staging&) = delete;
    ~Staging()
    {
        gpu_.vk().DestroyBuffer(gpu_.device(), buffer_, nullptr);
        gpu_.vk().FreeMemory(gpu_.device(), memory_, nullptr);
    }

    void write(const Picture& picture) const { write_picture(picture, layout_, {bytes_}); }

    void copy_to(VkImage image) const { copy(image, true); }

    Picture copy_from(VkImage image) const
    {
        constexpr std::byte canary{0x5a};
        fill({bytes_}, canary);
        copy(image, false);
        return read_picture(layout_, {bytes_});
    }

private:
    void copy(VkImage image, bool to_image) const
    {
        const Shape& shape = *shape_of(layout_.fourcc);
        std::vector<VkBufferImageCopy> regions;
        for (std::size_t i = 0; i < layout_.planes.size(); ++i) {
            const PlaneShape& plane = shape.planes[i];
            // Packed 4:2:2 is one plane of whole pixels.
            const std::uint32_t hsub = layout_.planes.size() == 1 ? 1 : plane.hsub;
            VkBufferImageCopy region{};
            region.bufferOffset = layout_.planes[i].offset;
            region.imageSubresource.aspectMask = layout_.planes.size() == 1
                                                     ? VkImageAspectFlags{VK_IMAGE_ASPECT_COLOR_BIT}
                                                     : VkImageAspectFlags{VK_IMAGE_ASPECT_PLANE_0_BIT} << i;
            region.imageSubresource.layerCount = 1;
            region.imageExtent = {(layout_.width + hsub - 1) / hsub, shape.rows(i, layout_.height), 1};
            regions.push_back(region);
        }
        const auto count = static_cast<std::uint32_t>(regions.size());
        gpu_.run([&](VkCommandBuffer commands) {
            const VkImageLayout work =
                to_image ? VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL : VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL;
            const VkAccessFlags access = to_image ? VK_ACCESS_TRANSFER_WRITE_BIT : VK_ACCESS_TRANSFER_READ_BIT;
            VkImageMemoryBarrier barrier{};
            barrier.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER;
            barrier.image = image;
            barrier.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
            barrier.dstAccessMask = access;
            barrier.oldLayout = VK_IMAGE_LAYOUT_GENERAL;
            barrier.newLayout = work;
            barrier.srcQueueFamilyIndex = VK_QUEUE_FAMILY_FOREIGN_EXT;
            barrier.dstQueueFamilyIndex = gpu_.family();
            gpu_.vk().CmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, VK_PIPELINE_STAGE_TRANSFER_BIT, 0,
                                         0, nullptr, 0, nullptr, 1, &barrier);
            if (to_image)
                gpu_.vk().CmdCopyBufferToImage(commands, buffer_, image, work, count, regions.data());
            else
                gpu_.vk().CmdCopyImageToBuffer(commands, image, work, buffer_, count, regions.data());
            barrier.srcAccessMask = access;
            barrier.dstAccessMask = 0;
            barrier.oldLayout = work;
            barrier.newLayout = VK_IMAGE_LAYOUT_GENERAL;
            std::swap(barrier.srcQueueFamilyIndex, barrier.dstQueueFamilyIndex);
            VkMemoryBarrier host{};
            host.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
            host.srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT;
            host.dstAccessMask = VK_ACCESS_HOST_READ_BIT;
            gpu_.vk().CmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
                                         VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT | VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &host,
                                         0, nullptr, 1, &barrier);
        });
    }

    const Gpu& gpu_;
    Layout layout_;
    VkBuffer buffer_ = VK_NULL_HANDLE;
    VkDeviceMemory memory_ = VK_NULL_HANDLE;
    std::span<std::byte> bytes_;
};

class GpuDevice final : public Device {
public:
    GpuDevice(const Use& use, const Layout& layout)
        : layout_(layout),
          gpu_(Gpu::named(use.path)),
          usage_(use.usage | copies),
          staging_(gpu_, layout)
    {
        if (const std::string why = gpu_.refusal(layout, use.usage); !why.empty())
            throw Refused(why);
        if (const std::string why = gpu_.refusal(layout, usage_); !why.empty())
            throw Unknowable("the device copies no such images: " + why);
        // Mesa's lavapipe takes the first memory for all planes, and work on such images crashes.
        if (layout.memories.size() > 1)
            throw Unknowable("nobody here tries disjoint images");
    }

    void take(const std::vector<Buffer>& buffers) override
    {
        for (const Buffer& buffer : buffers)
            images_.push_back(std::make_unique<Image>(gpu_, buffer, usage_));
    }

    void give(std::size_t buffer) override { given_.push_back(buffer); }

    Frame next(std::uint32_t seed) override
    {
        const std::size_t buffer = given_.front();
        given_.pop_front();
        Picture picture = draw(*shape_of(layout_.fourcc), layout_.width, layout_.height, seed);
        staging_.write(picture);
        staging_.copy_to(images_[buffer]->get());
        return {buffer, std::move(picture)};
    }

    void stop() override { given_.clear(); }

    void see(std::size_t buffer, const Picture& picture) override
    {
        expect_same(picture, staging_.copy_from(images_[buffer]->get()), "the GPU sees another picture");
    }

private:
    Layout layout_;
    const Gpu& gpu_;
    VkImageUsageFlags usage_;
    Staging staging_;
    std::vector<std::unique_ptr<Image>> images_;
    std::deque<std::size_t> given_;
};

Fd export_memory(const Gpu& gpu, const VkMemoryRequirements& needs, std::uint64_t bytes, const void* dedicated)
{
    VkExportMemoryAllocateInfo exported{};
    exported.sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO;
    exported.pNext = dedicated;
    exported.handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;
    VkMemoryAllocateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
    info.pNext = &exported;
    info.allocationSize = dedicated != nullptr ? needs.size : std::max(needs.size, bytes);
    info.memoryTypeIndex = gpu.memory_type(needs.memoryTypeBits, 0);
    VkDeviceMemory memory = VK_NULL_HANDLE;
    check(gpu.vk().AllocateMemory(gpu.device(), &info, nullptr, &memory), "vkAllocateMemory");
    VkMemoryGetFdInfoKHR get{};
    get.sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR;
    get.memory = memory;
    get.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;
    int fd = -1;
    const VkResult result = gpu.vk().GetMemoryFdKHR(gpu.device(), &get, &fd);
    gpu.vk().FreeMemory(gpu.device(), memory, nullptr); // the dma-buf keeps what it needs
    check(result, "vkGetMemoryFdKHR");
    return Fd(fd);
}

Fd export_bytes(const Gpu& gpu, std::uint64_t bytes)
{
    VkExternalMemoryBufferCreateInfo external{};
    external.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO;
    external.handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;
    VkBufferCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
    info.pNext = &external;
    info.size = bytes;
    info.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
    VkBuffer buffer = VK_NULL_HANDLE;
    check(gpu.vk().CreateBuffer(gpu.device(), &info, nullptr, &buffer), "vkCreateBuffer");
    VkMemoryRequirements needs{};
    gpu.vk().GetBufferMemoryRequirements(gpu.device(), buffer, &needs);
    gpu.vk().DestroyBuffer(gpu.device(), buffer, nullptr);
    return export_memory(gpu, needs, bytes, nullptr);
}

} // namespace

std::unique_ptr<Device> open_gpu(const Use& use, const Layout& layout)
{
    return std::make_unique<GpuDevice>(use, layout);
}

std::vector<Fd> allocate_vulkan(const Heap& heap, const Layout& layout)
{
    const Gpu& gpu = Gpu::named(heap.path);
    std::vector<Fd> memories;
    // Memory of an image where there are such images, and of bytes elsewhere.
    if (layout.memories.size() > 1 || !gpu.refusal(layout, heap.flags).empty()) {
        for (const std::uint64_t bytes : layout.memories)
            memories.push_back(export_bytes(gpu, bytes));
        return memories;
    }
    const VkImage image = gpu.make_image(layout, heap.flags);
    VkMemoryRequirements needs{};
    gpu.vk().GetImageMemoryRequirements(gpu.device(), image, &needs);
    VkMemoryDedicatedAllocateInfo dedicated{};
    dedicated.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO;
    dedicated.image = image;
    try {
        // A dedicated allocation has the image's own size, which may be less than the layout's.
        memories.push_back(
            export_memory(gpu, needs, layout.memories[0], needs.size >= layout.memories[0] ? &dedicated : nullptr));
    } catch (...) {
        gpu.vk().DestroyImage(gpu.device(), image, nullptr);
        throw;
    }
    gpu.vk().DestroyImage(gpu.device(), image, nullptr);
    return memories;
}

} // namespace truth
