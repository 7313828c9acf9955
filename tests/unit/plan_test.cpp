// SPDX-License-Identifier: MIT
//
// Plans on machines that the fake kernel models: which heap is chosen, and what is
// said of the others.
#include "fake/machine.hpp"

#include <commonbuf/commonbuf.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>

#include <algorithm>
#include <cerrno>

namespace commonbuf {
namespace {

class PlanTest : public testing::Test {
protected:
    fake::Machine machine;
    Request request{DRM_FORMAT_XRGB8888, 1280, 720};

    fake::CameraModel& add_camera(bool needs_contiguous)
    {
        return machine.add_camera(
            "video0", {.needs_contiguous = needs_contiguous, .formats = {V4L2_PIX_FMT_XBGR32, V4L2_PIX_FMT_NV12}});
    }
    fake::CardModel& add_card() { return machine.add_card("card0", {.formats = {DRM_FORMAT_XRGB8888}}); }

    static Use camera() { return v4l2::Device::open("/dev/video0")->capture(); }
    static Use display() { return drm::Device::open("/dev/dri/card0")->scanout(); }

    Result<Plan> plan(std::initializer_list<Use> uses) { return Allocator().plan(request, uses); }

    static const HeapVerdict& verdict(const Report& report, std::string_view heap)
    {
        const auto found = std::find_if(report.heaps.begin(), report.heaps.end(),
                                        [heap](const HeapVerdict& each) { return each.heap.name == heap; });
        if (found == report.heaps.end())
            throw std::runtime_error("no verdict on " + std::string(heap));
        return *found;
    }
    static std::vector<std::string> order(const Report& report)
    {
        std::vector<std::string> names;
        for (const HeapVerdict& each : report.heaps)
            names.push_back(each.heap.name);
        return names;
    }

