// SPDX-License-Identifier: MIT
//
// Memory that Vulkan exports, in plans beside other heaps; and the barriers with which images
// go from one device to the other and back.
#include "gpu.hpp"
#include "gpu_work.hpp"
#include "sw_sync.hpp"

#include <drm_fourcc.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <thread>

namespace {

namespace cb = commonbuf;
namespace vulkan = cb::vulkan;
using namespace std::chrono_literals;

constexpr cb::Format xr24 = DRM_FORMAT_XRGB8888;
const vulkan::ImageUsage copies{.flags = VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT};

class VulkanHeap : public GpuTest {
protected:
    static cb::Allocator only(const Gpu& gpu) { return cb::Allocator({vulkan::heap(*gpu.wrapped, copies)}); }

    /// All heaps of the machine and Vulkan's.
    static cb::Allocator all(const Gpu& gpu)
    {
        auto heaps = cb::find_heaps();
        heaps.push_back(vulkan::heap(*gpu.wrapped, copies));
        return cb::Allocator(std::move(heaps));
    }
    static std::uint32_t pixel(const cb::CpuAccess& access, const cb::Layout& layout, std::uint32_t x, std::uint32_t y)
    {
        std::uint32_t value = 0;
        std::memcpy(&value, access.plane(0).data() + std::size_t{y} * layout.planes[0].stride + x * sizeof value,
                    sizeof value);
        return value;
    }
};

TEST_F(VulkanHeap, GivesBytes)
{
    NEED_GPU(gpu);
    const auto heap = vulkan::heap(*gpu.wrapped, copies);
    ASSERT_FALSE(heap->info().obstacle) << heap->info().obstacle->message();
    EXPECT_EQ(heap->info().kind, cb::HeapKind::vulkan);
    for (const std::uint64_t bytes : {std::uint64_t{1}, std::uint64_t{4096}, std::uint64_t{3} << 20U}) {
        const auto memory = heap->allocate(bytes);
        ASSERT_TRUE(memory) << memory.error().message();
        EXPECT_GE(lseek(memory->get(), 0, SEEK_END), static_cast<off_t>(bytes));
    }
    EXPECT_EQ(heap->allocate(0).error().category, cb::Category::invalid_argument);
    EXPECT_FALSE(heap->allocate(std::uint64_t{1} << 50U));
}

/// The driver's own layout is what the library would take for its images.
TEST_F(VulkanHeap, SaysHowTheDriverLaysImagesOut)
{
    NEED_GPU(gpu);
    const auto heap = vulkan::heap(*gpu.wrapped, copies);
    const auto proposed = heap->propose({{xr24, 333, 77}, {xr24, cb::linear, cb::Memories::single}, {}});
    ASSERT_TRUE(proposed) << proposed.error().message();
    ASSERT_EQ(proposed->size(), 1U);
    const cb::Layout& layout = proposed->front();
    EXPECT_TRUE(cb::validate(layout));
    EXPECT_GE(layout.planes[0].stride, 333U * 4);
    const auto memories = heap->allocate_image(layout);
    ASSERT_TRUE(memories) << memories.error().message();
    EXPECT_EQ(memories->size(), 1U);
    EXPECT_TRUE(heap->propose({{xr24, 64, 64}, {xr24, cb::Modifier{I915_FORMAT_MOD_X_TILED}, cb::Memories::single}, {}})
                    ->empty() ||
                gpu.wrapped->name().find("llvmpipe") == std::string::npos);
}

TEST_F(VulkanHeap, ServesAPlanAlone)
{
    NEED_GPU(gpu);
    const auto plan = only(gpu).plan({xr24, 640, 480, 3}, {gpu.wrapped->use(copies), cb::cpu(cb::Access::read_write)});
    ASSERT_TRUE(plan) << plan.error().message();
    EXPECT_EQ(plan->chosen().heap.kind, cb::HeapKind::vulkan);
    EXPECT_LE(plan->chosen().verdict.outcome, cb::Outcome::accepted);
    const auto buffer = plan->allocate();
    ASSERT_TRUE(buffer) << buffer.error().message();
    // Written by the CPU, seen by the CPU in another mapping of the same memory.
    {
        auto access = buffer->write(cb::deadline_in(1s));
        ASSERT_TRUE(access) << access.error().message();
        std::memset(access->plane(0).data(), 0x5a, access->plane(0).size());
        ASSERT_TRUE(access->end());
    }
    const auto again = cb::Buffer::wrap(buffer->layout(), [&] {
        std::vector<cb::UniqueFd> fds;
        fds.push_back(std::move(*buffer->export_fd()));
        return fds;
    }());
    ASSERT_TRUE(again);
    auto access = again->read(cb::deadline_in(1s));
    ASSERT_TRUE(access);
    EXPECT_EQ(pixel(*access, again->layout(), 639, 479), 0x5a5a5a5aU);
    ASSERT_TRUE(access->end());
}

/// Plain memory is enough for everybody here: Vulkan's has a verdict, and stays alone.
TEST_F(VulkanHeap, StandsBesideTheOthers)
{
    NEED_GPU(gpu);
    NEED_HEAP(false, "heap of ordinary memory");
    const auto plan = all(gpu).plan({xr24, 640, 480}, {gpu.wrapped->use(copies), cb::cpu(cb::Access::read)});
    ASSERT_TRUE(plan) << plan.error().message();
    EXPECT_NE(plan->chosen().heap.kind, cb::HeapKind::vulkan);
    const cb::HeapVerdict* own = devices::verdict(plan->report(), vulkan::heap(*gpu.wrapped, copies)->info().name);
    ASSERT_NE(own, nullptr);
    EXPECT_LE(own->verdict.outcome, cb::Outcome::accepted) << plan->explain();
    ASSERT_EQ(own->uses.size(), 2U);
}

#ifdef COMMONBUF_VERIFY
TEST_F(VulkanHeap, IsCapturedIntoAndComparedByteByByte)
{
    NEED_GPU(gpu);
    NEED_CAMERA(camera, devices::scattered_camera());
    const auto format = devices::any_format(camera.info(), cb::v4l2::Role::capture);
    ASSERT_TRUE(format);
    auto request = devices::current_size(camera, cb::v4l2::Role::capture, *format);
    request.count = 2;
    auto allocator = only(gpu);
    const auto plan = allocator.plan(request, {camera.capture()});
    ASSERT_TRUE(plan) << plan.error().message();
    EXPECT_EQ(plan->chosen().verdict.outcome, cb::Outcome::proved) << plan->explain();
    const auto seen = allocator.verify(*plan, {camera.capture()}, {.frames = 3, .deadline = cb::deadline_in(30s)});
    ASSERT_TRUE(seen) << seen.error().message();
    ASSERT_EQ(seen->uses.size(), 1U);
    EXPECT_EQ(seen->uses[0].content.result, cb::Sameness::same) << seen->uses[0].content.reason;
}
#endif

TEST_F(VulkanHeap, IsRefusedByACameraThatNeedsContiguousMemory)
{
    NEED_GPU(gpu);
    NEED_CAMERA(camera, devices::contiguous_camera());
    const auto format = devices::any_format(camera.info(), cb::v4l2::Role::capture);
    ASSERT_TRUE(format);
    const auto request = devices::current_size(camera, cb::v4l2::Role::capture, *format);
    const auto plan = only(gpu).plan(request, {camera.capture()});
    // A GPU with memory of its own may well give contiguous memory.
    if (plan)
        GTEST_SKIP() << "this GPU's memory is contiguous: " << plan->explain();
    ASSERT_NE(plan.error().report, nullptr);
    ASSERT_EQ(plan.error().report->heaps.size(), 1U);
    const cb::HeapVerdict& verdict = plan.error().report->heaps.front();
    EXPECT_EQ(verdict.verdict.outcome, cb::Outcome::refused);
    EXPECT_EQ(verdict.uses.at(0).verdict.call, "VIDIOC_PREPARE_BUF");
    EXPECT_EQ(verdict.uses.at(0).verdict.sys_errno, EFAULT) << plan.error().report->explain();
}

#ifdef COMMONBUF_VERIFY
TEST_F(VulkanHeap, IsShown)
{
    NEED_GPU(gpu);
    NEED_DISPLAY(display);
    auto allocator = only(gpu);
    const auto plan = allocator.plan({xr24, 1024, 768, 2}, {display.scanout()});
    ASSERT_TRUE(plan) << plan.error().message();
    const auto seen = allocator.verify(*plan, {display.scanout()}, {.frames = 2, .deadline = cb::deadline_in(30s)});
    ASSERT_TRUE(seen) << seen.error().message();
    if (devices::lost_writeback(display, seen->uses[0].content)) {
        kernel_keeps_memory();
        GTEST_SKIP() << "vkms lost a writeback";
    }
    EXPECT_EQ(seen->uses[0].content.result, cb::Sameness::same) << seen->uses[0].content.reason;
}
#endif

/// A device that was made without what it takes is a heap that says so.
TEST_F(VulkanHeap, WithoutExtensionsItSaysWhichIsMissing)
{
    NEED_GPU(gpu);
    vulkan::WrapInfo info = gpu.info();
    info.extensions = {};
    const auto bare = vulkan::Device::wrap(info);
    ASSERT_TRUE(bare) << bare.error().message();
    const auto heap = vulkan::heap(*bare, copies);
    ASSERT_TRUE(heap->info().obstacle);
    EXPECT_NE(heap->info().obstacle->message().find("VK_KHR_external_memory_fd"), std::string::npos);
    EXPECT_FALSE(heap->allocate(4096));
    EXPECT_FALSE(vulkan::Semaphore::create(*bare));
    EXPECT_EQ(vulkan::import_semaphore(*bare, VK_NULL_HANDLE, {}).error().category, cb::Category::unsupported);
    EXPECT_EQ(vulkan::families(*bare).outside, VK_QUEUE_FAMILY_EXTERNAL);
    EXPECT_EQ(vulkan::families(*gpu.wrapped).outside, VK_QUEUE_FAMILY_FOREIGN_EXT);
}

class VulkanHandover : public VulkanHeap {
protected:
    static cb::Result<cb::Buffer> buffer_of(cb::Allocator allocator, const Gpu& gpu)
    {
        const auto plan = allocator.plan({xr24, 320, 240}, {gpu.wrapped->use(copies), cb::cpu(cb::Access::read_write)});
        if (!plan)
            return plan.error();
        return plan->allocate();
    }
    static void barrier(const Gpu& gpu, VkCommandBuffer commands, const VkImageMemoryBarrier2& modern)
    {
        const vulkan::ImageBarrier old = vulkan::without_synchronization2(modern);
        gpu.get<PFN_vkCmdPipelineBarrier>("vkCmdPipelineBarrier")(commands, old.source, old.destination, 0, 0, nullptr,
                                                                  0, nullptr, 1, &old.barrier);
    }
};

/// CPU -> GPU -> CPU: what one writes the other finds, with fences in between; from memory of
/// any heap into memory of Vulkan's own.
TEST_F(VulkanHandover, PixelsGoFromTheCpuThroughTheGpuToTheCpu)
{
    NEED_GPU(gpu);
    NEED_HEAP(false, "heap of ordinary memory");
    GpuWork work(gpu);
    NEED_SW_SYNC(timeline);
    const auto source = buffer_of(cb::Allocator(), gpu);
    const auto target = buffer_of(only(gpu), gpu);
    ASSERT_TRUE(source) << source.error().message();
    ASSERT_TRUE(target) << target.error().message();
    const auto from = gpu.wrapped->import_image(*source, copies);
    const auto to = gpu.wrapped->import_image(*target, copies);
    ASSERT_TRUE(from) << from.error().message();
    ASSERT_TRUE(to) << to.error().message();
    const vulkan::Families families = vulkan::families(*gpu.wrapped);
    constexpr vulkan::Work reads{VK_PIPELINE_STAGE_2_TRANSFER_BIT, VK_ACCESS_2_TRANSFER_READ_BIT,
                                 VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL};
    constexpr vulkan::Work writes{VK_PIPELINE_STAGE_2_TRANSFER_BIT, VK_ACCESS_2_TRANSFER_WRITE_BIT,
                                  VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL};
    for (const unsigned round : {1U, 2U, 3U}) {
        auto written = source->write(cb::deadline_in(1s));
        ASSERT_TRUE(written) << written.error().message();
        for (std::size_t i = 0; i < written->plane(0).size(); ++i)
            written->plane(0)[i] = static_cast<std::byte>(i * 7 + round);
        ASSERT_TRUE(written->end());

        const VkCommandBuffer commands = work.record([&](VkCommandBuffer buffer) {
            barrier(gpu, buffer, vulkan::acquire_image(families, from->handle(), reads));
            barrier(gpu, buffer, vulkan::acquire_image(families, to->handle(), writes, vulkan::Contents::undefined));
            VkImageCopy region{};
            region.srcSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
            region.dstSubresource = region.srcSubresource;
            region.extent = {320, 240, 1};
            gpu.get<PFN_vkCmdCopyImage>("vkCmdCopyImage")(buffer, from->handle(), VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
                                                          to->handle(), VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, 1,
                                                          &region);
            barrier(gpu, buffer, vulkan::release_image(families, from->handle(), reads));
            barrier(gpu, buffer, vulkan::release_image(families, to->handle(), writes));
        });
        const VkSemaphore start = work.semaphore();
        const auto end = vulkan::Semaphore::create(*gpu.wrapped);
        ASSERT_TRUE(end);
        const cb::Fence input = timeline.fence(round);
        ASSERT_TRUE(vulkan::import_semaphore(*gpu.wrapped, start, input));
        work.submit({.wait = start, .commands = commands, .signal = end->handle()});
        // Where the CPU does the GPU's work, the export waits for this.
        const std::jthread signals([&timeline] {
            std::this_thread::sleep_for(20ms);
            timeline.advance(1);
        });
        const auto drawn = vulkan::export_semaphore(*gpu.wrapped, end->handle(), input);
        ASSERT_TRUE(drawn) << drawn.error().message();
        ASSERT_TRUE(source->import_fence(*drawn, cb::Access::read));
        ASSERT_TRUE(target->import_fence(*drawn, cb::Access::write));
        // The CPU waits for the GPU, which waits for somebody else.
        auto seen = target->read(cb::deadline_in(10s));
        ASSERT_TRUE(seen) << seen.error().message();
        auto sent = source->read(cb::deadline_in(10s));
        ASSERT_TRUE(sent);
        for (const std::uint32_t y : {0U, 119U, 239U})
            EXPECT_EQ(std::memcmp(seen->plane(0).data() + std::size_t{y} * target->layout().planes[0].stride,
                                  sent->plane(0).data() + std::size_t{y} * source->layout().planes[0].stride, 320 * 4),
                      0)
                << "round " << round << ", row " << y;
        ASSERT_TRUE(seen->end());
        ASSERT_TRUE(sent->end());
        gpu.get<PFN_vkDeviceWaitIdle>("vkDeviceWaitIdle")(gpu.device);
    }
}

/// Without this, no message of the layers would mean nothing.
TEST_F(VulkanHandover, TheLayersSeeAHazard)
{
    NEED_GPU(gpu);
    if (!gpu.validated)
        GTEST_SKIP() << "the validation layers are not installed";
    GpuWork work(gpu);
    const auto memory = buffer_of(only(gpu), gpu);
    ASSERT_TRUE(memory) << memory.error().message();
    const auto bytes = gpu.wrapped->import_buffer(*memory, VK_BUFFER_USAGE_TRANSFER_DST_BIT);
    ASSERT_TRUE(bytes) << bytes.error().message();
    work.record([&](VkCommandBuffer commands) {
        for (const std::uint32_t value : {1U, 2U})
            gpu.get<PFN_vkCmdFillBuffer>("vkCmdFillBuffer")(commands, bytes->handle(), 0, VK_WHOLE_SIZE, value);
    });
    const auto said = Gpu::messages();
    EXPECT_TRUE(std::any_of(said.begin(), said.end(),
                            [](const std::string& message) {
                                return message.find("WRITE_AFTER_WRITE") != std::string::npos ||
                                       message.find("WRITE-AFTER-WRITE") != std::string::npos;
                            }))
        << said.size() << " messages, " << (said.empty() ? "" : said.front());
}

TEST_F(VulkanHandover, ABufferGoesThroughTheGpuToo)
{
    NEED_GPU(gpu);
    const auto memory = buffer_of(only(gpu), gpu);
    ASSERT_TRUE(memory) << memory.error().message();
    constexpr VkBufferUsageFlags usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
    const auto bytes = gpu.wrapped->import_buffer(*memory, usage);
    ASSERT_TRUE(bytes) << bytes.error().message();
    const vulkan::Families families = vulkan::families(*gpu.wrapped);
    constexpr vulkan::Work writes{VK_PIPELINE_STAGE_2_TRANSFER_BIT, VK_ACCESS_2_TRANSFER_WRITE_BIT};
    GpuWork work(gpu);
    const auto barrier = [&](VkCommandBuffer commands, const VkBufferMemoryBarrier2& modern) {
        const vulkan::BufferBarrier old = vulkan::without_synchronization2(modern);
        gpu.get<PFN_vkCmdPipelineBarrier>("vkCmdPipelineBarrier")(commands, old.source, old.destination, 0, 0, nullptr,
                                                                  1, &old.barrier, 0, nullptr);
    };
    const VkCommandBuffer commands = work.record([&](VkCommandBuffer buffer) {
        barrier(buffer, vulkan::acquire_buffer(families, bytes->handle(), writes));
        gpu.get<PFN_vkCmdFillBuffer>("vkCmdFillBuffer")(buffer, bytes->handle(), 0, VK_WHOLE_SIZE, 0x11223344);
        barrier(buffer, vulkan::release_buffer(families, bytes->handle(), writes));
    });
    const auto end = vulkan::Semaphore::create(*gpu.wrapped);
    ASSERT_TRUE(end);
    work.submit({.commands = commands, .signal = end->handle()});
    const auto drawn = vulkan::export_semaphore(*gpu.wrapped, end->handle());
    ASSERT_TRUE(drawn);
    ASSERT_TRUE(memory->import_fence(*drawn, cb::Access::write));
    auto seen = memory->read(cb::deadline_in(10s));
    ASSERT_TRUE(seen) << seen.error().message();
    EXPECT_EQ(pixel(*seen, memory->layout(), 0, 0), 0x11223344U);
    EXPECT_EQ(pixel(*seen, memory->layout(), 319, 239), 0x11223344U);
    ASSERT_TRUE(seen->end());
    gpu.get<PFN_vkDeviceWaitIdle>("vkDeviceWaitIdle")(gpu.device);
}

} // namespace
