// SPDX-License-Identifier: MIT
//
// The Vulkan backend against a driver that behaves as told: a caller with a loader of its own.
#include "backends/vulkan/failure.hpp"
#include "fake/machine.hpp"
#include "fake/vulkan.hpp"
#include "format/twins.hpp"

#include <commonbuf/commonbuf.hpp>
#include <commonbuf/vulkan.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <set>

namespace commonbuf::vulkan {
namespace {

const ImageUsage sampled{VK_IMAGE_USAGE_SAMPLED_BIT};
const ImageUsage transfers{VK_IMAGE_USAGE_TRANSFER_SRC_BIT};

class VulkanImport : public testing::Test {
protected:
    fake::Machine machine;
    fake::Vulkan gpu;

    WrapInfo info()
    {
        names_.clear();
        for (const std::string& name : gpu.extensions) {
            if (left_out.count(name) == 0)
                names_.push_back(name.c_str());
        }
        return {.instance = fake::Vulkan::instance(),
                .physical = fake::Vulkan::physical(),
                .device = fake::Vulkan::device(),
                .get_instance_proc_addr = fake::Vulkan::get_instance_proc_addr,
                .api_version = VK_API_VERSION_1_1,
                .extensions = names_,
                .features = {left_out.count("samplerYcbcrConversion") == 0, left_out.count("timelineSemaphore") == 0}};
    }

    Device device()
    {
        auto made = Device::wrap(info());
        if (!made)
            throw std::runtime_error(made.error().message());
        return std::move(*made);
    }

    Buffer make(const Layout& wanted)
    {
        std::vector<UniqueFd> memories;
        for (const std::uint64_t size : wanted.used_memories())
            memories.emplace_back(machine.add_dma_buf(size));
        auto buffer = Buffer::wrap(wanted, std::move(memories));
        if (!buffer)
            throw std::runtime_error(buffer.error().message());
        return std::move(*buffer);
    }

    static Layout rgb() { return *linear_layout({DRM_FORMAT_XRGB8888, 64, 32}, 256, Memories::single); }
    static Layout nv12(Memories memories) { return *linear_layout({DRM_FORMAT_NV12, 64, 32}, 64, memories); }

    /// Broadcom's columns of 128 bytes.
    static const TiledTwin& columns()
    {
        return *tiled_twin({DRM_FORMAT_NV12, DRM_FORMAT_MOD_BROADCOM_SAND128, Memories::single});
    }

    /// The image that was bound last.
    const fake::Vulkan::Image& last_image() const { return gpu.images.at(gpu.binds.rbegin()->first); }

    void TearDown() override
    {
        EXPECT_EQ(gpu.leaks(), "");
        EXPECT_EQ(machine.leaks(), "");
    }

