// SPDX-License-Identifier: MIT
#include "gpu.hpp"

#include <drm_fourcc.h>

#include <algorithm>
#include <array>
#include <iostream>

namespace {

namespace cb = commonbuf;
using namespace std::chrono_literals;

class Vulkan : public GpuTest {};

constexpr std::uint32_t foreign = VK_QUEUE_FAMILY_FOREIGN_EXT;
constexpr VkImageUsageFlags copies = VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT;

std::vector<std::shared_ptr<cb::Heap>> usable_heaps()
{
    auto heaps = cb::find_heaps();
    std::erase_if(heaps,
                  [](const auto& heap) { return !devices::makes_memory(*heap) || !heap->info().same_as.empty(); });
    return heaps;
}

/// A buffer of the default heaps, or of one.
cb::Result<cb::Buffer> allocate(const cb::Request& request, const std::vector<cb::Use>& uses,
                                std::vector<std::shared_ptr<cb::Heap>> heaps = cb::find_heaps())
{
    return cb::Allocator(std::move(heaps)).plan(request, uses).and_then([](const cb::Plan& plan) {
        return plan.allocate();
    });
}

/// Fills an image by the GPU, as a program that hands it over to another device afterwards.
void clear(const Gpu& gpu, VkImage image, const VkClearColorValue& colour)
{
    gpu.run([&](VkCommandBuffer commands) {
        gpu.barrier(commands, image, VK_IMAGE_LAYOUT_UNDEFINED, VK_IMAGE_LAYOUT_GENERAL, foreign, gpu.family);
        const VkImageSubresourceRange all{VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
        gpu.get<PFN_vkCmdClearColorImage>("vkCmdClearColorImage")(commands, image, VK_IMAGE_LAYOUT_GENERAL, &colour, 1,
                                                                  &all);
        gpu.barrier(commands, image, VK_IMAGE_LAYOUT_GENERAL, VK_IMAGE_LAYOUT_GENERAL, gpu.family, foreign);
    });
}

/// The bytes of a buffer's plane that hold pixels, row by row.
std::vector<std::uint8_t> pixels(const cb::Buffer& buffer, std::size_t index)
{
    const cb::Layout& layout = buffer.layout();
    const cb::FormatInfo& info = *cb::format_info(layout.format);
    const auto row = static_cast<std::size_t>(cb::min_stride(info, index, layout.width));
    std::vector<std::uint8_t> result;
    const auto access = buffer.read(cb::deadline_in(1s));
    EXPECT_TRUE(access) << access.error().message();
    const auto plane = access->plane(index);
    for (std::uint32_t y = 0; y < cb::plane_rows(info, index, layout.height); ++y) {
        for (std::size_t x = 0; x < row; ++x)
            result.push_back(std::to_integer<std::uint8_t>(plane[y * layout.planes[index].stride + x]));
    }
    return result;
}

TEST_F(Vulkan, RequirementsNameEverythingThatIsUsed)
{
    NEED_GPU(gpu);
    EXPECT_FALSE(gpu.requirements->all.empty());
    const std::string text = gpu.requirements->explain();
    EXPECT_NE(text.find("VK_EXT_external_memory_dma_buf"), std::string::npos) << text;
    EXPECT_TRUE(gpu.validated) << "the validation layers are not installed: nothing checks this library's calls";
}

TEST_F(Vulkan, WhatTheGpuClearsTheCpuReadsOnEveryHeap)
{
    NEED_GPU(gpu);
    const auto heaps = usable_heaps();
    if (heaps.empty())
        GTEST_SKIP() << "no heap can be used here";
    for (const auto& heap : heaps) {
        SCOPED_TRACE(heap->info().name);
        const auto buffer = allocate({DRM_FORMAT_XRGB8888, 641, 123},
                                     {gpu.wrapped->transfer_destination(), cb::cpu(cb::Access::read)}, {heap});
        ASSERT_TRUE(buffer) << buffer.error().message() << "\n"
                            << (buffer.error().report ? buffer.error().report->explain() : "");
        const auto image = gpu.wrapped->import_image(*buffer, {VK_IMAGE_USAGE_TRANSFER_DST_BIT});
        ASSERT_TRUE(image) << image.error().message();
        clear(gpu, image->handle(), {{1.0F, 0.5F, 0.0F, 1.0F}});
        const auto found = pixels(*buffer, 0);
        ASSERT_EQ(found.size(), 641U * 123 * 4);
        for (std::size_t i = 0; i < found.size(); i += 4) {
            ASSERT_EQ(found[i], 0) << "blue of pixel " << i / 4;
            ASSERT_NEAR(found[i + 1], 128, 1) << "green of pixel " << i / 4;
            ASSERT_EQ(found[i + 2], 255) << "red of pixel " << i / 4;
        }
    }
}

TEST_F(Vulkan, ASecondImportIsTheFirst)
{
    NEED_GPU(gpu);
    const auto buffer = allocate({DRM_FORMAT_XRGB8888, 64, 64}, {gpu.wrapped->use({copies})});
    ASSERT_TRUE(buffer) << buffer.error().message();
    const auto first = gpu.wrapped->import_image(*buffer, {copies});
    const auto again = gpu.wrapped->import_image(*buffer, {copies});
    const auto other = gpu.wrapped->import_image(*buffer, {VK_IMAGE_USAGE_SAMPLED_BIT});
    ASSERT_TRUE(first) << first.error().message();
    ASSERT_TRUE(again);
    ASSERT_TRUE(other) << other.error().message();
    EXPECT_EQ(first->handle(), again->handle());
    EXPECT_NE(first->handle(), other->handle()) << "an image is made for a usage";
    gpu.wrapped->forget(*buffer);
    const auto fresh = gpu.wrapped->import_image(*buffer, {copies});
    ASSERT_TRUE(fresh);
    EXPECT_NE(first->handle(), fresh->handle());
}

TEST_F(Vulkan, ImportsOfOneMemoryThroughTwoDescriptorsAreOneMemory)
{
    NEED_GPU(gpu);
    const auto buffer =
        allocate({DRM_FORMAT_XRGB8888, 64, 64}, {gpu.wrapped->use({copies}), cb::cpu(cb::Access::read_write)});
    ASSERT_TRUE(buffer) << buffer.error().message();
    std::vector<cb::UniqueFd> memories;
    memories.push_back(*buffer->export_fd());
    auto same = cb::Buffer::wrap(buffer->layout(), std::move(memories));
    ASSERT_TRUE(same);
    const auto first = gpu.wrapped->import_image(*buffer, {copies});
    auto second = gpu.wrapped->import_image(*same, {copies});
    ASSERT_TRUE(first && second);
    ASSERT_NE(first->handle(), second->handle());
    clear(gpu, first->handle(), {{0, 0, 1, 0}});
    EXPECT_EQ(pixels(*same, 0)[0], 255);
    clear(gpu, second->handle(), {{1, 0, 0, 0}});
    EXPECT_EQ(pixels(*buffer, 0)[2], 255);
    // The first one is whole when the second one is gone.
    second = tl::unexpected(cb::Error{});
    same = tl::unexpected(cb::Error{});
    clear(gpu, first->handle(), {{0, 1, 0, 0}});
    EXPECT_EQ(pixels(*buffer, 0)[1], 255);
}

/// Copies the planes of an image into a buffer, one after the other without gaps.
void copy_planes(const Gpu& gpu, VkImage image, const cb::Layout& layout, VkBuffer target)
{
    const cb::FormatInfo& info = *cb::format_info(layout.format);
    gpu.run([&](VkCommandBuffer commands) {
        gpu.barrier(commands, image, VK_IMAGE_LAYOUT_GENERAL, VK_IMAGE_LAYOUT_GENERAL, foreign, gpu.family);
        VkDeviceSize offset = 0;
        for (std::uint32_t i = 0; i < info.plane_count; ++i) {
            VkBufferImageCopy region{};
            region.bufferOffset = offset;
            region.imageSubresource = {VkImageAspectFlags{VK_IMAGE_ASPECT_PLANE_0_BIT} << i, 0, 0, 1};
            if (info.plane_count == 1)
                region.imageSubresource.aspectMask = VK_IMAGE_ASPECT_COLOR_BIT;
            region.imageExtent = {layout.width / info.planes[i].hsub, cb::plane_rows(info, i, layout.height), 1};
            gpu.get<PFN_vkCmdCopyImageToBuffer>("vkCmdCopyImageToBuffer")(commands, image, VK_IMAGE_LAYOUT_GENERAL,
                                                                          target, 1, &region);
            offset += cb::min_stride(info, i, layout.width) * cb::plane_rows(info, i, layout.height);
        }
        gpu.barrier(commands, image, VK_IMAGE_LAYOUT_GENERAL, VK_IMAGE_LAYOUT_GENERAL, gpu.family, foreign);
    });
}

/// What the CPU writes into a buffer's planes, the GPU finds in the image's.
void expect_planes_read(const Gpu& gpu, const cb::Buffer& buffer, bool disjoint, std::size_t memories)
{
    const std::size_t planes = buffer.layout().plane_count;
    std::vector<std::uint8_t> expected;
    {
        auto access = buffer.write(cb::deadline_in(1s));
        ASSERT_TRUE(access) << access.error().message();
        for (std::size_t p = 0; p < planes; ++p) {
            const auto plane = access->plane(p);
            for (std::size_t i = 0; i < plane.size(); ++i)
                plane[i] = static_cast<std::byte>(i * (7 + 4 * p) + i / 256);
        }
        ASSERT_TRUE(access->end());
    }
    for (std::size_t p = 0; p < planes; ++p) {
        const auto plane = pixels(buffer, p);
        expected.insert(expected.end(), plane.begin(), plane.end());
    }
    const auto image = gpu.wrapped->import_image(buffer, {VK_IMAGE_USAGE_TRANSFER_SRC_BIT});
    ASSERT_TRUE(image) << image.error().message();
    EXPECT_EQ(image->is_disjoint(), disjoint);
    EXPECT_EQ(image->memories().size(), memories);
    EXPECT_EQ(image->format(), cb::vulkan::to_vulkan(buffer.layout().format));

    const cb::Use bytes = gpu.wrapped->buffer_use(VK_BUFFER_USAGE_TRANSFER_DST_BIT);
    const auto target = allocate({DRM_FORMAT_R8, static_cast<std::uint32_t>(expected.size() / 16), 16},
                                 {bytes, cb::cpu(cb::Access::read)});
    ASSERT_TRUE(target) << target.error().message();
    const auto copy = gpu.wrapped->import_buffer(*target, VK_BUFFER_USAGE_TRANSFER_DST_BIT);
    ASSERT_TRUE(copy) << copy.error().message();
    copy_planes(gpu, image->handle(), buffer.layout(), copy->handle());
    const auto access = target->read(cb::deadline_in(1s));
    ASSERT_TRUE(access);
    const auto all = access->plane(0);
    for (std::size_t i = 0; i < expected.size(); ++i)
        ASSERT_EQ(std::to_integer<std::uint8_t>(all[i]), expected[i]) << "byte " << i;
}

/// A buffer with this layout, or a larger one where the device asks for more bytes.
cb::Result<cb::Buffer> allocate_layout(const cb::Layout& layout, const cb::Use& use)
{
    const auto fitted = use.importer().fit(layout);
    if (!fitted)
        return fitted.error();
    const auto heaps = usable_heaps();
    if (heaps.empty())
        return cb::Error::not_present("find a heap", "no heap can be used here");
    std::vector<cb::UniqueFd> memories;
    for (const std::uint64_t size : fitted->used_memories()) {
        auto memory = heaps.front()->allocate(size);
        if (!memory)
            return memory.error();
        memories.push_back(std::move(*memory));
    }
    return cb::Buffer::wrap(*fitted, std::move(memories));
}

constexpr auto planar = std::to_array<std::uint32_t>(
    {DRM_FORMAT_NV12, DRM_FORMAT_NV16, DRM_FORMAT_P010, DRM_FORMAT_YUV420, DRM_FORMAT_YUV422, DRM_FORMAT_XRGB8888});

TEST_F(Vulkan, PlanesInOneMemoryLieWhereTheLayoutSays)
{
    NEED_GPU(gpu);
    unsigned imported = 0;
    for (const std::uint32_t format : planar) {
        const cb::FormatInfo& info = *cb::format_info(format);
        // The least, and with rows and a gap between the planes that no driver would choose.
        for (const std::uint32_t rows : {0U, 256U}) {
            const auto stride = static_cast<std::uint32_t>(cb::min_stride(info, 0, 320)) + (rows != 0 ? 256U : 0U);
            const auto layout = cb::linear_layout({format, 320, 240}, stride, cb::Memories::single, rows);
            ASSERT_TRUE(layout) << layout.error().message();
            SCOPED_TRACE(cb::to_string(*layout));
            const auto buffer = allocate_layout(*layout, gpu.wrapped->transfer_source());
            if (!buffer) {
                std::cout << buffer.error().message() << "\n";
                EXPECT_EQ(buffer.error().category, cb::Category::unsupported);
                continue;
            }
            ++imported;
            expect_planes_read(gpu, *buffer, false, 1);
        }
    }
    EXPECT_GE(imported, 4U) << "XRGB8888 and NV12 at least";
}

TEST_F(Vulkan, PlanesInSeveralMemoriesAreADisjointImage)
{
    NEED_GPU(gpu);
    unsigned imported = 0;
    for (const std::uint32_t format : planar) {
        if (cb::format_info(format)->plane_count < 2)
            continue;
        const auto stride = static_cast<std::uint32_t>(cb::min_stride(*cb::format_info(format), 0, 320));
        const auto layout = cb::linear_layout({format, 320, 240}, stride, cb::Memories::per_plane);
        ASSERT_TRUE(layout);
        SCOPED_TRACE(cb::to_string(*layout));
        const auto buffer = allocate_layout(*layout, gpu.wrapped->transfer_source());
        if (!buffer) {
            std::cout << buffer.error().message() << "\n";
            EXPECT_EQ(buffer.error().category, cb::Category::unsupported);
            continue;
        }
        expect_planes_read(gpu, *buffer, true, buffer->layout().plane_count);
        ++imported;
    }
    if (imported == 0)
        GTEST_SKIP() << "the device takes no image of several memories";
}

TEST_F(Vulkan, TwoDescriptorsOfOneMemoryAreNotDisjoint)
{
    NEED_GPU(gpu);
    const auto layout = cb::linear_layout({DRM_FORMAT_NV12, 320, 240}, 320, cb::Memories::single);
    ASSERT_TRUE(layout);
    const auto whole = allocate_layout(*layout, gpu.wrapped->transfer_source());
    if (!whole)
        GTEST_SKIP() << whole.error().message();
    // As a camera or another process hands it over: a descriptor for each plane.
    cb::Layout split = whole->layout();
    split.memory_count = 2;
    split.memory_sizes[1] = split.memory_sizes[0];
    split.planes[1].memory = 1;
    std::vector<cb::UniqueFd> memories;
    memories.push_back(*whole->export_fd());
    memories.push_back(*whole->export_fd());
    const auto buffer = cb::Buffer::wrap(split, std::move(memories));
    ASSERT_TRUE(buffer) << buffer.error().message();
    expect_planes_read(gpu, *buffer, false, 1);
}

TEST_F(Vulkan, AConversionForWhatIsSampled)
{
    NEED_GPU(gpu);
    if (!gpu.requirements->features().sampler_ycbcr_conversion)
        GTEST_SKIP() << "the device has no samplerYcbcrConversion";
    const auto buffer = allocate({DRM_FORMAT_NV12, 320, 240}, {gpu.wrapped->sampled()});
    ASSERT_TRUE(buffer) << buffer.error().message();
    const auto image = gpu.wrapped->import_image(*buffer, {VK_IMAGE_USAGE_SAMPLED_BIT});
    ASSERT_TRUE(image) << image.error().message();
    const auto bare = image->view();
    ASSERT_FALSE(bare);
    EXPECT_EQ(bare.error().category, cb::Category::unsupported);
    const auto conversion = gpu.wrapped->conversion(DRM_FORMAT_NV12, cb::linear, {});
    ASSERT_TRUE(conversion) << conversion.error().message();
    const auto view = image->view({.conversion = *conversion});
    ASSERT_TRUE(view) << view.error().message();
    EXPECT_EQ(*image->view({.conversion = *conversion}), *view);
}

TEST_F(Vulkan, SinglePlanesForAShader)
{
    NEED_GPU(gpu);
    const cb::vulkan::ImageUsage usage{
        VK_IMAGE_USAGE_STORAGE_BIT, VK_IMAGE_CREATE_EXTENDED_USAGE_BIT, {VK_FORMAT_R8_UNORM, VK_FORMAT_R8G8_UNORM}};
    const auto buffer = allocate({DRM_FORMAT_NV12, 320, 240}, {gpu.wrapped->use(usage)});
    if (!buffer)
        GTEST_SKIP() << buffer.error().message();
    const auto image = gpu.wrapped->import_image(*buffer, usage);
    ASSERT_TRUE(image) << image.error().message();
    const auto luma = image->view({.format = VK_FORMAT_R8_UNORM, .aspect = VK_IMAGE_ASPECT_PLANE_0_BIT});
    ASSERT_TRUE(luma) << luma.error().message();
    const auto chroma = image->view({.format = VK_FORMAT_R8G8_UNORM, .aspect = VK_IMAGE_ASPECT_PLANE_1_BIT});
    ASSERT_TRUE(chroma) << chroma.error().message();
    EXPECT_NE(*luma, *chroma);
}

TEST_F(Vulkan, EveryUseThatIsOfferedIsImported)
{
    NEED_GPU(gpu);
    unsigned imported = 0;
    unsigned refused = 0;
    constexpr VkImageUsageFlags drawn_and_sampled = VK_IMAGE_USAGE_SAMPLED_BIT | VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT;
    for (const VkImageUsageFlags usage : {VkImageUsageFlags{VK_IMAGE_USAGE_STORAGE_BIT}, drawn_and_sampled, copies}) {
        const cb::Use use = gpu.wrapped->use({usage});
        for (const cb::FormatInfo& info : cb::all_formats()) {
            const auto support = use.importer().support({info.format, 64, 48});
            if (!support)
                continue;
            const auto buffer = allocate({info.format, 64, 48}, {use});
            // The driver may make another layout than it is told; then it is refused.
            if (!buffer && buffer.error().message().find("vkGetImageSubresourceLayout") != std::string::npos) {
                ++refused;
                continue;
            }
            EXPECT_TRUE(buffer) << use.name() << " " << info.name << ": " << buffer.error().message();
            if (!buffer)
                continue;
            const auto image = gpu.wrapped->import_image(*buffer, {usage});
            EXPECT_TRUE(image) << use.name() << " " << info.name << ": " << image.error().message();
            imported += image.has_value() ? 1U : 0U;
        }
    }
    EXPECT_GE(imported, 20U);
    std::cout << imported << " formats and usages imported, " << refused << " refused by their layout\n";
}

TEST_F(Vulkan, AnExtensionThatTheDeviceWasMadeWithoutIsNamed)
{
    NEED_GPU(gpu);
    auto info = gpu.info();
    info.extensions = {};
    const auto bare = cb::vulkan::Device::wrap(info);
    ASSERT_TRUE(bare) << bare.error().message();
    const auto plan = cb::Allocator().plan({DRM_FORMAT_XRGB8888, 64, 64}, {bare->sampled()});
    ASSERT_FALSE(plan);
    EXPECT_NE(plan.error().message().find("VK_KHR_external_memory_fd"), std::string::npos) << plan.error().message();
}

#ifdef COMMONBUF_VERIFY
TEST_F(Vulkan, ProofByContentOnEveryHeap)
{
    NEED_GPU(gpu);
    const auto heaps = usable_heaps();
    if (heaps.empty())
        GTEST_SKIP() << "no heap can be used here";
    for (const auto& heap : heaps) {
        for (const std::uint32_t format : planar) {
            for (const cb::Use& use : {gpu.wrapped->sampled(), gpu.wrapped->use({copies})}) {
                SCOPED_TRACE(heap->info().name + " " + use.name() + " " + cb::to_string(cb::Format(format)));
                std::vector<cb::Buffer> buffers;
                for (int i = 0; i < 2; ++i) {
                    const auto buffer = allocate({format, 320, 240}, {use, cb::cpu(cb::Access::read_write)}, {heap});
                    ASSERT_TRUE(buffer) << buffer.error().message();
                    buffers.push_back(*buffer);
                }
                const auto content = cb::verify(use, buffers, 4, cb::deadline_in(10s));
                ASSERT_TRUE(content) << content.error().message();
                EXPECT_EQ(content->result, cb::Sameness::same)
                    << content->reason << " " << cb::to_string(content->cause);
                EXPECT_EQ(content->frames, 4U);
            }
        }
    }
}
#endif

TEST_F(Vulkan, CameraGpuAndDisplayShareABuffer)
{
    NEED_GPU(gpu);
    NEED_CAMERA(camera, devices::contiguous_camera());
    NEED_DISPLAY(display);
    cb::Allocator allocator;
    const auto plan =
        allocator.plan({DRM_FORMAT_XRGB8888, 640, 480}, {camera.capture(), gpu.wrapped->sampled(), display.scanout()});
    ASSERT_TRUE(plan) << plan.error().message();
    SCOPED_TRACE(plan->explain());
    EXPECT_NE(plan->explain().find("vulkan:"), std::string::npos);
    const auto buffer = plan->allocate();
    ASSERT_TRUE(buffer) << buffer.error().message();
    const auto image = gpu.wrapped->import_image(*buffer, {VK_IMAGE_USAGE_SAMPLED_BIT});
    ASSERT_TRUE(image) << image.error().message();
    EXPECT_TRUE(image->view());
    EXPECT_TRUE(display.framebuffer(*buffer));
}

} // namespace
