// SPDX-License-Identifier: MIT
//
// The uses of a display's planes and of its writeback connectors.
#include "display_fixture.hpp"

#include <commonbuf/allocator.hpp>

#include <drm_mode.h>

#include <cerrno>
#include <set>

namespace commonbuf::drm {
namespace {

constexpr std::uint32_t cursor = 33;

class ScanoutTest : public DisplayFixture {
protected:
    /// What the kernel lists for each: XR24 and NV12 for the primary plane and the overlay, AR24 for
    /// the cursor.
    void add_cursor(std::vector<std::uint16_t> sizes = {})
    {
        model.planes.push_back(
            {.id = cursor, .type = 2, .formats = {DRM_FORMAT_ARGB8888}, .size_hints = std::move(sizes)});
    }

    static Result<std::shared_ptr<const Support>> ask(const Use& use, std::uint32_t format, std::uint32_t width = 64,
                                                      std::uint32_t height = 32)
    {
        return use.importer().support({format, width, height});
    }

    static std::set<std::uint64_t> modifiers(const Support& support)
    {
        std::set<std::uint64_t> all;
        for (const Support::Entry& entry : support.entries)
            all.insert(entry.modifier.value);
        return all;
    }
};

TEST_F(ScanoutTest, AFormatOfTheCursorOnlyIsNotForThePrimaryPlane)
{
    add_cursor();
    const Device on = device();
    const auto refused = ask(on.scanout(), DRM_FORMAT_ARGB8888);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().category, Category::unsupported);
    EXPECT_NE(refused.error().detail.find("cursor plane 33 shows it"), std::string::npos) << refused.error().message();
    EXPECT_TRUE(ask(on.scanout(PlaneType::cursor), DRM_FORMAT_ARGB8888, 64, 64));
    EXPECT_FALSE(ask(on.scanout(PlaneType::cursor), DRM_FORMAT_XRGB8888, 64, 64));
    EXPECT_FALSE(ask(on.scanout(PlaneType::overlay), DRM_FORMAT_ARGB8888));
    EXPECT_TRUE(ask(on.scanout(PlaneType::overlay), DRM_FORMAT_XRGB8888));
}

TEST_F(ScanoutTest, OnePlaneIsAskedByItself)
{
    model.planes[0].formats = {DRM_FORMAT_RGB565};
    const Device on = device();
    const DisplayResources all = display_resources(on).value();
    const DisplayPlane& overlay = all.planes.at(0);
    EXPECT_EQ(overlay.id, Objects::overlay);
    const Use use = on.scanout(overlay);
    EXPECT_EQ(use.name(), "drm:/dev/dri/card0:plane=32");
    EXPECT_TRUE(ask(use, DRM_FORMAT_RGB565));
    EXPECT_FALSE(ask(use, DRM_FORMAT_XRGB8888));
    EXPECT_EQ(planes_of(use)->plane, Objects::overlay);
    EXPECT_FALSE(planes_of(on.scanout())->plane);
    EXPECT_EQ(planes_of(on.scanout(PlaneType::cursor))->type, PlaneType::cursor);
}

TEST_F(ScanoutTest, APlanForTheDeviceHoldsOnEachOfItsDisplays)
{
    model.planes.push_back({.id = 34, .type = 1, .formats = {DRM_FORMAT_XRGB8888}, .crtcs = 2});
    model.planes.push_back({.id = 35, .type = 0, .formats = {DRM_FORMAT_RGB565}, .crtcs = 2});
    model.heads = 2;
    const Device on = device();
    EXPECT_TRUE(ask(on.scanout(), DRM_FORMAT_XRGB8888));
    const auto one_only = ask(on.scanout(), DRM_FORMAT_NV12);
    ASSERT_FALSE(one_only);
    EXPECT_NE(one_only.error().detail.find("primary plane 31"), std::string::npos) << one_only.error().message();
    EXPECT_TRUE(ask(on.scanout(PlaneType::overlay), DRM_FORMAT_RGB565)) << "a program chooses among overlays";
    EXPECT_TRUE(ask(on.scanout(PlaneType::overlay), DRM_FORMAT_NV12));
}

TEST_F(ScanoutTest, CursorsHaveTheirSizesAndRowsWithoutPadding)
{
    add_cursor();
    const Device on = device();
    const auto taken = ask(on.scanout(PlaneType::cursor), DRM_FORMAT_ARGB8888, 64, 64);
    ASSERT_TRUE(taken) << taken.error().message();
    for (const Support::Entry& entry : (*taken)->entries) {
        if (entry.modifier != linear)
            continue;
        EXPECT_EQ(entry.constraints->min_stride, 256U);
        EXPECT_EQ(entry.constraints->max_stride, 256U);
        ASSERT_FALSE(entry.constraints->origins.empty());
        EXPECT_EQ(entry.constraints->origins.back().device, "drm:/dev/dri/card0:cursor");
    }
    const auto other = ask(on.scanout(PlaneType::cursor), DRM_FORMAT_ARGB8888, 32, 32);
    ASSERT_FALSE(other);
    EXPECT_NE(other.error().detail.find("takes 64x64 for sure, not 32x32"), std::string::npos)
        << other.error().message();
    EXPECT_EQ(display_resources(on)->planes.back().cursor_sizes, (std::vector{ImageSize{64, 64}}));
}

TEST_F(ScanoutTest, SizeHintsComeBeforeTheCapability)
{
    add_cursor({128, 128, 256, 256});
    const Device on = device();
    EXPECT_TRUE(ask(on.scanout(PlaneType::cursor), DRM_FORMAT_ARGB8888, 256, 256));
    const auto other = ask(on.scanout(PlaneType::cursor), DRM_FORMAT_ARGB8888, 64, 64);
    ASSERT_FALSE(other);
    EXPECT_NE(other.error().detail.find("128x128, 256x256"), std::string::npos) << other.error().message();
}

TEST_F(ScanoutTest, AVirtualCardShowsItsCursorToWhoKnowsHotSpots)
{
    add_cursor();
    model.virtual_cursor = true;
    const Display on = display();
    const DisplayPlane& last_plane = on.planes().back();
    ASSERT_EQ(last_plane.type, PlaneType::cursor);
    CommitQueue queue = CommitQueue::create(on).value();
    layout = *linear_layout({DRM_FORMAT_ARGB8888, 64, 64}, 256, Memories::single);
    ASSERT_TRUE(queue.submit(Commit(on)
                                 .show(last_plane, buffer())
                                 .set(last_plane, "HOTSPOT_X", 3)
                                 .set(last_plane, "HOTSPOT_Y", static_cast<std::uint64_t>(std::int64_t{-1}))));
    EXPECT_EQ(last(cursor, "HOTSPOT_X"), 3U);
    EXPECT_EQ(last(cursor, "HOTSPOT_Y"), UINT64_MAX);
    EXPECT_EQ(last(cursor, "CRTC_W"), 64U) << "a cursor is not scaled to the display";
    EXPECT_EQ(last(cursor, "CRTC_H"), 64U);
    EXPECT_TRUE(ask(on.device().scanout(PlaneType::cursor), DRM_FORMAT_ARGB8888, 64, 64));
}

TEST_F(ScanoutTest, WritebackHasItsOwnFormats)
{
    const Device on = device();
    const Use use = on.writeback();
    EXPECT_EQ(use.name(), "drm:/dev/dri/card0:writeback");
    EXPECT_TRUE(ask(use, DRM_FORMAT_XRGB8888));
    const auto refused = ask(use, DRM_FORMAT_NV12);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().detail.find("they write XR24"), std::string::npos) << refused.error().message();
    EXPECT_FALSE(device_of(use)) << "no plane shows it";
    model.writeback = false;
    const auto none = ask(device().writeback(), DRM_FORMAT_XRGB8888);
    ASSERT_FALSE(none);
    EXPECT_NE(none.error().detail.find("no writeback connector"), std::string::npos) << none.error().message();
}