    std::set<std::string> left_out; ///< what the VkDevice is made without

private:
    std::vector<const char*> names_;
};

TEST_F(VulkanImport, RequirementsSayWhatIsThereAndWhatIsLost)
{
    std::erase(gpu.extensions, "VK_EXT_queue_family_foreign");
    gpu.timeline = false;
    const auto asked = requirements(fake::Vulkan::instance(), fake::Vulkan::physical(),
                                    fake::Vulkan::get_instance_proc_addr, VK_API_VERSION_1_1);
    ASSERT_TRUE(asked) << asked.error().message();
    EXPECT_EQ(asked->device, "fake GPU");
    std::set<std::string> names;
    for (const char* name : asked->extensions())
        names.insert(name);
    EXPECT_EQ(names.count("VK_EXT_external_memory_dma_buf"), 1U);
    EXPECT_EQ(names.count("VK_EXT_queue_family_foreign"), 0U);
    EXPECT_EQ(names.count("VK_KHR_swapchain"), 0U) << "no use for it";
    EXPECT_TRUE(asked->features().sampler_ycbcr_conversion);
    EXPECT_FALSE(asked->features().timeline_semaphore);
    EXPECT_NE(asked->explain().find("lacks VK_EXT_queue_family_foreign: images are not handed over"), std::string::npos)
        << asked->explain();

    // What a version has is not asked for as an extension.
    gpu.api_version = VK_API_VERSION_1_3;
    const auto newer = requirements(fake::Vulkan::instance(), fake::Vulkan::physical(),
                                    fake::Vulkan::get_instance_proc_addr, VK_API_VERSION_1_3);
    ASSERT_TRUE(newer);
    EXPECT_EQ(newer->explain().find("VK_KHR_image_format_list"), std::string::npos);

    // Before 1.3 it needs VK_KHR_dynamic_rendering (VUID-vkCreateDevice-ppEnabledExtensionNames-01387).
    EXPECT_EQ(asked->explain().find("VK_KHR_maintenance5"), std::string::npos) << asked->explain();
    EXPECT_NE(newer->explain().find("VK_KHR_maintenance5"), std::string::npos) << newer->explain();
}

/// The operations, and the names that an error of each may be about.
struct Attempt {
    const char* what;
    std::function<Status(const Device&, const Buffer& rgb, const Buffer& nv12)> run;
    std::set<std::string> needs;
};

template <typename T>
Status status_of(const Result<T>& result)
{
    return result ? Status() : Status(result.error());
}

TEST_F(VulkanImport, EachExtensionMissingInTurnIsNamedWhereItIsNeeded)
{
    const std::set<std::string> bytes{"VK_KHR_external_memory_fd", "VK_EXT_external_memory_dma_buf"};
    std::set<std::string> images = bytes;
    images.insert({"VK_EXT_image_drm_format_modifier", "VK_KHR_image_format_list"});
    std::set<std::string> ycbcr = images;
    ycbcr.insert("samplerYcbcrConversion");
    const std::vector<Attempt> attempts{
        {"image use",
         [](const Device& device, const Buffer&, const Buffer&) {
             return status_of(device.transfer_source().importer().support({DRM_FORMAT_XRGB8888, 64, 32}));
         },
         images},
        {"sampled NV12",
         [](const Device& device, const Buffer&, const Buffer&) {
             return status_of(device.sampled().importer().support({DRM_FORMAT_NV12, 64, 32}));
         },
         ycbcr},
        {"buffer use",
         [](const Device& device, const Buffer&, const Buffer&) {
             return status_of(
                 device.buffer_use(VK_BUFFER_USAGE_TRANSFER_SRC_BIT).importer().support({DRM_FORMAT_R8, 64, 32}));
         },
         bytes},
        {"fit",
         [](const Device& device, const Buffer& rgb, const Buffer&) {
             return status_of(device.sampled().importer().fit(rgb.layout()));
         },
         images},
        {"import of an image",
         [](const Device& device, const Buffer& rgb, const Buffer&) {
             return status_of(device.import_image(rgb, sampled));
         },
         images},
        {"import of a buffer",
         [](const Device& device, const Buffer& rgb, const Buffer&) {
             return status_of(device.import_buffer(rgb, VK_BUFFER_USAGE_TRANSFER_SRC_BIT));
         },
         bytes},
        {"conversion",
         [](const Device& device, const Buffer&, const Buffer&) {
             return status_of(device.conversion(DRM_FORMAT_NV12, linear, {}));
         },
         {"samplerYcbcrConversion", "VK_EXT_image_drm_format_modifier"}},
        {"ARGB4444",
         [](const Device& device, const Buffer&, const Buffer&) {
             return status_of(device.transfer_source().importer().support({DRM_FORMAT_ARGB4444, 64, 32}));
         },
         [&] {
             std::set<std::string> all = images;
             all.insert("VK_EXT_4444_formats");
             return all;
         }()},
    };
    gpu.formats[VK_FORMAT_A4R4G4B4_UNORM_PACK16] = gpu.formats[VK_FORMAT_B8G8R8A8_UNORM];
    const auto asked = requirements(fake::Vulkan::instance(), fake::Vulkan::physical(),
                                    fake::Vulkan::get_instance_proc_addr, VK_API_VERSION_1_1);
    ASSERT_TRUE(asked);
    ASSERT_EQ(asked->all.size(), 12U) << "all but what needs a newer version";
    for (const Requirement& missing : asked->all) {
        for (const bool there : {true, false}) {
            SCOPED_TRACE(std::string(missing.name) + (there ? " is off" : " is not there"));
            const auto before = gpu.extensions;
            left_out = {std::string(missing.name)};
            if (!there)
                std::erase(gpu.extensions, missing.name);
            gpu.ycbcr = there || missing.name != "samplerYcbcrConversion";
            const Device bare = device();
            const Buffer first = make(rgb());
            const Buffer second = make(nv12(Memories::single));
            for (const Attempt& attempt : attempts) {
                SCOPED_TRACE(attempt.what);
                const Status done = attempt.run(bare, first, second);
                if (attempt.needs.count(std::string(missing.name)) == 0) {
                    EXPECT_TRUE(done) << done.error().message();
                    continue;
                }
                ASSERT_FALSE(done);
                EXPECT_EQ(done.error().category, Category::unsupported);
                const std::string message = done.error().message();
                EXPECT_NE(message.find(missing.name), std::string::npos) << message;
                EXPECT_EQ(message.find("does not have") != std::string::npos, !there) << message;
            }
            gpu.extensions = before;
        }
    }
}

TEST_F(VulkanImport, WhatCannotBeWrappedIsToldApart)
{
    auto none = info();
    none.device = VK_NULL_HANDLE;
    EXPECT_EQ(Device::wrap(none).error().category, Category::invalid_argument);
    none = info();
    none.get_instance_proc_addr = nullptr;
    EXPECT_EQ(Device::wrap(none).error().category, Category::invalid_argument);
    auto old = info();
    old.api_version = 0;
    EXPECT_EQ(Device::wrap(old).error().category, Category::unsupported);
    gpu.api_version = VK_API_VERSION_1_0;
    EXPECT_EQ(Device::wrap(info()).error().category, Category::unsupported);
    gpu.api_version = VK_API_VERSION_1_1;

    // An extension that is named and was not turned on.
    gpu.missing_functions = {"vkGetMemoryFdPropertiesKHR"};
    const auto lied = Device::wrap(info());
    ASSERT_FALSE(lied);
    EXPECT_EQ(lied.error().category, Category::invalid_argument);
    EXPECT_NE(lied.error().message().find("vkGetMemoryFdPropertiesKHR"), std::string::npos);
    gpu.missing_functions = {"vkGetPhysicalDeviceProperties2"};
    EXPECT_EQ(Device::wrap(info()).error().category, Category::unsupported);
}

TEST_F(VulkanImport, TimelinesHaveTheirOldNamesBefore12)
{
    gpu.missing_functions = {"vkWaitSemaphores"};
    EXPECT_TRUE(Device::wrap(info()));
    gpu.missing_functions = {"vkWaitSemaphoresKHR"};
    EXPECT_FALSE(Device::wrap(info()));
}

/// Everything once. What fails ends it.
Status the_whole_way(const WrapInfo& info, const Buffer& split)
{
    const auto device = Device::wrap(info);
    if (!device)
        return device.error();
    const auto plan = Allocator().plan({DRM_FORMAT_NV12, 64, 32},
                                       {device->sampled(), device->buffer_use(VK_BUFFER_USAGE_TRANSFER_SRC_BIT)});
    if (!plan)
        return plan.error();
    const auto buffer = plan->allocate();
    if (!buffer)
        return buffer.error();
    const auto image = device->import_image(*buffer, sampled);
    if (!image)
        return image.error();
    const auto conversion = device->conversion(DRM_FORMAT_NV12, linear, {});
    if (!conversion)
        return conversion.error();
    if (const auto view = image->view({.conversion = *conversion}); !view)
        return view.error();
    if (const auto bytes = device->import_buffer(*buffer, VK_BUFFER_USAGE_TRANSFER_SRC_BIT); !bytes)
        return bytes.error();
    if (const auto disjoint = device->import_image(split, sampled); !disjoint)
        return disjoint.error();
    device->forget(split);
    return {};
}

TEST_F(VulkanImport, EachCallFailingInTurnLosesNothing)
{
    machine.add_heap("system");
    const Buffer split = make(nv12(Memories::per_plane));
    const std::size_t descriptors = machine.open_descriptors();
    ASSERT_TRUE(the_whole_way(info(), split)) << the_whole_way(info(), split).error().message();
    gpu.calls.clear();
    ASSERT_TRUE(the_whole_way(info(), split));
    const std::vector<std::string> calls = gpu.calls;
    ASSERT_GT(calls.size(), 30U);
    unsigned told = 0;
    for (std::size_t i = 0; i < calls.size(); ++i) {
        for (const VkResult result :
             {VK_ERROR_OUT_OF_HOST_MEMORY, VK_ERROR_DEVICE_LOST, VK_ERROR_INVALID_EXTERNAL_HANDLE}) {
            SCOPED_TRACE("call " + std::to_string(i) + ", " + calls[i] + ": " + result_name(result));
            gpu.calls.clear();
            gpu.fail(i, result);
            const Status done = the_whole_way(info(), split);
            if (!done && done.error().message().find(calls[i]) != std::string::npos) {
                EXPECT_NE(done.error().message().find(result_name(result)), std::string::npos)
                    << done.error().message();
                ++told;
            }
            EXPECT_EQ(gpu.leaks(), "");
            EXPECT_EQ(machine.open_descriptors(), descriptors);
        }
    }
    EXPECT_TRUE(gpu.fault_hit());
    EXPECT_GT(told, calls.size() / 2);
    gpu.fail(SIZE_MAX, VK_SUCCESS);
}

#ifdef COMMONBUF_VERIFY
TEST_F(VulkanImport, ProofByContentNeedsAQueueAndLosesNothing)
{
    const std::vector<Buffer> one{make(nv12(Memories::single))};
    const auto deadline = deadline_in(std::chrono::seconds(10));
    const auto without = verify(device().sampled(), one, 1, deadline);
    ASSERT_TRUE(without) << without.error().message();
    EXPECT_EQ(without->result, Sameness::not_checked);
    EXPECT_NE(without->reason.find("no queue"), std::string::npos) << without->reason;
    EXPECT_EQ(verify(device().sampled(), {}, 1, deadline).error().category, Category::invalid_argument);

    WrapInfo with_queue = info();
    with_queue.queue = fake::Vulkan::queue();
    const auto made = Device::wrap(with_queue);
    ASSERT_TRUE(made);
    const Use use = made->storage();
    const std::size_t descriptors = machine.open_descriptors();
    gpu.calls.clear();
    // This driver copies nothing, in either direction.
    const auto content = verify(use, one, 2, deadline);
    ASSERT_TRUE(content) << content.error().message();
    EXPECT_EQ(content->result, Sameness::different);
    EXPECT_EQ(content->frames, 2U);
    const std::vector<std::string> calls = gpu.calls;
    ASSERT_GT(calls.size(), 15U);
    for (std::size_t i = 0; i < calls.size(); ++i) {
        if (calls[i].rfind("vkCmd", 0) == 0)
            continue;
        SCOPED_TRACE("call " + std::to_string(i) + ", " + calls[i]);
        gpu.calls.clear();
        gpu.fail(i, VK_ERROR_DEVICE_LOST);
        const auto failed = verify(use, one, 2, deadline);
        ASSERT_FALSE(failed);
        EXPECT_EQ(failed.error().category, Category::device_gone) << failed.error().message();
        EXPECT_NE(failed.error().message().find(calls[i]), std::string::npos) << failed.error().message();
        EXPECT_EQ(gpu.leaks(), "");
        EXPECT_EQ(machine.open_descriptors(), descriptors);
    }
}
#endif

TEST_F(VulkanImport, NoDescriptorLeftIsAnErrorAndNothingIsLost)
{
    const Device made = device();
    const Buffer buffer = make(rgb());
    machine.fail_all("dup", EMFILE);
    const auto image = made.import_image(buffer, sampled);
    ASSERT_FALSE(image);
    EXPECT_EQ(image.error().category, Category::too_many_files);
    EXPECT_EQ(image.error().sys_errno, EMFILE);
    EXPECT_EQ(gpu.leaks(), "");
}

TEST_F(VulkanImport, TheMemoryTypeIsOneThatBothHave)
{
    const Device made = device();
    const Buffer buffer = make(rgb());
    gpu.object_types = 0b0110;
    gpu.fd_types = 0b1100;
    ASSERT_TRUE(made.import_image(buffer, sampled));
    EXPECT_EQ(gpu.memories.rbegin()->second.info.memoryTypeIndex, 2U);
    gpu.fd_types = 0b1001;
    const auto none = made.import_image(buffer, transfers);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().category, Category::incompatible);
    EXPECT_NE(none.error().message().find("0x9"), std::string::npos) << none.error().message();
    EXPECT_NE(none.error().message().find("0x6"), std::string::npos) << none.error().message();
}

TEST_F(VulkanImport, MemoryThatIsTooSmallIsRefusedWithBothSizesAndPlannedLarger)
{
    machine.add_heap("system");
    gpu.extra_bytes = 4096;
    const Device made = device();
    const Buffer buffer = make(rgb());
    const auto image = made.import_image(buffer, sampled);
    ASSERT_FALSE(image);
    EXPECT_EQ(image.error().category, Category::incompatible);
    EXPECT_NE(image.error().message().find("12288"), std::string::npos) << image.error().message();
    EXPECT_NE(image.error().message().find("8192"), std::string::npos) << image.error().message();
    auto trial = made.sampled().importer().begin_trial(rgb());
    ASSERT_TRUE(trial);
    const int fd = buffer.dma_buf_fd();
    const Verdict verdict = (*trial)->attempt(std::span(&fd, 1));
    EXPECT_EQ(verdict.outcome, Outcome::refused);
    EXPECT_EQ(verdict.needed, 12288U);
    EXPECT_EQ(verdict.offered, 8192U);

    const auto plan = Allocator().plan({DRM_FORMAT_XRGB8888, 64, 32}, {made.sampled()});
    ASSERT_TRUE(plan) << plan.error().message();
    EXPECT_GE(plan->layout().memory_sizes[0], 12288U);
    const auto larger = plan->allocate();
    ASSERT_TRUE(larger);
    EXPECT_TRUE(made.import_image(*larger, sampled));
}

TEST_F(VulkanImport, WhatTheGpuRefusesAtWorkIsNotPlannedAgain)
{
    machine.add_heap("system");
    machine.add_heap("region", {.contiguous = true});
    const Device made = device();
    Allocator allocator;
    const auto plan = allocator.plan({DRM_FORMAT_XRGB8888, 64, 32}, {made.sampled()});
    ASSERT_TRUE(plan) << plan.error().message();
    EXPECT_EQ(plan->chosen().heap.name, "system");
    const auto buffers = plan->allocate(3);
    ASSERT_TRUE(buffers);
    ASSERT_TRUE(made.import_image((*buffers)[0], sampled));
    const std::size_t before = gpu.calls.size();
    ASSERT_TRUE(made.import_image((*buffers)[1], sampled));
    const auto begin = gpu.calls.begin() + static_cast<std::ptrdiff_t>(before);
    const auto allocation = std::find(begin, gpu.calls.end(), "vkAllocateMemory");
    ASSERT_NE(allocation, gpu.calls.end());
    gpu.fail(gpu.calls.size() + static_cast<std::size_t>(allocation - begin), VK_ERROR_INVALID_EXTERNAL_HANDLE);
    ASSERT_FALSE(made.import_image((*buffers)[2], sampled));
    EXPECT_TRUE(gpu.fault_hit());
    const auto again = allocator.plan({DRM_FORMAT_XRGB8888, 64, 32}, {made.sampled()});
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(again->chosen().heap.name, "region");
    EXPECT_NE(again->explain().find("VK_ERROR_INVALID_EXTERNAL_HANDLE"), std::string::npos) << again->explain();
}

TEST_F(VulkanImport, PlanesInTwoDmaBufsAreBoundOneByOne)
{
    const Device made = device();
    const Buffer buffer = make(nv12(Memories::per_plane));
    const auto image = made.import_image(buffer, transfers);
    ASSERT_TRUE(image) << image.error().message();
    EXPECT_TRUE(image->is_disjoint());
    ASSERT_EQ(image->memories().size(), 2U);
    EXPECT_NE(last_image().info.flags & VK_IMAGE_CREATE_DISJOINT_BIT, 0U);
    const auto& binds = gpu.binds.rbegin()->second;
    ASSERT_EQ(binds.size(), 2U);
    EXPECT_EQ(binds[0].aspect, VkImageAspectFlags{VK_IMAGE_ASPECT_MEMORY_PLANE_0_BIT_EXT});
    EXPECT_EQ(binds[1].aspect, VkImageAspectFlags{VK_IMAGE_ASPECT_MEMORY_PLANE_1_BIT_EXT});
    EXPECT_EQ(gpu.memories.at(binds[0].memory).inode, buffer.id(0).inode);
    EXPECT_EQ(gpu.memories.at(binds[1].memory).inode, buffer.id(1).inode);
}

TEST_F(VulkanImport, TwoDescriptorsOfOneDmaBufAreOneMemory)
{
    const Device made = device();
    const Buffer whole = make(nv12(Memories::single));
    Layout split = whole.layout();
    split.memory_count = 2;
    split.memory_sizes[1] = split.memory_sizes[0];
    split.planes[1].memory = 1;
    std::vector<UniqueFd> memories;
    memories.push_back(*whole.export_fd());
    memories.push_back(*whole.export_fd());
    const auto buffer = Buffer::wrap(split, std::move(memories));
    ASSERT_TRUE(buffer);
    const auto image = made.import_image(*buffer, transfers);
    ASSERT_TRUE(image) << image.error().message();
    EXPECT_FALSE(image->is_disjoint());
    EXPECT_EQ(image->memories().size(), 1U);
    EXPECT_EQ(last_image().planes[1].offset, split.planes[1].offset);
}

TEST_F(VulkanImport, ADriverThatTakesEveryPlaneForTheFirstGetsNoDisjointImage)
{
    gpu.planes_alike = true;
    const Device made = device();
    const auto refused = made.import_image(make(nv12(Memories::per_plane)), transfers);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().category, Category::unsupported);
    EXPECT_NE(refused.error().message().find("does not tell memory planes apart"), std::string::npos);
    EXPECT_TRUE(made.import_image(make(nv12(Memories::single)), transfers));
}