    void TearDown() override { EXPECT_EQ(machine.leaks(), ""); }
};

TEST_F(PlanTest, WhereEveryoneTakesScatteredMemoryTheScarceIsLeftAlone)
{
    add_camera(false);
    add_card();
    machine.add_heap("aaa_region", {.contiguous = true});
    machine.add_heap("system");
    machine.add_udmabuf();
    const auto made = plan({camera(), display()});
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(order(made->report()), (std::vector<std::string>{"system", "udmabuf", "aaa_region", "dumb-card0"}));
    EXPECT_FALSE(made->report().constraints.contiguous);
    // The display's consent is not yet a proof, and the worst use decides.
    EXPECT_EQ(made->chosen().verdict.outcome, Outcome::accepted);
    EXPECT_EQ(made->chosen().uses[0].verdict.outcome, Outcome::proved);
}

TEST_F(PlanTest, AContiguousCameraGetsTheRegion)
{
    add_camera(true);
    add_card();
    machine.add_heap("region", {.contiguous = true});
    machine.add_heap("system");
    machine.add_udmabuf();
    const auto made = plan({camera(), display()});
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(made->chosen().heap.name, "region");
    const HeapVerdict& system = verdict(made->report(), "system");
    EXPECT_EQ(system.verdict.outcome, Outcome::refused);
    EXPECT_EQ(system.uses[0].verdict.call, "VIDIOC_PREPARE_BUF");
    EXPECT_EQ(system.uses[0].verdict.sys_errno, EFAULT);
    EXPECT_EQ(system.uses[0].verdict.needed, 3686400U);
    EXPECT_EQ(system.uses[1].verdict.outcome, Outcome::accepted);
    ASSERT_TRUE(made->report().constraints.contiguous);
    const auto& origins = made->report().constraints.origins;
    EXPECT_TRUE(std::any_of(origins.begin(), origins.end(), [](const Origin& origin) {
        return origin.constraint == Constraint::contiguous && origin.device == "v4l2:/dev/video0:capture";
    }));
}

/// 1280x720 XR24 has no odd tail: the lucky heap gives contiguous memory every time.
TEST_F(PlanTest, LuckIsNoProof)
{
    add_camera(true);
    machine.add_heap("system", {.lucky = true});
    request = {DRM_FORMAT_XRGB8888, 1280, 768}; // a multiple of 64 KiB
    for (const bool with_udmabuf : {false, true}) {
        if (with_udmabuf)
            machine.add_udmabuf();
        const auto made = plan({camera()});
        ASSERT_FALSE(made);
        const HeapVerdict& system = verdict(*made.error().report, "system");
        EXPECT_EQ(system.verdict.outcome, Outcome::refused);
        EXPECT_NE(system.uses[0].verdict.reason.find("passed by luck"), std::string::npos)
            << system.uses[0].verdict.reason;
    }
}

TEST_F(PlanTest, WithoutUdmabufEachHeapIsAskedForItsLuck)
{
    add_camera(true);
    machine.add_heap("region", {.contiguous = true});
    machine.add_heap("system");
    const auto made = plan({camera()});
    ASSERT_TRUE(made);
    EXPECT_EQ(made->chosen().heap.name, "region");
    EXPECT_EQ(made->chosen().verdict.outcome, Outcome::proved);
}

TEST_F(PlanTest, ARegionWithRoomForOneOnlyStaysUnproved)
{
    add_camera(true);
    machine.add_heap("region", {.contiguous = true, .capacity = 3686400});
    const auto made = plan({camera()});
    ASSERT_TRUE(made);
    EXPECT_EQ(made->chosen().verdict.outcome, Outcome::accepted);
    EXPECT_NE(made->chosen().verdict.reason.find("no room for a second look"), std::string::npos);
}

TEST_F(PlanTest, ADisplayThatChecksAtImportProvesByConsent)
{
    add_card().checks_at_import = true;
    machine.add_heap("region", {.contiguous = true});
    machine.add_heap("system");
    machine.add_udmabuf();
    const auto made = plan({display()});
    ASSERT_TRUE(made) << made.error().message();
    // Its own dumb buffers are contiguous too, and meant for it alone.
    EXPECT_EQ(order(made->report())[0], "region");
    EXPECT_EQ(verdict(made->report(), "region").verdict.outcome, Outcome::proved);
    const Verdict& system = verdict(made->report(), "system").verdict;
    EXPECT_EQ(system.call, "DRM_IOCTL_PRIME_FD_TO_HANDLE");
    EXPECT_EQ(system.sys_errno, EINVAL);
}

TEST_F(PlanTest, TheStrideThatTheDisplayAsksForIsMeasured)
{
    add_camera(false);
    add_card().pitch_align = 256;
    machine.add_heap("system");
    request = {DRM_FORMAT_XRGB8888, 1366, 768};
    const auto made = plan({camera(), display()});
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(made->layout().planes[0].stride, 5632U);
    EXPECT_TRUE(made->report().set_aside.empty());
    const Origin expected{Constraint::stride_align, 256, "drm:/dev/dri/card0:scanout", "DRM_IOCTL_MODE_ADDFB2"};
    const auto& origins = made->report().constraints.origins;
    EXPECT_NE(std::find(origins.begin(), origins.end(), expected), origins.end());
}

TEST_F(PlanTest, AStrideTheDisplayRefusesIsPaddedUntilItFits)
{
    // Without dumb buffers nothing can be measured beforehand.
    add_camera(false);
    fake::CardModel& card = add_card();
    card.pitch_align = 256;
    card.dumb = false;
    machine.add_heap("system");
    request = {DRM_FORMAT_XRGB8888, 1366, 768};
    const auto made = plan({camera(), display()});
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(made->layout().planes[0].stride, 5632U);
    ASSERT_EQ(made->report().set_aside.size(), 2U); // 5464 and 5504
    EXPECT_EQ(made->report().set_aside[0].use, "drm:/dev/dri/card0:scanout");
    EXPECT_EQ(made->report().set_aside[0].verdict.call, "DRM_IOCTL_MODE_ADDFB2");
}

TEST_F(PlanTest, ACameraThatTakesNoStrideAndADisplayThatWantsAnotherIsSaidSo)
{
    add_camera(false).stride_step = 0;
    add_card().pitch_align = 256;
    machine.add_heap("system");
    request = {DRM_FORMAT_XRGB8888, 1366, 768};
    const auto made = plan({camera(), display()});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().category, Category::incompatible);
    EXPECT_NE(made.error().message().find("DRM_IOCTL_MODE_ADDFB2"), std::string::npos) << made.error().message();
}

TEST_F(PlanTest, TheDriversPaddingMakesTheMemoryLarger)
{
    add_camera(false).extra_bytes = 4096;
    machine.add_heap("system");
    const auto made = plan({camera()});
    ASSERT_TRUE(made);
    EXPECT_EQ(made->layout().memory_sizes[0], 1280U * 720 * 4 + 4096);
}

TEST_F(PlanTest, DriversWithoutPrepareAreTriedByQueueing)
{
    add_camera(true).has_prepare = false;
    machine.add_heap("region", {.contiguous = true});
    machine.add_heap("system");
    const auto made = plan({camera()});
    ASSERT_TRUE(made);
    EXPECT_EQ(made->chosen().heap.name, "region");
    EXPECT_EQ(verdict(made->report(), "system").verdict.call, "VIDIOC_QBUF");
}

TEST_F(PlanTest, TheDeviceIsLeftAsItWas)
{
    fake::CameraModel& model = add_camera(false);
    model.width = 320;
    model.height = 200;
    model.fourcc = V4L2_PIX_FMT_NV12;
    model.stride = 320;
    machine.add_heap("system");
    ASSERT_TRUE(plan({camera()}));
    EXPECT_EQ(model.width, 320U);
    EXPECT_EQ(model.height, 200U);
    EXPECT_EQ(model.fourcc, V4L2_PIX_FMT_NV12);
    EXPECT_EQ(model.slots, 0U);
}

TEST_F(PlanTest, BayerPassesAsTheDriverSays)
{
    fake::CameraModel& model = add_camera(false);
    model.formats = {V4L2_PIX_FMT_SRGGB10};
    model.extra_bytes = 100;
    machine.add_heap("system");
    request.format = Format::v4l2(V4L2_PIX_FMT_SRGGB10);
    const auto made = plan({camera(), cpu(Access::read)});
    ASSERT_TRUE(made) << made.error().message();
    const Layout& layout = made->layout();
    EXPECT_EQ(layout.format, request.format);
    EXPECT_EQ(layout.plane_count, 1U);
    EXPECT_EQ(layout.memory_sizes[0], std::uint64_t{layout.planes[0].stride} * request.height + 100);
    EXPECT_EQ(layout.planes[0].size, layout.memory_sizes[0]);
    EXPECT_TRUE(validate(layout));
}

TEST_F(PlanTest, CompressedFramesHaveNoStride)
{
    fake::CameraModel& model = add_camera(false);
    model.formats = {V4L2_PIX_FMT_MJPEG};
    model.distort = [](v4l2_format& format) { format.fmt.pix.bytesperline = 0; };
    machine.add_heap("system");
    request.format = Format::v4l2(V4L2_PIX_FMT_MJPEG);
    const auto made = plan({camera()});
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(made->layout().planes[0].stride, 0U);
    EXPECT_GT(made->layout().memory_sizes[0], 1U);
}

TEST_F(PlanTest, BayerIsNotShown)
{
    add_camera(false).formats = {V4L2_PIX_FMT_SRGGB16};
    add_card();
    machine.add_heap("system");
    // The same four characters as RGB565, which a display may well have.
    request.format = Format::v4l2(V4L2_PIX_FMT_SRGGB16);
    const auto made = plan({camera(), display()});
    ASSERT_FALSE(made);
    EXPECT_NE(made.error().message().find("no plane shows v4l2:RG16"), std::string::npos) << made.error().message();
}

TEST_F(PlanTest, ACameraFillsTheLinesAroundThePictureThatADisplayShows)
{
    const fake::CameraModel& model = add_camera(false);
    add_card();
    machine.add_heap("system");
    request.lines_before = 2;
    request.lines_after = 3;
    const auto around = plan({camera(), display()});
    ASSERT_TRUE(around) << around.error().message();
    const Layout& layout = around->layout();
    EXPECT_EQ(layout.planes[0].offset, std::uint64_t{layout.planes[0].stride} * 2);
    EXPECT_EQ(layout.height, 720U);
    {
        const auto device = v4l2::Device::open("/dev/video0");
        const auto queue = device->open_queue(v4l2::Role::capture, layout, 1);
        ASSERT_TRUE(queue) << queue.error().message();
        EXPECT_EQ(model.height, 725U) << "its image has the lines, from the first byte of the memory";
    }
    request.format = DRM_FORMAT_XRGB8888;
    request.lines_before = 0;
    request.lines_after = 2;
    const auto behind = plan({camera()});
    ASSERT_TRUE(behind) << behind.error().message();
    EXPECT_GE(behind->layout().memory_sizes[0],
              std::uint64_t{behind->layout().planes[0].stride} * (request.height + 2));
}

/// To the camera the lines are rows of all planes.
TEST_F(PlanTest, LinesAroundAPictureAreThoseOfEachPlane)
{
    const fake::CameraModel& model = add_camera(false);
    const fake::CardModel& card = machine.add_card("card0", {.formats = {DRM_FORMAT_NV12}});
    machine.add_heap("system");
    request.format = DRM_FORMAT_NV12;
    request.lines_before = 4;
    request.lines_after = 3;
    const auto made = plan({camera(), display()});
    ASSERT_TRUE(made) << made.error().message();
    const Layout& layout = made->layout();
    EXPECT_EQ(layout.planes[0].offset, 1280U * 4);
    EXPECT_EQ(layout.planes[1].offset, 1280U * (727 + 2));
    EXPECT_GE(layout.memory_sizes[0], 1280U * (727 + 364));
    EXPECT_EQ(card.frame.offsets, (std::array<std::uint32_t, 2>{1280 * 4, 1280 * (727 + 2)}));
    const auto device = v4l2::Device::open("/dev/video0");
    {
        const auto queue = device->open_queue(v4l2::Role::capture, layout, 1);
        ASSERT_TRUE(queue) << queue.error().message();
        EXPECT_EQ(model.height, 727U);
    }
    const auto refusal = [&](const Layout& wrong) {
        const auto queue = device->open_queue(v4l2::Role::capture, wrong, 1);
        return queue ? "" : queue.error().message();
    };
    Layout other = layout;
    other.planes[0].offset = 0;
    EXPECT_NE(refusal(other).find("the picture behind its lines, but the layout puts plane 0 at 0"), std::string::npos)
        << refusal(other);
    other = *linear_layout({DRM_FORMAT_NV12, 1280, 720}, 1280, Memories::single);
    other.planes[0].offset += 1280U * 4;
    other.planes[1].offset += 1280U * 4;
    other.memory_sizes[0] += 1280U * 7;
    other.lines_before = 4;
    other.lines_after = 3;
    EXPECT_NE(refusal(other).find("V4L2 puts plane 1 right behind"), std::string::npos)
        << "room in front of the luma only: " << refusal(other);

    EXPECT_TRUE(plan({cpu(Access::read)}));
    request.lines_before = 3;
    const auto odd = plan({camera(), display()});
    ASSERT_FALSE(odd);
    EXPECT_NE(odd.error().message().find("no whole rows of plane 1"), std::string::npos) << odd.error().message();
}

TEST_F(PlanTest, LinesAroundAPictureAreInEachMemory)
{
    const fake::PlanarModel& model = machine.add_planar("video0", {.formats = {V4L2_PIX_FMT_NV12M}});
    machine.add_heap("system");
    request = {DRM_FORMAT_NV12, 640, 480};
    request.lines_before = 4;
    request.lines_after = 4;
    const auto made = plan({camera(), cpu(Access::read)});
    ASSERT_TRUE(made) << made.error().message();
    Layout layout = made->layout();
    EXPECT_EQ(layout.planes[0].offset, 640U * 4);
    EXPECT_EQ(layout.planes[1], (Plane{1, 640, 640 * 2, 640 * 240}));
    EXPECT_EQ(layout.memory_sizes[1], 640U * 244);
    const auto device = v4l2::Device::open("/dev/video0");
    {
        const auto queue = device->open_queue(v4l2::Role::capture, layout, 1);
        ASSERT_TRUE(queue) << queue.error().message();
        EXPECT_EQ(model.height, 488U);
    }
    // A memory of its own has no place for an offset either.
    layout.lines_before = layout.lines_after = 0;
    layout.planes[0].offset = 0;
    const auto queue = device->open_queue(v4l2::Role::capture, layout, 1);
    ASSERT_FALSE(queue);
    EXPECT_NE(queue.error().message().find("but the layout puts plane 1 at 1280"), std::string::npos)
        << queue.error().message();
}

TEST_F(PlanTest, ACodecTakesLinesAroundAPictureForPicture)
{
    machine.add_codec("video0", {});
    machine.add_heap("system");
    request = {DRM_FORMAT_NV12, 64, 32};
    request.lines_before = 2;
    const auto made = plan({v4l2::Device::open("/dev/video0")->output()});
    ASSERT_FALSE(made);
    EXPECT_NE(made.error().message().find("a codec takes all that it reads or writes for picture"), std::string::npos)
        << made.error().message();
}

TEST_F(PlanTest, ABusyCameraIsSaidSo)
{
    add_camera(false).owned_elsewhere = true;
    machine.add_heap("system");
    const auto made = plan({camera()});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().category, Category::busy);
    EXPECT_EQ(made.error().sys_errno, EBUSY);
    EXPECT_NE(made.error().message().find("owns the queue"), std::string::npos);
}