/// To probe a monitor takes long, and a plan with writeback would do it for each of them.
TEST_F(ScanoutTest, WritebackAsksNoMonitorWhatItCan)
{
    model.heads = 2;
    const Device on = device();
    EXPECT_TRUE(ask(on.writeback(), DRM_FORMAT_XRGB8888));
    EXPECT_EQ(model.probes, 0U);
    EXPECT_TRUE(display_resources(on));
    EXPECT_EQ(model.probes, 2U);
}

TEST_F(ScanoutTest, FlipsAtOnceHaveTheirOwnFormatsAndNeedADriverThatCommitsThem)
{
    const auto cannot = ask(device().async_scanout(), DRM_FORMAT_XRGB8888);
    ASSERT_FALSE(cannot);
    EXPECT_NE(cannot.error().detail.find("DRM_CAP_ATOMIC_ASYNC_PAGE_FLIP"), std::string::npos)
        << cannot.error().message();
    model.async_flips = true;
    model.planes[1].async_formats = {DRM_FORMAT_XRGB8888};
    const Device on = device();
    EXPECT_TRUE(on.info().atomic_async_flips);
    EXPECT_TRUE(ask(on.async_scanout(), DRM_FORMAT_XRGB8888));
    EXPECT_FALSE(ask(on.async_scanout(), DRM_FORMAT_NV12));
    EXPECT_TRUE(ask(on.scanout(), DRM_FORMAT_NV12));
    EXPECT_EQ(on.async_scanout(display_resources(on)->planes[1]).name(), "drm:/dev/dri/card0:async-plane=31");
}

