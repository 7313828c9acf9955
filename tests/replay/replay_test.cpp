// SPDX-License-Identifier: MIT
//
// The right plans on machines that are not here. Each board is a dump with its sources in
// boards/; what is expected follows from how its devices are built, not from what the
// library happens to say.
#include "boards.hpp"
#include "machine.hpp"

#include <drm_fourcc.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

namespace replay {
namespace {

using Names = std::vector<std::string>;

class Board : public testing::Test {
protected:
    explicit Board(const std::string& name) : machine_(Machine::load(REPLAY_BOARDS "/" + name + ".json")) {}

    void SetUp() override { ASSERT_TRUE(machine_) << machine_.error().message(); }

    cb::Result<cb::Plan> plan(const cb::Request& request, const Names& names, const cb::Preferences& preferences = {})
    {
        std::vector<cb::Use> uses;
        for (const std::string& name : names) {
            auto use = machine_->use(name);
            if (!use)
                return use.error();
            uses.push_back(std::move(*use));
        }
        return machine_->allocator().plan(request, uses, preferences);
    }

    cb::Result<Machine> machine_;
};

Names order(const cb::Report& report)
{
    Names names;
    for (const cb::HeapVerdict& heap : report.heaps)
        names.push_back(heap.heap.name);
    return names;
}

/// "outcome call errno", of a heap or of one use on it.
std::string in_short(const cb::Verdict& verdict)
{
    std::string text(to_string(verdict.outcome));
    if (verdict.outcome >= cb::Outcome::not_tried)
        text += " " + verdict.call + " " + (verdict.sys_errno != 0 ? cb::errno_name(verdict.sys_errno) : "");
    return text;
}

std::string verdict(const cb::Report& report, const std::string& heap, const std::string& use = "")
{
    for (const cb::HeapVerdict& each : report.heaps) {
        if (each.heap.name != heap)
            continue;
        if (use.empty())
            return in_short(each.verdict);
        for (const cb::UseVerdict& one : each.uses) {
            if (one.use == use)
                return in_short(one.verdict);
        }
    }
    return "none";
}

bool serves(const cb::Report& report, const std::string& heap)
{
    const std::string text = verdict(report, heap);
    return text == "proved" || text == "accepted";
}

/// Dumb buffers of a display that needs contiguous memory are contiguous, and rank before a
/// region that is scarce. What is chosen where a caller leaves them to the display:
cb::Preferences without_dumb()
{
    cb::Preferences preferences;
    preferences.forbid = {"drm-dumb"};
    return preferences;
}

#define EXPECT_SAYS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

// ------------------------------------------------------------------ Raspberry Pi 4

class RaspberryPi4 : public Board {
protected:
    RaspberryPi4() : Board("raspberry-pi-4") {}
    const std::string camera = "v4l2:@unicam:capture";
    const std::string isp = "v4l2:@bcm2835-isp:output";
    const std::string display = "drm:@vc4:scanout";
    const std::string gpu = "drm:@v3d:render";
};

TEST_F(RaspberryPi4, CameraAndDisplayMeetInTheCmaRegion)
{
    const auto made = plan({DRM_FORMAT_RGB565, 1000, 720}, {camera, display}, without_dumb());
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(made->chosen().heap.name, "linux,cma");
    // The display takes any stride; the camera writes rows in steps of 32 bytes.
    EXPECT_EQ(made->layout().modifier, cb::linear);
    EXPECT_EQ(made->layout().planes[0].stride, 2016U);
    EXPECT_EQ(made->layout().total_size(), 2016U * 720U);
    const cb::Report& report = made->report();
    for (const char* scattered : {"system", "udmabuf"}) {
        EXPECT_EQ(verdict(report, scattered, "v4l2:/dev/video0:capture"), "refused VIDIOC_PREPARE_BUF EFAULT");
        EXPECT_EQ(verdict(report, scattered, "drm:/dev/dri/card1:scanout"),
                  "refused DRM_IOCTL_PRIME_FD_TO_HANDLE EINVAL");
    }
    const auto buffer = made->allocate();
    ASSERT_TRUE(buffer) << buffer.error().message();
    EXPECT_EQ(buffer->heap(), "linux,cma");
}

TEST_F(RaspberryPi4, TheDisplaysOwnBuffersDoAsWell)
{
    const auto made = plan({DRM_FORMAT_RGB565, 1000, 720}, {camera, display});
    ASSERT_TRUE(made) << made.error().message();
    const Names heaps = order(made->report());
    EXPECT_EQ(Names(heaps.begin(), heaps.begin() + 2), (Names{"dumb-card1", "linux,cma"}));
    EXPECT_TRUE(serves(made->report(), "linux,cma"));
}

TEST_F(RaspberryPi4, TilesThatOnlyOneSideKnowsAreNoCommonGround)
{
    const auto made = plan({DRM_FORMAT_XRGB8888, 1920, 1080}, {gpu, display}, without_dumb());
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(made->layout().modifier, cb::linear); // neither UIF nor T tiles
    EXPECT_EQ(made->chosen().heap.name, "linux,cma");
    // The GPU has an MMU: alone it would take ordinary memory.
    EXPECT_EQ(verdict(made->report(), "system", "drm:/dev/dri/renderD128:render"), "accepted");
    EXPECT_EQ(plan({DRM_FORMAT_NV12, 1920, 1080}, {gpu})->chosen().heap.name, "system");
}

TEST_F(RaspberryPi4, RawPicturesGoToTheIspAndNotToTheDisplay)
{
    const cb::Format raw = cb::parse_format("v4l2:pRAA").value();
    const auto made = plan({raw, 1280, 720}, {camera, isp}, without_dumb());
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(made->layout().planes[0].stride, 1600U);
    EXPECT_EQ(made->layout().total_size(), 1152000U);
    EXPECT_EQ(made->chosen().heap.name, "linux,cma");

    const auto none = plan({raw, 1280, 720}, {camera, isp, display});
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().category, cb::Category::incompatible);
    ASSERT_EQ(none.error().report->not_served.size(), 1U);
    EXPECT_EQ(none.error().report->not_served[0].use, "drm:/dev/dri/card1:scanout");
    EXPECT_SAYS(none.error().report->explain(), "which 2 of 3 uses take");
    EXPECT_EQ(none.error().report->nearest->taken_by, 2U);
}

TEST_F(RaspberryPi4, WhereNothingServesEveryHeapIsListed)
{
    // 68 MB do not fit into 64 MiB.
    const auto none = plan({DRM_FORMAT_XRGB8888, 4096, 4200}, {gpu, display});
    ASSERT_FALSE(none);
    const cb::Report& report = *none.error().report;
    EXPECT_EQ(report.heaps.size(), 4U);
    EXPECT_EQ(verdict(report, "linux,cma"), "refused DMA_HEAP_IOCTL_ALLOC ENOMEM");
    EXPECT_EQ(verdict(report, "dumb-card1"), "refused DRM_IOCTL_MODE_CREATE_DUMB ENOMEM");
    for (const char* heap : {"system", "udmabuf", "linux,cma", "dumb-card1"})
        EXPECT_SAYS(none.error().message(), heap);
}

TEST_F(RaspberryPi4, WhatTheCallerForbidsStaysForbidden)
{
    cb::Preferences preferences;
    preferences.forbid = {"linux,cma", "drm-dumb"};
    const auto none = plan({DRM_FORMAT_RGB565, 1280, 720}, {camera, display}, preferences);
    ASSERT_FALSE(none);
    EXPECT_EQ(verdict(*none.error().report, "linux,cma"), "not-tried  ");
    EXPECT_EQ(verdict(*none.error().report, "system"), "refused VIDIOC_PREPARE_BUF EFAULT");
}

TEST_F(RaspberryPi4, BuffersThatDoNotFitAtOnceAreNoPlanForTheRegion)
{
    // 8.3 MB each: seven fit into 64 MiB, eight take 66.4 MB.
    EXPECT_EQ(plan({DRM_FORMAT_XRGB8888, 1920, 1080, 7}, {gpu, display}, without_dumb())->chosen().heap.name,
              "linux,cma");
    const auto none = plan({DRM_FORMAT_XRGB8888, 1920, 1080, 9}, {gpu, display}, without_dumb());
    ASSERT_FALSE(none);
    EXPECT_EQ(verdict(*none.error().report, "linux,cma"), "refused DMA_HEAP_IOCTL_ALLOC ENOMEM");
}

// ------------------------------------------------------------------ Raspberry Pi 5

class RaspberryPi5 : public Board {
protected:
    RaspberryPi5() : Board("raspberry-pi-5") {}
    const std::string camera = "v4l2:@rp1-cfe:capture";
    const std::string isp_in = "v4l2:@pispbe:output";
    const std::string isp_out = "v4l2:@pispbe:capture";
    const std::string display = "drm:@vc4:scanout";
};

TEST_F(RaspberryPi5, BehindIommusOrdinaryMemoryDoesAndTheRegionIsLeftAlone)
{
    const auto made = plan({DRM_FORMAT_NV12, 1366, 768}, {isp_out, display, "cpu:read"});
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(order(made->report()), (Names{"system", "udmabuf", "dumb-card1", "linux,cma"}));
    const cb::Layout& layout = made->layout();
    EXPECT_EQ(layout.modifier, cb::linear); // the ISP knows no SAND
    EXPECT_EQ(layout.memory_count, 1U);
    EXPECT_EQ(layout.planes[0].stride, 1376U);
    EXPECT_EQ(layout.planes[1].stride, 1376U);
    EXPECT_EQ(layout.planes[1].offset, 1376U * 768U);
    EXPECT_FALSE(made->report().constraints.contiguous);
}

TEST_F(RaspberryPi5, RawPicturesToo)
{
    const auto made = plan({cb::parse_format("v4l2:RG16").value(), 1536, 864}, {camera, isp_in});
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(made->chosen().heap.name, "system");
    EXPECT_EQ(made->layout().planes[0].stride, 3072U);
    // 'RG16' is a picture in RGB too, under DRM's name: the display knows that one alone.
    EXPECT_FALSE(plan({cb::parse_format("v4l2:RG16").value(), 1536, 864}, {camera, display}));
    EXPECT_TRUE(plan({DRM_FORMAT_RGB565, 1536, 864}, {camera, display}));
}

// ------------------------------------------------------------------ RK3399

class Rk3399 : public Board {
protected:
    Rk3399() : Board("rk3399") {}
    const std::string main_path = "v4l2:@rkisp1_mainpath:capture";
    const std::string self_path = "v4l2:@rkisp1_selfpath:capture";
    const std::string decoder = "v4l2:@hantro-vpu:capture";
    const std::string display = "drm:@rockchip:scanout";
    const std::string gpu = "drm:@panfrost:render";
};

TEST_F(Rk3399, TheDecoderPadsRowsAndTheChromaPlaneMovesBack)
{
    const auto made = plan({DRM_FORMAT_NV12, 1920, 1080}, {decoder, display});
    ASSERT_TRUE(made) << made.error().message();
    const cb::Layout& layout = made->layout();
    EXPECT_EQ(layout.planes[0].stride, 1920U);
    EXPECT_EQ(layout.planes[1].offset, 1920U * 1088U);
    EXPECT_EQ(layout.total_size(), 1920U * 1088U * 3U / 2U);
    EXPECT_EQ(made->chosen().heap.name, "system");
    EXPECT_TRUE(serves(made->report(), "default_cma_region"));
    // The same region under its old name is not tried twice.
    EXPECT_EQ(verdict(made->report(), "reserved"), "not-tried  ");
    // Without the decoder nobody pads.
    EXPECT_EQ(plan({DRM_FORMAT_NV12, 1920, 1080}, {display})->layout().planes[1].offset, 1920U * 1080U);
}

TEST_F(Rk3399, ASharedCompressionOfWhichNobodyGivesTheLayoutIsPassedOver)
{
    const auto made = plan({DRM_FORMAT_XRGB8888, 1300, 720}, {gpu, display});
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(made->layout().modifier, cb::linear);
    EXPECT_EQ(made->layout().planes[0].stride, 5248U); // 5200 in steps of 64, which Mali needs
    EXPECT_EQ(made->chosen().heap.name, "system");
}

TEST_F(Rk3399, AStrideThatCannotBeChangedMeetsOneThatMustBeRound)
{
    // 1300 bytes and no other against steps of 64.
    const auto none = plan({DRM_FORMAT_NV12, 1300, 720}, {main_path, gpu});
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().category, cb::Category::incompatible);
    EXPECT_SAYS(none.error().message(), "v4l2:/dev/video0:capture");
    EXPECT_SAYS(none.error().message(), "drm:/dev/dri/renderD128:render");
    // The self path writes with the stride that it is told, and 1280 pixels are round.
    EXPECT_EQ(plan({DRM_FORMAT_NV12, 1300, 720}, {self_path, gpu})->layout().planes[0].stride, 1344U);
    EXPECT_EQ(plan({DRM_FORMAT_NV12, 1280, 720}, {main_path, gpu})->layout().planes[0].stride, 1280U);
}