TEST_F(PlanTest, AFormatThatADeviceLacksIsNamedWithWhatItHas)
{
    add_camera(false);
    add_card();
    machine.add_heap("system");
    request.format = DRM_FORMAT_NV12;
    const auto made = plan({camera(), display()});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().category, Category::incompatible);
    EXPECT_NE(made.error().message().find("no plane shows NV12; they show XR24"), std::string::npos)
        << made.error().message();
    ASSERT_EQ(made.error().report->not_served.size(), 1U);
    EXPECT_EQ(made.error().report->not_served[0].use, "drm:/dev/dri/card0:scanout");
}

TEST_F(PlanTest, ASizeThatTheCameraDoesNotMakeIsNamed)
{
    add_camera(false).max_width = 640;
    machine.add_heap("system");
    const auto made = plan({camera()});
    ASSERT_FALSE(made);
    EXPECT_NE(made.error().message().find("asked for 1280x720, the driver sets 640x720"), std::string::npos)
        << made.error().message();
}

TEST_F(PlanTest, ForbiddenAndDuplicateHeapsAreListedAndNotTried)
{
    add_camera(false);
    machine.add_heap("system");
    machine.add_heap("default_cma_region");
    machine.add_heap("reserved");
    machine.add_udmabuf();
    machine.forbid("/dev/dma_heap/system");
    const auto made = plan({camera()});
    ASSERT_TRUE(made);
    EXPECT_EQ(made->chosen().heap.name, "udmabuf");
    EXPECT_EQ(verdict(made->report(), "system").verdict.outcome, Outcome::not_tried);
    EXPECT_EQ(verdict(made->report(), "system").verdict.sys_errno, EACCES);
    EXPECT_EQ(verdict(made->report(), "reserved").verdict.reason, "another name of default_cma_region");
}

