// SPDX-License-Identifier: MIT
//
// Memory between Vulkan objects: the cases of the public conformance tests for external memory
// and for modifiers, through commonbuf on one side or on both. docs/testing.md has the list.
#include "gpu.hpp"
#include "socket.hpp"

#include <drm_fourcc.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <set>
#include <tuple>

namespace {

namespace cb = commonbuf;
namespace vulkan = cb::vulkan;
using namespace std::chrono_literals;

constexpr std::uint32_t foreign = VK_QUEUE_FAMILY_FOREIGN_EXT;
constexpr VkImageUsageFlags image_copies = VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT;
constexpr VkBufferUsageFlags buffer_copies = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
const cb::Request request{DRM_FORMAT_XRGB8888, 61, 47};

using Identity = std::pair<dev_t, ino_t>;

Identity identity(int fd)
{
    struct stat found {};
    EXPECT_EQ(fstat(fd, &found), 0);
    return {found.st_dev, found.st_ino};
}

class VulkanMemory : public GpuTest {
protected:
    static void fill(const Gpu& gpu, VkImage image, float red)
    {
        gpu.run([&](VkCommandBuffer commands) {
            gpu.barrier(commands, image, VK_IMAGE_LAYOUT_UNDEFINED, VK_IMAGE_LAYOUT_GENERAL, foreign, gpu.family);
            const VkImageSubresourceRange all{VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
            const VkClearColorValue colour{{red, 0, 0, 1}};
            gpu.get<PFN_vkCmdClearColorImage>("vkCmdClearColorImage")(commands, image, VK_IMAGE_LAYOUT_GENERAL, &colour,
                                                                      1, &all);
            gpu.barrier(commands, image, VK_IMAGE_LAYOUT_GENERAL, VK_IMAGE_LAYOUT_GENERAL, gpu.family, foreign);
        });
    }

    /// The red of every pixel, if it is the same, as the GPU reads it from the image; -1 otherwise.
    static int red(const Gpu& gpu, VkImage image)
    {
        const auto plan =
            cb::Allocator().plan({DRM_FORMAT_XRGB8888, request.width, request.height},
                                 {gpu.wrapped->buffer_use(buffer_copies), cb::cpu(cb::Access::read_write)});
        EXPECT_TRUE(plan) << plan.error().message();
        const auto target = plan->allocate();
        EXPECT_TRUE(target) << target.error().message();
        const auto bytes = gpu.wrapped->import_buffer(*target, buffer_copies);
        EXPECT_TRUE(bytes) << bytes.error().message();
        gpu.run([&](VkCommandBuffer commands) {
            gpu.barrier(commands, image, VK_IMAGE_LAYOUT_GENERAL, VK_IMAGE_LAYOUT_GENERAL, foreign, gpu.family);
            VkBufferImageCopy region{};
            region.bufferRowLength = target->layout().planes[0].stride / 4;
            region.imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
            region.imageExtent = {request.width, request.height, 1};
            gpu.get<PFN_vkCmdCopyImageToBuffer>("vkCmdCopyImageToBuffer")(commands, image, VK_IMAGE_LAYOUT_GENERAL,
                                                                          bytes->handle(), 1, &region);
            gpu.barrier(commands, image, VK_IMAGE_LAYOUT_GENERAL, VK_IMAGE_LAYOUT_GENERAL, gpu.family, foreign);
        });
        auto access = target->read(cb::deadline_in(1s));
        EXPECT_TRUE(access) << access.error().message();
        std::set<int> found;
        for (std::uint32_t y = 0; y < request.height; ++y) {
            for (std::uint32_t x = 0; x < request.width; ++x)
                found.insert(std::to_integer<int>(
                    access->plane(0)[std::size_t{y} * target->layout().planes[0].stride + std::size_t{x} * 4 + 2]));
        }
        EXPECT_TRUE(access->end());
        return found.size() == 1 ? *found.begin() : -1;
    }

    static std::shared_ptr<cb::Heap> exporter(const Gpu& gpu)
    {
        return vulkan::heap(*gpu.wrapped, {.flags = image_copies});
    }

    static cb::Result<cb::Buffer> exported(const Gpu& gpu)
    {
        return cb::Allocator({exporter(gpu)})
            .plan(request, {gpu.wrapped->use({.flags = image_copies})})
            .and_then([](const cb::Plan& plan) { return plan.allocate(); });
    }

    /// The same memory through another descriptor, as somebody else would have it.
    static cb::Result<cb::Buffer> same_memory(const cb::Buffer& buffer, cb::UniqueFd fd)
    {
        std::vector<cb::UniqueFd> memories;
        memories.push_back(std::move(fd));
        return cb::Buffer::wrap(buffer.layout(), std::move(memories));
    }

    /// What one writes the other one reads, both ways.
    static void expect_shared(const Gpu& gpu, VkImage one, VkImage other)
    {
        fill(gpu, one, 1.0F);
        EXPECT_EQ(red(gpu, other), 255);
        fill(gpu, other, 0.0F);
        EXPECT_EQ(red(gpu, one), 0);
    }

    static void expect_shared(const Gpu& gpu, const cb::Buffer& buffer, cb::UniqueFd fd)
    {
        const auto other = same_memory(buffer, std::move(fd));
        ASSERT_TRUE(other) << other.error().message();
        const auto first = gpu.wrapped->import_image(buffer, {.flags = image_copies});
        const auto second = gpu.wrapped->import_image(*other, {.flags = image_copies});
        ASSERT_TRUE(first) << first.error().message();
        ASSERT_TRUE(second) << second.error().message();
        ASSERT_NE(first->handle(), second->handle());
        expect_shared(gpu, first->handle(), second->handle());
    }
};

#define NEED_EXPORTS(gpu)                                                                                              \
    if (exporter(gpu)->info().obstacle)                                                                                \
    GTEST_SKIP() << exporter(gpu)->info().obstacle->message()

TEST_F(VulkanMemory, ImportedManyTimesAllSeeTheSame)
{
    NEED_GPU(gpu);
    NEED_EXPORTS(gpu);
    const auto buffer = exported(gpu);
    ASSERT_TRUE(buffer) << buffer.error().message();
    std::vector<cb::Buffer> buffers;
    std::vector<vulkan::Image> images;
    for (int i = 0; i < 16; ++i) {
        auto again = same_memory(*buffer, std::move(*buffer->export_fd()));
        ASSERT_TRUE(again) << again.error().message();
        auto image = gpu.wrapped->import_image(*again, {.flags = image_copies});
        ASSERT_TRUE(image) << image.error().message();
        buffers.push_back(std::move(*again));
        images.push_back(std::move(*image));
    }
    fill(gpu, images.front().handle(), 1.0F);
    for (const vulkan::Image& each : images)
        EXPECT_EQ(red(gpu, each.handle()), 255);
    // The last one is whole when the others are gone.
    buffers.erase(buffers.begin(), buffers.end() - 1);
    images.erase(images.begin(), images.end() - 1);
    fill(gpu, images.front().handle(), 0.0F);
    EXPECT_EQ(red(gpu, images.front().handle()), 0);
}

TEST_F(VulkanMemory, DuplicatesAreTheSameMemory)
{
    NEED_GPU(gpu);
    NEED_EXPORTS(gpu);
    const auto buffer = exported(gpu);
    ASSERT_TRUE(buffer) << buffer.error().message();
    constexpr int place = 200; // far above what is open
    for (const int way : {1, 2, 3}) {
        SCOPED_TRACE("dup" + std::to_string(way));
        const int fd = way == 1   ? dup(buffer->dma_buf_fd(0))
                       : way == 2 ? dup2(buffer->dma_buf_fd(0), place)
                                  : dup3(buffer->dma_buf_fd(0), place + 1, O_CLOEXEC);
        ASSERT_GE(fd, 0);
        expect_shared(gpu, *buffer, cb::UniqueFd(fd));
    }
}

TEST_F(VulkanMemory, ComesThroughASocket)
{
    NEED_GPU(gpu);
    NEED_EXPORTS(gpu);
    const auto buffer = exported(gpu);
    ASSERT_TRUE(buffer) << buffer.error().message();
    expect_shared(gpu, *buffer, through_a_socket(std::move(*buffer->export_fd())));
}

TEST_F(VulkanMemory, ExportedAgainItIsTheSame)
{
    NEED_GPU(gpu);
    NEED_EXPORTS(gpu);
    const auto buffer = exported(gpu);
    ASSERT_TRUE(buffer) << buffer.error().message();
    for (int i = 0; i < 16; ++i) {
        const auto fd = buffer->export_fd();
        ASSERT_TRUE(fd) << fd.error().message();
        EXPECT_EQ(identity(fd->get()), identity(buffer->dma_buf_fd(0)));
    }
    expect_shared(gpu, *buffer, std::move(*buffer->export_fd()));
}

/// An image and its memory as a program makes them that knows nothing of commonbuf: linear, for
/// export as a dma-buf.
class OwnImage {
public:
    OwnImage(const Gpu& gpu, bool dedicated) : gpu_(gpu)
    {
        const std::uint64_t linear = DRM_FORMAT_MOD_LINEAR;
        VkImageDrmFormatModifierListCreateInfoEXT modifiers{};
        modifiers.sType = VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_LIST_CREATE_INFO_EXT;
        modifiers.drmFormatModifierCount = 1;
        modifiers.pDrmFormatModifiers = &linear;
        VkExternalMemoryImageCreateInfo external{};
        external.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO;
        external.pNext = &modifiers;
        external.handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;
        VkImageCreateInfo info{};
        info.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO;
        info.pNext = &external;
        info.imageType = VK_IMAGE_TYPE_2D;
        info.format = VK_FORMAT_B8G8R8A8_UNORM;
        info.extent = {request.width, request.height, 1};
        info.mipLevels = 1;
        info.arrayLayers = 1;
        info.samples = VK_SAMPLE_COUNT_1_BIT;
        info.tiling = VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT;
        info.usage = image_copies;
        EXPECT_EQ(gpu.get<PFN_vkCreateImage>("vkCreateImage")(gpu.device, &info, nullptr, &image_), VK_SUCCESS);
        VkMemoryRequirements needed{};
        gpu.get<PFN_vkGetImageMemoryRequirements>("vkGetImageMemoryRequirements")(gpu.device, image_, &needed);
        VkMemoryDedicatedAllocateInfo alone{};
        alone.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO;
        alone.image = image_;
        allocate(needed, dedicated ? &alone : nullptr);
    }
    ~OwnImage()
    {
        gpu_.get<PFN_vkDestroyImage>("vkDestroyImage")(gpu_.device, image_, nullptr);
        gpu_.get<PFN_vkFreeMemory>("vkFreeMemory")(gpu_.device, memory_, nullptr);
    }
    OwnImage(const OwnImage&) = delete;
    OwnImage& operator=(const OwnImage&) = delete;