TEST_F(Rk3399, PlanesMayLieApartWhereAllTakeThemSo)
{
    // The GPU and the decoder have one memory for both planes; so has the plan.
    EXPECT_EQ(plan({DRM_FORMAT_NV12, 1280, 720}, {main_path, display})->layout().memory_count, 1U);
    EXPECT_EQ(plan({DRM_FORMAT_NV12, 1280, 720}, {decoder, display, gpu})->layout().memory_count, 1U);
}

// ------------------------------------------------------------------ i.MX 8M Quad

class Imx8m : public Board {
protected:
    Imx8m() : Board("imx8m") {}
    const std::string camera = "v4l2:@imx7-csi:capture";
    const std::string decoder = "v4l2:@hantro-vpu:capture";
    const std::string display = "drm:@imx-dcss:scanout";
    const std::string gpu = "drm:@etnaviv:render";
};

TEST_F(Imx8m, TheGpuSaysHowTilesLieAndTheDisplayShowsThem)
{
    const auto made = plan({DRM_FORMAT_XRGB8888, 1920, 1080}, {gpu, display}, without_dumb());
    ASSERT_TRUE(made) << made.error().message();
    const cb::Layout& layout = made->layout();
    EXPECT_EQ(classify(layout.modifier), cb::ModifierClass::tiled) << to_string(layout);
    EXPECT_EQ(layout.planes[0].stride, 7680U);
    const std::uint32_t rows = layout.modifier == cb::Modifier(DRM_FORMAT_MOD_VIVANTE_SUPER_TILED) ? 1088 : 1080;
    EXPECT_EQ(layout.planes[0].size, 7680U * rows);
    EXPECT_EQ(layout.total_size() % 4096, 0U);
    // The display needs contiguous memory; the old name of its region is not tried.
    EXPECT_EQ(made->chosen().heap.name, "default_cma_region");
    EXPECT_EQ(verdict(made->report(), "linux,cma"), "not-tried  ");
    EXPECT_EQ(verdict(made->report(), "system", "drm:/dev/dri/card0:scanout"),
              "refused DRM_IOCTL_PRIME_FD_TO_HANDLE EINVAL");
}