TEST_F(ScanoutTest, WhatTheOwnAllocatorLaidOutNeedsNoModifier)
{
    const auto support = ask(device().scanout(), DRM_FORMAT_XRGB8888);
    ASSERT_TRUE(support);
    EXPECT_EQ(modifiers(**support), (std::set{linear.value, implicit_modifier.value}));
}

TEST_F(ScanoutTest, WhatFailedForAPassingReasonIsAskedAgain)
{
    for (const char* call :
         {"DRM_IOCTL_MODE_GETPLANE", "DRM_IOCTL_MODE_GETPLANERESOURCES", "DRM_IOCTL_MODE_OBJ_GETPROPERTIES",
          "DRM_IOCTL_MODE_GETPROPERTY", "DRM_IOCTL_MODE_GETPROPBLOB", "DRM_IOCTL_MODE_GETRESOURCES"}) {
        std::vector<std::size_t> places;
        const Device probe = device();
        const std::size_t begin = machine.calls().size();
        ASSERT_TRUE(ask(probe.scanout(), DRM_FORMAT_XRGB8888));
        for (std::size_t i = begin; i < machine.calls().size(); ++i) {
            if (machine.calls()[i] == "DRM_IOCTL_MODE_CREATE_DUMB")
                break; // what is measured from there on is optional
            if (machine.calls()[i] == call)
                places.push_back(i - begin);
        }
        ASSERT_FALSE(places.empty()) << call;
        for (const std::size_t place : places) {
            for (const auto& [error, category] :
                 {std::pair{ENOMEM, Category::out_of_memory}, std::pair{ENODEV, Category::device_gone},
                  std::pair{EIO, Category::device_failed}}) {
                const Device on = device();
                machine.fail(machine.calls().size() + place, error);
                const auto failed = ask(on.scanout(), DRM_FORMAT_XRGB8888);
                ASSERT_FALSE(failed) << call << " " << place;
                EXPECT_EQ(failed.error().category, category) << call << ": " << failed.error().message();
                EXPECT_EQ(failed.error().call, call);
                EXPECT_TRUE(ask(on.scanout(), DRM_FORMAT_XRGB8888)) << call << " " << place << " is remembered";
            }
        }
    }
}

TEST_F(ScanoutTest, WhatCouldNotBeMeasuredIsMeasuredAgain)
{
    card.pitch_align = 64;
    const auto stride_align = [](const Device& on) {
        const auto support = ask(on.scanout(), DRM_FORMAT_XRGB8888, 65);
        EXPECT_TRUE(support) << support.error().message();
        std::uint32_t align = 0;
        for (const Support::Entry& entry : (*support)->entries)
            align = std::max(align, entry.modifier == linear ? entry.constraints->stride_align : 0);
        return align;
    };
    std::vector<std::string> calls;
    {
        const Device once = device();
        const std::size_t begin = machine.calls().size();
        EXPECT_EQ(stride_align(once), 64U);
        calls.assign(machine.calls().begin() + static_cast<std::ptrdiff_t>(begin), machine.calls().end());
    }
    const auto dumb = std::find(calls.begin(), calls.end(), "DRM_IOCTL_MODE_CREATE_DUMB");
    ASSERT_NE(dumb, calls.end());
    for (auto call = dumb; call != calls.end(); ++call) {
        if (*call != "DRM_IOCTL_MODE_CREATE_DUMB" && *call != "DRM_IOCTL_MODE_GETRESOURCES" &&
            *call != "DRM_IOCTL_MODE_ADDFB2")
            continue;
        const Device on = device();
        machine.fail(machine.calls().size() + static_cast<std::size_t>(call - calls.begin()), ENOMEM);
        static_cast<void>(stride_align(on));
        EXPECT_EQ(stride_align(on), 64U) << *call;
    }
}