    VkImage handle() const { return image_; }

    void bind() const
    {
        ASSERT_EQ(gpu_.get<PFN_vkBindImageMemory>("vkBindImageMemory")(gpu_.device, image_, memory_, 0), VK_SUCCESS);
    }

    /// As the program would describe it to others.
    cb::Result<cb::Buffer> wrap() const
    {
        const VkImageSubresource plane{VK_IMAGE_ASPECT_MEMORY_PLANE_0_BIT_EXT, 0, 0};
        VkSubresourceLayout its{};
        gpu_.get<PFN_vkGetImageSubresourceLayout>("vkGetImageSubresourceLayout")(gpu_.device, image_, &plane, &its);
        cb::Layout layout;
        layout.format = request.format;
        layout.width = request.width;
        layout.height = request.height;
        layout.plane_count = 1;
        layout.memory_count = 1;
        layout.planes[0].offset = its.offset;
        layout.planes[0].stride = static_cast<std::uint32_t>(its.rowPitch);
        layout.planes[0].size = its.rowPitch * request.height;
        VkMemoryGetFdInfoKHR info{};
        info.sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR;
        info.memory = memory_;
        info.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;
        int fd = -1;
        EXPECT_EQ(gpu_.get<PFN_vkGetMemoryFdKHR>("vkGetMemoryFdKHR")(gpu_.device, &info, &fd), VK_SUCCESS);
        std::vector<cb::UniqueFd> memories;
        memories.emplace_back(fd);
        layout.memory_sizes[0] = static_cast<std::uint64_t>(lseek(fd, 0, SEEK_END));
        return cb::Buffer::wrap(layout, std::move(memories));
    }

private:
    void allocate(const VkMemoryRequirements& needed, const void* chain)
    {
        VkExportMemoryAllocateInfo exports{};
        exports.sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO;
        exports.pNext = chain;
        exports.handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;
        VkMemoryAllocateInfo info{};
        info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
        info.pNext = &exports;
        info.allocationSize = needed.size;
        while ((needed.memoryTypeBits >> info.memoryTypeIndex & 1U) == 0)
            ++info.memoryTypeIndex;
        EXPECT_EQ(gpu_.get<PFN_vkAllocateMemory>("vkAllocateMemory")(gpu_.device, &info, nullptr, &memory_),
                  VK_SUCCESS);
    }