TEST_F(Imx8m, WhoJoinsAndKnowsRowsAloneBringsTheImageBackToRows)
{
    const auto made = plan({DRM_FORMAT_XRGB8888, 1920, 1080}, {gpu, display, "cpu:read"});
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(made->layout().modifier, cb::linear);
    EXPECT_EQ(made->layout().planes[0].stride, 7680U);
    EXPECT_EQ(made->layout().total_size(), 7680U * 1080U);
}

TEST_F(Imx8m, TheNearestConversionIsNamed)
{
    cb::Request request{DRM_FORMAT_NV12, 1920, 1080};
    request.alternatives = {DRM_FORMAT_XRGB8888};
    const auto none = plan(request, {decoder, display});
    ASSERT_FALSE(none);
    EXPECT_SAYS(none.error().report->explain(),
                "nearest is NV12 LINEAR, which 1 of 2 uses take: drm:/dev/dri/card0:scanout lacks it (it has XR24 ");
    // The GPU takes what the decoder gives: there the conversion belongs.
    const auto converted = plan({DRM_FORMAT_NV12, 1920, 1080}, {decoder, gpu}, without_dumb());
    ASSERT_TRUE(converted) << converted.error().message();
    EXPECT_EQ(converted->layout().planes[1].offset, 1920U * 1088U);
    EXPECT_EQ(converted->chosen().heap.name, "default_cma_region");
}