TEST_F(PlanTest, HeapsWithoutRoomForAllBuffersAreRefused)
{
    add_camera(false);
    machine.add_heap("region", {.contiguous = true, .capacity = 8U << 20U});
    request.count = 3;
    const auto made = plan({camera()});
    ASSERT_FALSE(made);
    const Verdict& region = verdict(*made.error().report, "region").verdict;
    EXPECT_EQ(region.call, "DMA_HEAP_IOCTL_ALLOC");
    EXPECT_EQ(region.sys_errno, ENOMEM);
    EXPECT_NE(region.reason.find("2 of 3 buffers fit"), std::string::npos) << region.reason;
}

TEST_F(PlanTest, AFullHeapMakesWayForTheNextProvedOne)
{
    add_camera(false);
    fake::HeapModel& first = machine.add_heap("a", {.contiguous = true});
    machine.add_heap("b", {.contiguous = true});
    const auto made = plan({camera()});
    ASSERT_TRUE(made);
    const auto before = made->allocate();
    ASSERT_TRUE(before);
    EXPECT_EQ(before->heap(), "a");
    EXPECT_EQ(before->fallback(), "");
    first.capacity = first.used;
    const auto after = made->allocate();
    ASSERT_TRUE(after);
    EXPECT_EQ(after->heap(), "b");
    EXPECT_NE(after->fallback().find("ENOMEM"), std::string::npos);
}