    const Gpu& gpu_;
    VkImage image_ = VK_NULL_HANDLE;
    VkDeviceMemory memory_ = VK_NULL_HANDLE;
};

/// Who binds and exports first.
enum class Order : std::uint8_t { bind_export_import, export_bind_import, export_import_bind };

class VulkanBindOrder : public VulkanMemory, public testing::WithParamInterface<std::tuple<Order, bool, bool>> {};

TEST_P(VulkanBindOrder, AnImageOfTheCallersAndOneOfTheLibrarysShareMemory)
{
    NEED_GPU(gpu);
    NEED_EXPORTS(gpu);
    const auto [order, own_dedicated, dedicated] = GetParam();
    const OwnImage own(gpu, own_dedicated);
    if (order == Order::bind_export_import)
        own.bind();
    const auto buffer = own.wrap();
    ASSERT_TRUE(buffer) << buffer.error().message();
    if (order == Order::export_bind_import)
        own.bind();
    const auto image = gpu.wrapped->import_image(*buffer, {.flags = image_copies, .dedicated = dedicated});
    ASSERT_TRUE(image) << image.error().message();
    if (order == Order::export_import_bind)
        own.bind();
    expect_shared(gpu, own.handle(), image->handle());
}

INSTANTIATE_TEST_SUITE_P(All, VulkanBindOrder,
                         testing::Combine(testing::Values(Order::bind_export_import, Order::export_bind_import,
                                                          Order::export_import_bind),
                                          testing::Bool(), testing::Bool()));

TEST_F(VulkanMemory, ABufferReadsWhatAnotherOneWrote)
{
    NEED_GPU(gpu);
    NEED_EXPORTS(gpu);
    const auto buffer = cb::Allocator({exporter(gpu)})
                            .plan(request, {gpu.wrapped->buffer_use(buffer_copies), cb::cpu(cb::Access::read_write)})
                            .and_then([](const cb::Plan& plan) { return plan.allocate(); });
    ASSERT_TRUE(buffer) << buffer.error().message();
    const auto other = same_memory(*buffer, through_a_socket(std::move(*buffer->export_fd())));
    ASSERT_TRUE(other) << other.error().message();
    const auto first = gpu.wrapped->import_buffer(*buffer, buffer_copies);
    const auto second = gpu.wrapped->import_buffer(*other, buffer_copies);
    ASSERT_TRUE(first) << first.error().message();
    ASSERT_TRUE(second) << second.error().message();
    ASSERT_NE(first->memory(), second->memory());
    EXPECT_EQ(first->size(), second->size());
    const auto barrier = [&](VkCommandBuffer commands, VkBuffer bytes, std::uint32_t from, std::uint32_t to) {
        VkBufferMemoryBarrier memory{};
        memory.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER;
        memory.srcAccessMask = from == gpu.family ? VK_ACCESS_TRANSFER_WRITE_BIT : 0;
        memory.dstAccessMask = to == gpu.family ? VK_ACCESS_TRANSFER_WRITE_BIT : 0;
        memory.srcQueueFamilyIndex = from;
        memory.dstQueueFamilyIndex = to;
        memory.buffer = bytes;
        memory.size = VK_WHOLE_SIZE;
        gpu.get<PFN_vkCmdPipelineBarrier>("vkCmdPipelineBarrier")(commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
                                                                  VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 0, nullptr, 1,
                                                                  &memory, 0, nullptr);
    };
    for (const std::uint32_t value : {0x01020304U, 0xa5a5a5a5U}) {
        const auto& writer = value == 0x01020304U ? *first : *second;
        const auto& reader = value == 0x01020304U ? *other : *buffer;
        gpu.run([&](VkCommandBuffer commands) {
            barrier(commands, writer.handle(), foreign, gpu.family);
            gpu.get<PFN_vkCmdFillBuffer>("vkCmdFillBuffer")(commands, writer.handle(), 0, VK_WHOLE_SIZE, value);
            barrier(commands, writer.handle(), gpu.family, foreign);
        });
        auto access = reader.read(cb::deadline_in(1s));
        ASSERT_TRUE(access) << access.error().message();
        const auto bytes = access->plane(0);
        for (std::size_t i = 0; i + 4 <= bytes.size(); i += 4) {
            std::uint32_t found = 0;
            std::memcpy(&found, bytes.data() + i, sizeof found);
            ASSERT_EQ(found, value) << "byte " << i;
        }
        EXPECT_TRUE(access->end());
    }
}

/// Whether the driver takes dma-bufs for images of this kind that are copied from.
bool imports(const Gpu& gpu, VkFormat format, std::uint64_t modifier)
{
    VkPhysicalDeviceExternalImageFormatInfo external{};
    external.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO;
    external.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;
    VkPhysicalDeviceImageDrmFormatModifierInfoEXT drm{};
    drm.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_DRM_FORMAT_MODIFIER_INFO_EXT;
    drm.pNext = &external;
    drm.drmFormatModifier = modifier;
    VkPhysicalDeviceImageFormatInfo2 info{};
    info.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_FORMAT_INFO_2;
    info.pNext = &drm;
    info.format = format;
    info.type = VK_IMAGE_TYPE_2D;
    info.tiling = VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT;
    info.usage = VK_IMAGE_USAGE_TRANSFER_SRC_BIT;
    VkExternalImageFormatProperties found{};
    found.sType = VK_STRUCTURE_TYPE_EXTERNAL_IMAGE_FORMAT_PROPERTIES;
    VkImageFormatProperties2 properties{};
    properties.sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_PROPERTIES_2;
    properties.pNext = &found;
    const auto ask =
        gpu.get_instance<PFN_vkGetPhysicalDeviceImageFormatProperties2>("vkGetPhysicalDeviceImageFormatProperties2");
    return ask(gpu.physical, &info, &properties) == VK_SUCCESS &&
           (found.externalMemoryProperties.externalMemoryFeatures & VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT) != 0;
}

TEST_F(VulkanMemory, ModifiersAreThoseThatTheDriverLists)
{
    NEED_GPU(gpu);
    std::size_t formats = 0;
    for (const cb::FormatInfo& info : cb::all_formats()) {
        const auto vulkan_format = vulkan::to_vulkan(info.format);
        // Those of VK_KHR_maintenance5 are refused where the device was made without it.
        constexpr int maintenance5 = 1000470;
        if (!vulkan_format || *vulkan_format / 1000 == maintenance5)
            continue;
        SCOPED_TRACE(to_string(info.format));
        VkDrmFormatModifierPropertiesListEXT list{};
        list.sType = VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_EXT;
        VkFormatProperties2 properties{};
        properties.sType = VK_STRUCTURE_TYPE_FORMAT_PROPERTIES_2;
        properties.pNext = &list;
        const auto ask =
            gpu.get_instance<PFN_vkGetPhysicalDeviceFormatProperties2>("vkGetPhysicalDeviceFormatProperties2");
        ask(gpu.physical, *vulkan_format, &properties);
        std::vector<VkDrmFormatModifierPropertiesEXT> all(list.drmFormatModifierCount);
        list.pDrmFormatModifierProperties = all.data();
        ask(gpu.physical, *vulkan_format, &properties);
        std::set<std::uint64_t> listed;
        for (const auto& each : all) {
            if ((each.drmFormatModifierTilingFeatures & VK_FORMAT_FEATURE_TRANSFER_SRC_BIT) != 0)
                listed.insert(each.drmFormatModifier);
        }
        const auto support =
            gpu.wrapped->transfer_source().importer().support({info.format, request.width * 2, request.height * 2});
        std::set<std::uint64_t> offered;
        if (support) {
            for (const auto& entry : (*support)->entries)
                offered.insert(entry.modifier.value);
        }
        EXPECT_TRUE(std::includes(listed.begin(), listed.end(), offered.begin(), offered.end()));
        // What is listed for this feature and not offered, the driver does not import.
        for (const std::uint64_t modifier : listed) {
            if (!offered.contains(modifier)) {
                EXPECT_FALSE(imports(gpu, *vulkan_format, modifier)) << std::hex << modifier;
            }
        }
        formats += offered.empty() ? 0U : 1U;
    }
    EXPECT_GT(formats, 0U);
}

} // namespace