TEST_F(Imx8m, CameraAndGpuShareRowsOfTheCamerasLength)
{
    const auto made = plan({DRM_FORMAT_YUYV, 640, 480}, {camera, gpu}, without_dumb());
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(made->layout().planes[0].stride, 1280U);
    EXPECT_EQ(made->chosen().heap.name, "default_cma_region");
    EXPECT_FALSE(plan({DRM_FORMAT_YUYV, 648, 480}, {camera, gpu})); // 1296 is no multiple of 64
}

// ------------------------------------------------------------------ Intel laptop

class IntelLaptop : public Board {
protected:
    IntelLaptop() : Board("intel-laptop") {}
    const std::string camera = "v4l2:@uvcvideo:capture";
    const std::string display = "drm:@0000:00:02.0:scanout";
    const std::string gpu = "drm:@0000:00:02.0:render";
};

TEST_F(IntelLaptop, GpuAndDisplayShareWhatIsCompressed)
{
    const auto made = plan({DRM_FORMAT_XRGB8888, 1920, 1080}, {gpu, display});
    ASSERT_TRUE(made) << made.error().message();
    const cb::Layout& layout = made->layout();
    EXPECT_EQ(layout.modifier, cb::Modifier(I915_FORMAT_MOD_Y_TILED_GEN12_RC_CCS));
    ASSERT_EQ(layout.plane_count, 2U);
    EXPECT_EQ(layout.memory_count, 1U);
    EXPECT_EQ(layout.planes[0].stride, 7680U); // 15 times 4 tiles of 128 bytes
    EXPECT_EQ(layout.planes[0].size, 7680U * 1088U);
    EXPECT_EQ(layout.planes[1].stride, 960U); // 64 bytes for 4 tiles
    EXPECT_EQ(layout.planes[1].offset, 7680U * 1088U);
    EXPECT_EQ(layout.planes[1].size, 960U * 34U);
    // The user at the seat gets udmabuf.
    EXPECT_EQ(made->chosen().heap.name, "udmabuf");
    EXPECT_EQ(verdict(made->report(), "system"), "not-tried open EACCES");
}