TEST_F(PlanTest, SeveralBuffersOrNone)
{
    add_camera(false);
    fake::HeapModel& only = machine.add_heap("a", {.contiguous = true});
    const auto made = plan({camera()});
    ASSERT_TRUE(made);
    const std::uint64_t before = only.used;
    {
        const auto buffers = made->allocate(3);
        ASSERT_TRUE(buffers);
        ASSERT_EQ(buffers->size(), 3U);
        EXPECT_NE(buffers->front(), buffers->back());
        EXPECT_EQ(only.used, before + 3 * made->layout().total_size());
    }
    EXPECT_TRUE(made->allocate(0)->empty());
    only.capacity = before + 2 * made->layout().total_size();
    const auto too_many = made->allocate(3);
    ASSERT_FALSE(too_many);
    EXPECT_EQ(too_many.error().category, Category::out_of_memory);
    EXPECT_EQ(only.used, before) << "the first two are freed";
}

TEST_F(PlanTest, NoHeapThatKnowsLessServesInSilence)
{
    add_camera(true);
    machine.add_heap("good", {.contiguous = true});
    fake::HeapModel& good = machine.add_heap("good2", {.contiguous = true});
    machine.add_heap("system");
    const auto made = plan({camera()});
    ASSERT_TRUE(made);
    machine.fail_all("DMA_HEAP_IOCTL_ALLOC", ENOMEM);
    const auto buffer = made->allocate();
    ASSERT_FALSE(buffer);
    EXPECT_EQ(buffer.error().category, Category::out_of_memory);
    EXPECT_EQ(buffer.error().message().find("/dev/dma_heap/system"), std::string::npos) << buffer.error().message();
    static_cast<void>(good);
}