TEST_F(VulkanImport, ADriverThatPassesTheStrideOverIsRefused)
{
    gpu.own_pitch = true;
    const auto refused = device().import_image(make(rgb()), transfers);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().category, Category::unsupported);
    EXPECT_NE(refused.error().message().find("65536"), std::string::npos) << refused.error().message();
}

TEST_F(VulkanImport, DedicatedWhereAskedForOrRequired)
{
    const Device made = device();
    ASSERT_TRUE(made.import_image(make(rgb()), sampled));
    EXPECT_FALSE(gpu.memories.rbegin()->second.dedicated);
    ImageUsage alone = sampled;
    alone.dedicated = true;
    ASSERT_TRUE(made.import_image(make(rgb()), alone));
    EXPECT_TRUE(gpu.memories.rbegin()->second.dedicated);
    EXPECT_EQ(made.import_image(make(nv12(Memories::per_plane)), alone).error().category, Category::unsupported);
    gpu.requires_dedicated = true;
    ASSERT_TRUE(made.import_image(make(rgb()), sampled));
    EXPECT_TRUE(gpu.memories.rbegin()->second.dedicated);
    EXPECT_EQ(made.import_image(make(nv12(Memories::per_plane)), sampled).error().category, Category::unsupported);
    gpu.requires_dedicated = false;
    gpu.dedicated_only = true;
    ASSERT_TRUE(made.import_image(make(rgb()), sampled));
    EXPECT_TRUE(gpu.memories.rbegin()->second.dedicated);
}