TEST_F(IntelLaptop, ACameraThatJoinsMakesItLinear)
{
    const auto two = plan({DRM_FORMAT_YUYV, 1280, 720}, {gpu, display});
    ASSERT_TRUE(two) << two.error().message();
    EXPECT_EQ(two->layout().modifier, cb::Modifier(I915_FORMAT_MOD_X_TILED));
    const auto three = plan({DRM_FORMAT_YUYV, 1280, 720}, {camera, gpu, display});
    ASSERT_TRUE(three) << three.error().message();
    EXPECT_EQ(three->layout().modifier, cb::linear);
    EXPECT_EQ(three->layout().planes[0].stride, 2560U);
    EXPECT_EQ(three->chosen().heap.name, "udmabuf");
}

TEST_F(IntelLaptop, ASmallPictureOfAUsbCameraCannotBeShown)
{
    // 424 pixels are 848 bytes, no multiple of 64, and the camera has no other stride.
    const auto none = plan({DRM_FORMAT_YUYV, 424, 240}, {camera, display});
    ASSERT_FALSE(none);
    EXPECT_SAYS(none.error().message(), "848 by v4l2:/dev/video0:capture");
    EXPECT_SAYS(none.error().message(), "64 by drm:/dev/dri/card0:scanout");
    EXPECT_TRUE(plan({DRM_FORMAT_YUYV, 640, 480}, {camera, display}));
}