/// As on a board whose CMA others have filled.
TEST_F(ScanoutTest, LittleMemoryIsEnoughToMeasureRows)
{
    card.pitch_align = 64;
    card.dumb_room = 1U << 20U;
    const auto little = ask(device().scanout(), DRM_FORMAT_XRGB8888, 65);
    ASSERT_TRUE(little) << little.error().message();
    std::uint32_t align = 0;
    for (const Support::Entry& entry : (*little)->entries)
        align = std::max(align, entry.modifier == linear ? entry.constraints->stride_align : 0);
    EXPECT_EQ(align, 64U);
}

TEST_F(ScanoutTest, ACardThatIsGoneIsNotOneWithoutDisplays)
{
    const std::size_t begin = machine.calls().size();
    {
        const Device once = device();
    }
    for (std::size_t i = begin; i < machine.calls().size(); ++i) {
        const std::string call = machine.calls()[i];
        if (call != "DRM_IOCTL_GET_CAP" && call != "DRM_IOCTL_VERSION" && call != "DRM_IOCTL_MODE_GETRESOURCES")
            continue;
        for (const auto& [error, category] :
             {std::pair{ENODEV, Category::device_gone}, std::pair{EIO, Category::device_failed}}) {
            fake::Machine other;
            other.add_card("card0", {.formats = {DRM_FORMAT_XRGB8888}}).display.present = true;
            other.fail(i - begin, error);
            const auto opened = Device::open("/dev/dri/card0");
            if (!other.fault_hit() || (opened && other.calls().at(i - begin) == "DRM_IOCTL_VERSION"))
                continue; // the version is a part of the identity only
            ASSERT_FALSE(opened) << call;
            EXPECT_EQ(opened.error().category, category) << opened.error().message();
        }
    }
    commonbuf::os::set_kernel(&machine);
}

TEST_F(ScanoutTest, ACardThatIsGoneIsAnErrorOfThePlan)
{
    machine.add_heap("system");
    const Device on = device();
    model.gone = true;
    const auto plan = Allocator().plan({DRM_FORMAT_XRGB8888, 64, 32}, {on.scanout()});
    ASSERT_FALSE(plan);
    EXPECT_EQ(plan.error().category, Category::device_gone) << plan.error().message();
}

TEST_F(ScanoutTest, FramebuffersOfImplicitLayoutsComeWithoutTheFlag)
{
    const Device on = device();
    for (const std::uint32_t format : {DRM_FORMAT_XRGB8888, DRM_FORMAT_NV12}) {
        layout = *linear_layout({format, 64, 32}, 256, Memories::single);
        layout.modifier = implicit_modifier;
        const auto made = on.framebuffer(buffer());
        EXPECT_TRUE(made) << made.error().message();
    }
}

TEST_F(ScanoutTest, ADriverWithoutModifiersIsNotToldATiledImage)
{
    card.modifiers = false;
    const Device on = device();
    EXPECT_TRUE(on.framebuffer(buffer()));
    layout.modifier = Modifier(1);
    const auto tiled = on.framebuffer(buffer());
    ASSERT_FALSE(tiled);
    EXPECT_EQ(tiled.error().category, Category::unsupported);
    EXPECT_NE(tiled.error().detail.find("no modifiers"), std::string::npos) << tiled.error().message();
    layout.modifier = implicit_modifier;
    EXPECT_TRUE(on.framebuffer(buffer()));
    EXPECT_NE(display().plane_for(DRM_FORMAT_XRGB8888, linear), nullptr) << "dumb buffers are linear";
}

} // namespace
} // namespace commonbuf::drm