TEST_F(VulkanImport, ASecondImportCostsNothingUntilItIsForgotten)
{
    const Device made = device();
    const Buffer buffer = make(rgb());
    const auto first = made.import_image(buffer, sampled);
    ASSERT_TRUE(first);
    const std::size_t calls = gpu.calls.size();
    const std::size_t system_calls = machine.calls().size();
    EXPECT_EQ(made.import_image(buffer, sampled)->handle(), first->handle());
    EXPECT_EQ(gpu.calls.size(), calls);
    EXPECT_EQ(machine.calls().size(), system_calls);
    EXPECT_NE(made.import_image(buffer, transfers)->handle(), first->handle());
    made.forget(buffer);
    EXPECT_NE(made.import_image(buffer, sampled)->handle(), first->handle());
}

TEST_F(VulkanImport, AnImageLivesAsLongAsAnyoneHasIt)
{
    std::optional<Image> image;
    {
        const Device made = device();
        const Buffer buffer = make(rgb());
        image = *made.import_image(buffer, sampled);
    }
    EXPECT_EQ(gpu.objects.size(), 2U) << "image and memory";
    EXPECT_TRUE(image->view());
    EXPECT_EQ(gpu.view.components.a, VK_COMPONENT_SWIZZLE_ONE) << "X is no alpha";
    image.reset();
    EXPECT_EQ(gpu.objects.size(), 0U);
}