// ------------------------------------------------------------------ render node and display apart

class SplitRenderDisplay : public Board {
protected:
    SplitRenderDisplay() : Board("split-render-display") {}
    const std::string camera = "v4l2:@mxc-isi:capture";
    const std::string display = "drm:@imx-lcdif:scanout";
    const std::string gpu = "drm:@etnaviv:render";
};

TEST_F(SplitRenderDisplay, WhatTheDisplayCannotTileTheGpuRendersInRows)
{
    const auto alone = plan({DRM_FORMAT_XRGB8888, 1000, 700}, {gpu});
    ASSERT_TRUE(alone) << alone.error().message();
    EXPECT_EQ(alone->layout().modifier, cb::Modifier(DRM_FORMAT_MOD_VIVANTE_SUPER_TILED));
    EXPECT_EQ(alone->layout().planes[0].stride, 4096U); // 16 super tiles of 64 pixels
    EXPECT_EQ(alone->layout().planes[0].size, 4096U * 704U);
    EXPECT_EQ(alone->chosen().heap.name, "system");

    const auto both = plan({DRM_FORMAT_XRGB8888, 1000, 700}, {gpu, display}, without_dumb());
    ASSERT_TRUE(both) << both.error().message();
    EXPECT_EQ(both->layout().modifier, cb::linear);
    EXPECT_EQ(both->layout().planes[0].stride, 4032U); // 4000 in steps of 64
    EXPECT_EQ(both->chosen().heap.name, "reserved");
    // Who is to blame for the region stands there: the GPU would have taken ordinary memory.
    EXPECT_EQ(verdict(both->report(), "system", "drm:/dev/dri/renderD128:render"), "accepted");
    EXPECT_EQ(verdict(both->report(), "system", "drm:/dev/dri/card1:scanout"),
              "refused DRM_IOCTL_PRIME_FD_TO_HANDLE EINVAL");
}

TEST_F(SplitRenderDisplay, AllThreeMeetInTheRegion)
{
    const auto made = plan({DRM_FORMAT_RGB565, 1000, 720}, {camera, gpu, display}, without_dumb());
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(made->chosen().heap.name, "reserved");
    EXPECT_EQ(made->layout().planes[0].stride, 2048U);
    EXPECT_EQ(verdict(made->report(), "system", "v4l2:/dev/video0:capture"), "refused VIDIOC_PREPARE_BUF EFAULT");
    // 16384 pixels have 65536 bytes: one more than the camera and the display can count.
    EXPECT_FALSE(plan({DRM_FORMAT_XRGB8888, 16384, 64}, {camera, display}));
}

TEST_F(SplitRenderDisplay, AUseThatComesLaterTakesTheBuffersThatAreThere)
{
    cb::Allocator allocator = machine_->allocator();
    const auto first = allocator.plan({DRM_FORMAT_XRGB8888, 1280, 720}, {*machine_->use(camera)});
    ASSERT_TRUE(first) << first.error().message();
    const auto more = allocator.add(*first, *machine_->use(display));
    ASSERT_TRUE(more) << more.error().message();
    EXPECT_TRUE(more->serves(*first->allocate()));
}

} // namespace
} // namespace replay
