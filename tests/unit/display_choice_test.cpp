// SPDX-License-Identifier: MIT
#include "display_fixture.hpp"

#include <commonbuf/drm/flip_event.hpp>

#include <drm_mode.h>

#include <cerrno>
#include <string>
#include <vector>

namespace commonbuf::drm {
namespace {

class DisplayChoiceTest : public DisplayFixture {};

TEST_F(DisplayChoiceTest, EverythingIsDescribed)
{
    const auto all = display_resources(device());
    ASSERT_TRUE(all) << all.error().message();
    ASSERT_EQ(all->connectors.size(), 2U);
    EXPECT_EQ(all->connectors[0].name, "HDMI-A-1");
    EXPECT_TRUE(all->connectors[0].connected);
    ASSERT_EQ(all->connectors[0].modes.size(), 3U);
    EXPECT_EQ(all->connectors[0].modes[2].refresh_millihertz, 60000U);
    EXPECT_EQ(all->connectors[0].crtcs, std::vector{Objects::crtc});
    EXPECT_TRUE(all->connectors[1].writeback);
    EXPECT_FALSE(all->connectors[1].connected);
    EXPECT_EQ(all->connectors[1].write_formats, std::vector<Format>{DRM_FORMAT_XRGB8888});
    ASSERT_EQ(all->planes.size(), 2U);
    EXPECT_EQ(all->planes[0].type, PlaneType::overlay);
    EXPECT_EQ(all->planes[1].type, PlaneType::primary);
    EXPECT_TRUE(all->planes[0].shows(DRM_FORMAT_NV12, linear));
    EXPECT_FALSE(all->planes[0].shows(DRM_FORMAT_NV12, implicit_modifier)) << "neither stands for the other";
    ASSERT_EQ(all->crtcs.size(), 1U);
}

TEST_F(DisplayChoiceTest, PropertiesSayWhatTheyTake)
{
    const auto all = display_resources(device()).value();
    const DisplayPlane& plane = all.planes[0];
    const PropertyInfo* alpha = plane.find("alpha");
    ASSERT_NE(alpha, nullptr);
    EXPECT_TRUE(alpha->takes(0xffff));
    EXPECT_FALSE(alpha->takes(0x10000));
    const PropertyInfo* x = plane.find("CRTC_X");
    EXPECT_EQ(x->kind, PropertyKind::signed_range);
    EXPECT_TRUE(x->takes(static_cast<std::uint64_t>(std::int64_t{-5})));
    EXPECT_FALSE(x->takes(0x80000000));
    const PropertyInfo* rotation = plane.find("rotation");
    EXPECT_EQ(rotation->named("rotate-180"), 4U) << "the bit, not its number";
    EXPECT_TRUE(rotation->takes(5));
    EXPECT_FALSE(rotation->takes(2));
    EXPECT_FALSE(plane.find("type")->takes(1)) << "immutable";
    EXPECT_EQ(plane.find("type")->named("Cursor"), 2U);
    EXPECT_EQ(plane.find("nothing"), nullptr);
}

TEST_F(DisplayChoiceTest, TheFirstThatIsConnectedInItsPreferredMode)
{
    const auto chosen = Display::choose(device());
    ASSERT_TRUE(chosen) << chosen.error().message();
    EXPECT_EQ(chosen->connector().name, "HDMI-A-1");
    EXPECT_EQ(chosen->mode().name, "64x32");
    EXPECT_EQ(chosen->mode().refresh_millihertz, 60000U);
    EXPECT_EQ(chosen->primary().id, Objects::primary) << "though the kernel lists the overlay first";
    ASSERT_NE(chosen->writeback(), nullptr);
    EXPECT_EQ(model.blobs.size(), 1U);
    EXPECT_TRUE(model.commits.empty()) << "nothing changes on the screen";
    EXPECT_EQ(chosen->plane_for(DRM_FORMAT_NV12, linear)->id, Objects::primary);
    EXPECT_EQ(chosen->plane_for(DRM_FORMAT_NV12, Modifier(1)), nullptr);
}

TEST_F(DisplayChoiceTest, OrWhatTheCallerNames)
{
    const auto larger = Display::choose(device(), {.connector = "HDMI-A-1", .width = 128, .height = 64});
    ASSERT_TRUE(larger);
    EXPECT_EQ(larger->mode().width, 128U);
    EXPECT_EQ(Display::choose(device(), {.crtc = Objects::crtc})->crtc().id, Objects::crtc);
    EXPECT_EQ(Display::choose(device(), {.not_planes = {Objects::primary}})->primary().id, Objects::overlay);
    Mode own = larger->mode();
    own.width = 100;
    EXPECT_EQ(Display::choose(device(), {.mode = own})->mode().width, 100U);
}

TEST_F(DisplayChoiceTest, WhatIsNotThereIsSaidWithWhatIs)
{
    const auto connector = Display::choose(device(), {.connector = "DP-9"});
    EXPECT_EQ(connector.error().category, Category::not_present);
    EXPECT_NE(connector.error().detail.find("HDMI-A-1"), std::string::npos) << connector.error().message();
    const auto mode = Display::choose(device(), {.width = 5, .height = 5});
    EXPECT_EQ(mode.error().category, Category::unsupported);
    EXPECT_NE(mode.error().detail.find("128x64, 64x32"), std::string::npos) << mode.error().message();
    EXPECT_EQ(Display::choose(device(), {.crtc = 99}).error().category, Category::unsupported);
    EXPECT_EQ(Display::choose(device(), {.not_planes = {Objects::primary, Objects::overlay}}).error().category,
              Category::unsupported);
    model.connected = false;
    EXPECT_EQ(Display::choose(device()).error().category, Category::not_present);
    model.atomic = false;
    EXPECT_EQ(Display::choose(device()).error().category, Category::unsupported);
}

TEST_F(DisplayChoiceTest, AConnectorKeepsItsCrtcAndABusyOneIsNotTaken)
{
    model.now[Objects::connector]["CRTC_ID"] = Objects::crtc;
    EXPECT_TRUE(Display::choose(device())) << "it is its own";
    model.now[Objects::connector]["CRTC_ID"] = 0;
    model.now[Objects::writeback]["CRTC_ID"] = Objects::crtc;
    EXPECT_EQ(Display::choose(device()).error().category, Category::busy);
}

/// Two heads, and planes that every CRTC can show.
class TwoDisplaysTest : public DisplayChoiceTest {
protected:
    static constexpr std::uint32_t second_primary = 36;