TEST_F(VulkanImport, OfferedWaysAreMeasuredAndLimited)
{
    gpu.pitch_align = 64;
    const Device made = device();
    const Use use = made.transfer_source();
    const auto support = use.importer().support({DRM_FORMAT_NV12, 62, 32});
    ASSERT_TRUE(support) << support.error().message();
    ASSERT_EQ((*support)->entries.size(), 2U) << "in one memory and in two";
    const Constraints& asked = *(*support)->entries[0].constraints;
    EXPECT_EQ(asked.stride_align, 64U);
    EXPECT_EQ(asked.max_size, gpu.max_allocation);
    EXPECT_NE(std::find_if(asked.origins.begin(), asked.origins.end(),
                           [](const Origin& origin) {
                               return origin.constraint == Constraint::stride_align && origin.call == "vkCreateImage" &&
                                      origin.device == "vulkan:fake:transfer-source";
                           }),
              asked.origins.end());
    const auto large = use.importer().support({DRM_FORMAT_NV12, 8192, 32});
    ASSERT_FALSE(large);
    EXPECT_NE(large.error().message().find("4096"), std::string::npos) << large.error().message();
    gpu.importable = false;
    EXPECT_EQ(use.importer().support({DRM_FORMAT_NV12, 62, 32}).error().category, Category::unsupported);
}