TEST_F(PlanTest, TheCpuIsAUseToo)
{
    machine.add_heap("system");
    const auto made = plan({cpu(Access::read_write)});
    ASSERT_TRUE(made);
    EXPECT_EQ(made->chosen().verdict.outcome, Outcome::proved);
    machine.fail_all("mmap", ENODEV);
    const auto protected_memory = plan({cpu(Access::read)});
    ASSERT_FALSE(protected_memory);
    EXPECT_EQ(verdict(*protected_memory.error().report, "system").verdict.call, "mmap");
}

TEST_F(PlanTest, NoUseAndNoHeapAreErrors)
{
    EXPECT_EQ(Allocator().plan(request, std::span<const Use>()).error().category, Category::invalid_argument);
    const auto made = plan({cpu(Access::read)});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().category, Category::incompatible);
    EXPECT_NE(made.error().message().find("udmabuf not-tried at open with ENOENT"), std::string::npos)
        << made.error().message();
    const auto nothing = Allocator(std::vector<std::shared_ptr<Heap>>()).plan(request, {cpu(Access::read)});
    ASSERT_FALSE(nothing);
    EXPECT_NE(nothing.error().message().find("no heaps"), std::string::npos);
}

TEST_F(PlanTest, PlanningTwiceSaysTheSame)
{
    add_camera(true);
    add_card();
    machine.add_heap("region", {.contiguous = true});
    machine.add_heap("system");
    const auto one = plan({camera(), display()});
    const auto two = plan({camera(), display()});
    ASSERT_TRUE(one && two);
    EXPECT_EQ(one->explain(), two->explain());
}

} // namespace
} // namespace commonbuf