    void SetUp() override
    {
        DisplayChoiceTest::SetUp();
        model.heads = 2;
        model.planes = {{.id = 32, .crtcs = 3},
                        {.id = Objects::primary, .type = 1, .crtcs = 3},
                        {.id = second_primary, .type = 1, .crtcs = 3}};
        model.writeback = false;
    }

    static Display second() { return Display::choose(device(), {.connector = "HDMI-A-2"}).value(); }
};

TEST_F(TwoDisplaysTest, EachGetsAPrimaryPlaneBeforeEitherIsLit)
{
    EXPECT_EQ(second().primary().id, second_primary);
    EXPECT_EQ(display().primary().id, Objects::primary);
    EXPECT_EQ(display().planes()[1].id, Objects::overlay) << "before the other one's primary plane";
    EXPECT_EQ(display().planes()[2].id, second_primary);
}

TEST_F(TwoDisplaysTest, WhatIsOnOneScreenIsNotTakenForTheOther)
{
    model.now[Objects::primary]["CRTC_ID"] = Objects::crtc;
    const Display other = second();
    for (const DisplayPlane& plane : other.planes())
        EXPECT_NE(plane.id, Objects::primary);
    model.now[Objects::primary]["CRTC_ID"] = 0;
    // The other way round than the kernel lists them: what each has counts.
    model.now[second_primary]["CRTC_ID"] = Objects::crtc;
    model.now[Objects::primary]["CRTC_ID"] = Objects::second_crtc;
    EXPECT_EQ(display().primary().id, second_primary);
    EXPECT_EQ(second().primary().id, Objects::primary);
    model.now[Objects::primary]["CRTC_ID"] = Objects::crtc;
    model.now[Objects::overlay]["CRTC_ID"] = Objects::crtc;
    const auto none = Display::choose(device(), {.connector = "HDMI-A-2"});
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().category, Category::busy) << none.error().message();
}

TEST_F(DisplayChoiceTest, RefreshRatesAreThoseOfTheKernel)
{
    model.modes = {{64, 32, 30, false, DRM_MODE_FLAG_INTERLACE},
                   {64, 32, 60, false, DRM_MODE_FLAG_DBLSCAN},
                   {64, 32, 60, false, 0, 3},
                   {64, 32, 60, false, 0, 1}};
    const auto all = display_resources(device()).value();
    const auto& modes = all.connectors[0].modes;
    EXPECT_EQ(modes[0].refresh_millihertz, 60000U) << "fields count";
    EXPECT_TRUE(modes[0].interlaced);
    EXPECT_EQ(modes[1].refresh_millihertz, 30000U);
    EXPECT_EQ(modes[2].refresh_millihertz, 20000U);
    EXPECT_EQ(modes[3].refresh_millihertz, 60000U);
    EXPECT_FALSE(modes[3].interlaced);
}

TEST_F(DisplayChoiceTest, OfEqualSizesAWholePictureAtTheHighestRate)
{
    model.modes = {{64, 32, 50, true}, {64, 32, 100, false, DRM_MODE_FLAG_INTERLACE}, {64, 32, 75}, {64, 32, 60}};
    EXPECT_EQ(Display::choose(device(), {.width = 64, .height = 32})->mode().refresh_millihertz, 75000U);
    EXPECT_EQ(display().mode().refresh_millihertz, 50000U) << "the preferred one, where no size is asked for";
    model.modes = {{64, 32, 60}, {64, 32, 60, true, DRM_MODE_FLAG_PHSYNC}};
    EXPECT_TRUE(Display::choose(device(), {.width = 64, .height = 32})->mode().preferred);
}

TEST_F(DisplayChoiceTest, ACallThatFailsIsNotADisplayWithLess)
{
    const std::size_t begin = machine.calls().size();
    {
        const Display once = display();
    }
    const std::vector<std::string> calls(machine.calls().begin() + static_cast<std::ptrdiff_t>(begin),
                                         machine.calls().end());
    for (std::size_t i = 0; i < calls.size(); ++i) {
        if (!calls[i].starts_with("DRM_IOCTL_MODE_GET") && calls[i] != "DRM_IOCTL_MODE_OBJ_GETPROPERTIES")
            continue;
        machine.fail(machine.calls().size() + i, EIO);
        const auto opened = Device::open("/dev/dri/card0");
        const auto chosen = opened ? Display::choose(*opened) : opened.error();
        ASSERT_FALSE(chosen) << i << " " << calls[i];
        EXPECT_EQ(chosen.error().category, Category::device_failed) << calls[i] << ": " << chosen.error().message();
    }
}

TEST_F(DisplayChoiceTest, AnUnpluggedDisplayIsTold)
{
    const Display chosen = display();
    EXPECT_TRUE(chosen.connected().value());
    model.connected = false;
    EXPECT_FALSE(chosen.connected().value());
    machine.fail_all("DRM_IOCTL_MODE_GETCONNECTOR", ENOENT);
    const auto revoked = chosen.connected();
    ASSERT_FALSE(revoked);
    EXPECT_EQ(revoked.error().category, Category::device_gone) << "its object was there";
    model.gone = true;
    EXPECT_EQ(chosen.connected().error().category, Category::device_gone);
}

TEST_F(DisplayChoiceTest, EachCallThatFailsLeavesNothing)
{
    for (const char* call : {"DRM_IOCTL_MODE_GETRESOURCES", "DRM_IOCTL_MODE_CREATEPROPBLOB"}) {
        fake::Machine other;
        fake::CardModel& one = other.add_card("card0", {.formats = {DRM_FORMAT_XRGB8888}});
        one.display.present = true;
        other.fail_all(call, ENOMEM);
        {
            const auto opened = Device::open("/dev/dri/card0");
            const auto chosen = opened ? Display::choose(*opened) : opened.error();
            ASSERT_FALSE(chosen) << call;
            EXPECT_EQ(chosen.error().category, Category::out_of_memory) << call;
        }
        EXPECT_EQ(other.leaks(), "") << call;
        EXPECT_TRUE(one.display.blobs.empty());
    }
    commonbuf::os::set_kernel(&machine);
}

TEST_F(DisplayChoiceTest, FlipEventsAreRead)
{
    model.ends_at_once = true;
    CommitQueue queue = CommitQueue::create(display()).value();
    EXPECT_TRUE(read_flip_events(queue.display().device())->empty());
    ASSERT_TRUE(queue.submit(Commit(queue.display()).show(queue.display().primary(), buffer()).event(77)));
    // Another kind in front of it, as other users of the file ask for.
    std::vector<std::byte> foreign(24);
    foreign[0] = std::byte{0xff};
    foreign[4] = std::byte{24};
    model.events.insert(model.events.begin(), foreign.begin(), foreign.end());
    const auto events = read_flip_events(queue.display().device());
    ASSERT_TRUE(events) << events.error().message();
    ASSERT_EQ(events->size(), 1U);
    EXPECT_EQ(events->front().user_data, 77U);
    EXPECT_EQ(events->front().crtc, Objects::crtc);
    EXPECT_EQ(events->front().shown_at, std::chrono::microseconds(2000003));
}

} // namespace
} // namespace commonbuf::drm