TEST_F(VulkanImport, TiledImagesLieWhereTheDriverPutsThem)
{
    const std::uint64_t tiled = I915_FORMAT_MOD_Y_TILED_CCS;
    gpu.formats[VK_FORMAT_B8G8R8A8_UNORM].push_back({tiled, 2, 0});
    const Device made = device();
    const auto support = made.sampled().importer().support({DRM_FORMAT_XRGB8888, 100, 50});
    ASSERT_TRUE(support);
    const auto entry = std::find_if((*support)->entries.begin(), (*support)->entries.end(),
                                    [](const Support::Entry& each) { return each.layout != nullptr; });
    ASSERT_NE(entry, (*support)->entries.end());
    EXPECT_EQ(entry->modifier, Modifier(tiled));
    EXPECT_EQ(entry->layout->plane_count, 2U);
    EXPECT_EQ(entry->layout->planes[0].stride, 512U);
    EXPECT_EQ(entry->layout->planes[1].offset, 512U * 64);
    // And are imported with both planes in one memory.
    const auto image = made.import_image(make(*entry->layout), sampled);
    ASSERT_TRUE(image) << image.error().message();
    EXPECT_EQ(last_image().modifier, tiled);
    EXPECT_EQ(last_image().planes.size(), 2U);
    // A buffer with fewer planes than the modifier has is not one of these.
    Layout fewer = *entry->layout;
    fewer.plane_count = 1;
    EXPECT_EQ(made.import_image(make(fewer), sampled).error().category, Category::unsupported);
}

/// A device lists columns without their height, and each image has one in its modifier.
TEST_F(VulkanImport, ColumnsAreImportedWithTheirHeight)
{
    gpu.formats[VK_FORMAT_G8_B8R8_2PLANE_420_UNORM].push_back({DRM_FORMAT_MOD_BROADCOM_SAND128, 2, 0});
    const Layout layout = *tiled_layout(columns(), {DRM_FORMAT_NV12, 1270, 720}, 1180, 720);
    const Device made = device();
    EXPECT_TRUE(made.sampled().importer().fit(layout));
    {
        const auto image = made.import_image(make(layout), sampled);
        ASSERT_TRUE(image) << image.error().message();
        EXPECT_EQ(last_image().modifier, layout.modifier.value);
    }
    // Only the driver knows which heights it takes.
    gpu.any_column_height = false;
    const auto refused = made.import_image(make(layout), sampled);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().category, Category::unsupported);
    EXPECT_NE(refused.error().message().find("does not support NV12 with " + to_string(layout.modifier)),
              std::string::npos)
        << refused.error().message();
}

/// A decoder that has one layout.
class Decoder final : public Importer {
public:
    explicit Decoder(const Layout& layout) : layout_(layout) {}

    const std::string& name() const noexcept override { return name_; }
    Result<std::shared_ptr<const Support>> support(const Request&) override
    {
        const Arrangement way{layout_.format, DRM_FORMAT_MOD_BROADCOM_SAND128, Memories::single};
        return std::make_shared<const Support>(Support{{{way, {}, std::make_shared<const Layout>(layout_)}}});
    }
    Result<Layout> fit(const Layout& layout) override
    {
        if (layout.modifier != layout_.modifier)
            return Error::unsupported("fit", "it makes other columns");
        return layout;
    }
    Result<std::unique_ptr<Trial>> begin_trial(const Layout&) override { return std::make_unique<Taking>(); }

private:
    struct Taking final : Trial {
        Verdict attempt(std::span<const int>) override { return Verdict::accepted("TAKE", "took it"); }
    };
    Layout layout_;
    std::string name_ = "decoder";
};

TEST_F(VulkanImport, ADecodersColumnsArePlannedForTheGpu)
{
    gpu.formats[VK_FORMAT_G8_B8R8_2PLANE_420_UNORM].push_back({DRM_FORMAT_MOD_BROADCOM_SAND128, 2, 0});
    machine.add_heap("system");
    const Use decoder(std::make_shared<Decoder>(*tiled_layout(columns(), {DRM_FORMAT_NV12, 1280, 720}, 1080, 720)));
    const Device made = device();
    for (const auto& uses : {std::vector{decoder, made.sampled()}, std::vector{made.sampled(), decoder}}) {
        const auto plan = Allocator().plan({DRM_FORMAT_NV12, 1280, 720}, uses);
        ASSERT_TRUE(plan) << plan.error().message();
        EXPECT_EQ(plan->layout().modifier, Modifier(DRM_FORMAT_MOD_BROADCOM_SAND128 | std::uint64_t{1080} << 8U));
        const auto buffer = plan->allocate();
        ASSERT_TRUE(buffer);
        EXPECT_TRUE(made.import_image(*buffer, sampled));
    }
}

TEST_F(VulkanImport, ViewsOfOtherFormatsMakeTheImageMutable)
{
    const Device made = device();
    const ImageUsage planes{
        VK_IMAGE_USAGE_STORAGE_BIT, VK_IMAGE_CREATE_EXTENDED_USAGE_BIT, {VK_FORMAT_R8_UNORM, VK_FORMAT_R8G8_UNORM}};
    const auto image = made.import_image(make(nv12(Memories::single)), planes);
    ASSERT_TRUE(image);
    EXPECT_NE(last_image().info.flags & VK_IMAGE_CREATE_MUTABLE_FORMAT_BIT, 0U);
    EXPECT_EQ(last_image().view_formats.size(), 3U);
    const auto luma = image->view({.format = VK_FORMAT_R8_UNORM, .aspect = VK_IMAGE_ASPECT_PLANE_0_BIT});
    ASSERT_TRUE(luma);
    EXPECT_EQ(*image->view({.format = VK_FORMAT_R8_UNORM, .aspect = VK_IMAGE_ASPECT_PLANE_0_BIT}), *luma);
    EXPECT_EQ(image->view({.usage = VK_IMAGE_USAGE_SAMPLED_BIT}).error().category, Category::invalid_argument);
}

TEST_F(VulkanImport, ConversionsAreAsNearAsTheDeviceCan)
{
    const Device made = device();
    const auto conversion = made.conversion(DRM_FORMAT_NV12, linear, {});
    ASSERT_TRUE(conversion);
    EXPECT_EQ(gpu.conversion.xChromaOffset, VK_CHROMA_LOCATION_MIDPOINT) << "the device has no other";
    EXPECT_EQ(gpu.conversion.chromaFilter, VK_FILTER_NEAREST);
    EXPECT_EQ(conversion->colours().x_chroma, VK_CHROMA_LOCATION_MIDPOINT);
    EXPECT_NE(conversion->changed().find("between luma samples"), std::string::npos);
    EXPECT_EQ(made.conversion(DRM_FORMAT_XRGB8888, 99, {}).error().category, Category::unsupported);
}

TEST_F(VulkanImport, WhatIsNoImageHere)
{
    const Device made = device();
    EXPECT_EQ(made.import_image(make(rgb()), {}).error().category, Category::invalid_argument);
    Layout other = rgb();
    other.modifier = implicit_modifier;
    EXPECT_EQ(made.import_image(make(other), sampled).error().category, Category::unsupported);
    other.modifier = Modifier(I915_FORMAT_MOD_X_TILED);
    EXPECT_EQ(made.import_image(make(other), sampled).error().category, Category::unsupported);
    std::vector<std::byte> own(8192);
    const auto ours = Buffer::from_memory(rgb(), own);
    ASSERT_TRUE(ours);
    EXPECT_EQ(made.import_image(*ours, sampled).error().category, Category::unsupported);
    EXPECT_EQ(made.import_buffer(make(rgb()), VK_BUFFER_USAGE_TRANSFER_SRC_BIT, 1).error().category,
              Category::invalid_argument);
}

TEST(VulkanFailure, ResultsHaveCategories)
{
    EXPECT_EQ(failure(VK_ERROR_DEVICE_LOST, "x").category, Category::device_gone);
    EXPECT_EQ(failure(VK_ERROR_OUT_OF_DEVICE_MEMORY, "x").category, Category::out_of_memory);
    EXPECT_EQ(failure(VK_TIMEOUT, "x").category, Category::timed_out);
    EXPECT_EQ(failure(VK_ERROR_INVALID_EXTERNAL_HANDLE, "x").category, Category::incompatible);
    EXPECT_EQ(failure(VK_ERROR_FORMAT_NOT_SUPPORTED, "x").category, Category::unsupported);
    EXPECT_EQ(failure(static_cast<VkResult>(-12345), "x", "y").message(), "x: VkResult -12345: y");
}

} // namespace
} // namespace commonbuf::vulkan
