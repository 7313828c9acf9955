// SPDX-License-Identifier: MIT
#include "display_fixture.hpp"

#include <drm_mode.h>

#include <cerrno>

namespace commonbuf::drm {
namespace {

class CommitTest : public DisplayFixture {
protected:
    std::string mistake(const Commit& commit)
    {
        const auto tested = test_commits({&commit, 1});
        return tested && tested->refused.size() == 1 ? tested->refused.front().detail : "none";
    }
};

TEST_F(CommitTest, AWholeImageFillsTheDisplay)
{
    model.ends_at_once = true;
    CommitQueue queue = CommitQueue::create(display()).value();
    const Display& on = queue.display();
    const Buffer image = buffer();
    ASSERT_TRUE(queue.submit(Commit(on).enable().show(on.primary(), image)));
    EXPECT_EQ(model.commits.back().flags, std::uint32_t{DRM_MODE_ATOMIC_ALLOW_MODESET | DRM_MODE_ATOMIC_NONBLOCK});
    EXPECT_EQ(last(Objects::connector, "CRTC_ID"), Objects::crtc);
    EXPECT_EQ(last(Objects::crtc, "ACTIVE"), 1U);
    EXPECT_NE(last(Objects::crtc, "MODE_ID"), 0U);
    EXPECT_EQ(last(Objects::primary, "FB_ID"), on.device().framebuffer(image)->id());
    EXPECT_EQ(last(Objects::primary, "SRC_W"), 64U << 16U);
    EXPECT_EQ(last(Objects::primary, "CRTC_W"), 64U);
    EXPECT_EQ(last(Objects::primary, "CRTC_H"), 32U);
    ASSERT_TRUE(queue.submit(Commit(on).show(on.primary(), image)));
    EXPECT_EQ(model.commits.back().flags, std::uint32_t{DRM_MODE_ATOMIC_NONBLOCK});
}

TEST_F(CommitTest, APartGoesAnywhere)
{
    model.ends_at_once = true;
    CommitQueue queue = CommitQueue::create(display()).value();
    const DisplayPlane& overlay = queue.display().planes()[1];
    ASSERT_TRUE(queue.submit(
        Commit(queue.display()).show(overlay, buffer(), {}, SourceRect::pixels(8, 4, 16, 8), CrtcRect{-3, 5, 32, 16})));
    EXPECT_EQ(last(Objects::overlay, "SRC_X"), 8U << 16U);
    EXPECT_EQ(last(Objects::overlay, "SRC_H"), 8U << 16U);
    EXPECT_EQ(last(Objects::overlay, "CRTC_X"), static_cast<std::uint64_t>(std::int64_t{-3}));
    EXPECT_EQ(last(Objects::overlay, "CRTC_W"), 32U);
    const Commit beyond =
        Commit(queue.display())
            .show(overlay, buffer(), {}, SourceRect{0x10000, 0, 0xffff0000, 0x10000}, CrtcRect{0, 0, 1, 1});
    EXPECT_NE(mistake(beyond).find("beyond"), std::string::npos) << "32 bits would wrap";
}

TEST_F(CommitTest, PropertiesAreSetByName)
{
    model.ends_at_once = true;
    CommitQueue queue = CommitQueue::create(display()).value();
    const Display& on = queue.display();
    std::vector<std::byte> lut(16, std::byte{7});
    ASSERT_TRUE(queue.submit(Commit(on)
                                 .set(on.primary(), "alpha", 0x8000)
                                 .set(on.primary(), "rotation", "rotate-180")
                                 .set(on.crtc(), "GAMMA_LUT", lut)));
    EXPECT_EQ(last(Objects::primary, "alpha"), 0x8000U);
    EXPECT_EQ(last(Objects::primary, "rotation"), 4U);
    EXPECT_NE(last(Objects::crtc, "GAMMA_LUT"), 0U);
    EXPECT_EQ(model.blobs.size(), 1U) << "the mode's alone: the kernel holds what it uses";
}

TEST_F(CommitTest, MistakesAreToldWithWhatThereIs)
{
    const Display on = display();
    EXPECT_NE(mistake(Commit(on).set(on.primary(), "colour", 1)).find("it has type, IN_FORMATS"), std::string::npos);
    EXPECT_NE(mistake(Commit(on).set(on.primary(), "alpha", 0x10000)).find("does not take 65536"), std::string::npos);
    EXPECT_NE(mistake(Commit(on).set(on.primary(), "type", 1)).find("nobody can set it"), std::string::npos);
    EXPECT_NE(mistake(Commit(on).set(on.primary(), "rotation", "rotate-45")).find("rotate-0, rotate-180"),
              std::string::npos);
    EXPECT_NE(mistake(Commit(on).set(on.primary(), "alpha", std::span<const std::byte>())).find("takes no blob"),
              std::string::npos);
    DisplayPlane foreign = on.primary();
    foreign.id = 99;
    EXPECT_NE(mistake(Commit(on).show(foreign, buffer())).find("plane 99"), std::string::npos);
    EXPECT_NE(mistake(Commit(on).set(foreign, "alpha", 1)).find("object 99"), std::string::npos);
    EXPECT_TRUE(model.tests.empty()) << "the kernel was not asked";
}

TEST_F(CommitTest, WithoutWritebackNothingIsWrittenBack)
{
    model.writeback = false;
    EXPECT_NE(mistake(Commit(display()).write_back(buffer())).find("no writeback"), std::string::npos);
}

TEST_F(CommitTest, TheFirstCandidateThatTheKernelTakesIsNamedAndWhyNotTheOthers)
{
    // No scaling: what a display controller often lacks.
    model.refusal = [](const fake::DisplayModel::Values& values) {
        const auto plane = values.find(Objects::primary);
        return plane != values.end() && plane->second.at("SRC_W") >> 16U != plane->second.at("CRTC_W") ? ERANGE : 0;
    };
    const Display on = display();
    const Buffer image = buffer();
    const std::vector candidates{
        Commit(on).set(on.primary(), "colour", 1),
        Commit(on).show(on.primary(), image, {}, SourceRect::pixels(0, 0, 32, 16), CrtcRect{0, 0, 64, 32}),
        Commit(on).show(on.primary(), image),
        Commit(on).show(on.planes()[1], image),
    };
    const auto tested = test_commits(candidates);
    ASSERT_TRUE(tested) << tested.error().message();
    EXPECT_EQ(tested->accepted, 2U);
    ASSERT_EQ(tested->refused.size(), 2U);
    EXPECT_EQ(tested->refused[1].sys_errno, ERANGE);
    EXPECT_NE(tested->refused[1].detail.find("32x16"), std::string::npos) << tested->refused[1].message();
    EXPECT_EQ(model.tests.size(), 1U);
    EXPECT_TRUE(model.commits.empty()) << "nothing changes";
    model.refusal = [](const auto&) { return EINVAL; };
    const auto none = test_commits(candidates);
    ASSERT_TRUE(none);
    EXPECT_FALSE(none->accepted);
    EXPECT_EQ(none->refused.size(), 4U);
}

TEST_F(CommitTest, WhatIsNotARefusalIsAnErrorOfTheTest)
{
    const Display on = display();
    const Commit one = Commit(on).show(on.primary(), buffer());
    model.master = false;
    EXPECT_EQ(test_commits({&one, 1}).error().category, Category::not_master);
    model.master = true;
    model.refusal = [](const auto&) { return ENOMEM; };
    EXPECT_EQ(test_commits({&one, 1}).error().category, Category::out_of_memory);
    model.refusal = [](const auto&) { return ENOENT; };
    EXPECT_EQ(test_commits({&one, 1}).error().category, Category::device_gone) << "an unplugged connector";
    model.refusal = {};
    model.lease_revoked = true;
    EXPECT_EQ(test_commits({&one, 1}).error().category, Category::lease_revoked);
    model.gone = true;
    EXPECT_EQ(test_commits({&one, 1}).error().category, Category::device_gone);
}

TEST_F(CommitTest, OnlyAFileThatIsNotMasterIsToldToBecomeMaster)
{
    const Display on = display();
    const Commit one = Commit(on).show(on.primary(), buffer());
    for (const int error : {EACCES, EPERM}) {
        model.refusal = [error](const auto&) { return error; };
        const auto denied = test_commits({&one, 1});
        ASSERT_FALSE(denied);
        EXPECT_EQ(denied.error().category, Category::permission_denied) << denied.error().message();
        EXPECT_EQ(denied.error().sys_errno, error);
        EXPECT_NE(denied.error().detail.find("64x32"), std::string::npos) << denied.error().message();
        EXPECT_EQ(denied.error().advice.find("become master"), std::string::npos) << "it is";
    }
    model.master = false;
    const auto not_master = test_commits({&one, 1});
    ASSERT_FALSE(not_master);
    EXPECT_EQ(not_master.error().category, Category::not_master);
    EXPECT_EQ(not_master.error().call, "DRM_IOCTL_MODE_ATOMIC");
    EXPECT_EQ(not_master.error().target, "/dev/dri/card0");
    EXPECT_NE(not_master.error().advice.find("become master"), std::string::npos);
}

TEST_F(CommitTest, ARevokedLeaseIsNotAnUnpluggedConnector)
{
    const Display on = display();
    const Commit one = Commit(on).show(on.primary(), buffer());
    model.lease_revoked = true;
    const auto revoked = test_commits({&one, 1});
    ASSERT_FALSE(revoked);
    EXPECT_EQ(revoked.error().category, Category::lease_revoked) << revoked.error().message();
    EXPECT_EQ(revoked.error().sys_errno, ENOENT);
    EXPECT_EQ(on.connected().error().category, Category::lease_revoked);
    model.lease_revoked = false;
    machine.fail_all("DRM_IOCTL_MODE_GETCONNECTOR", ENOENT);
    EXPECT_EQ(on.connected().error().category, Category::device_gone);
}

TEST_F(CommitTest, ARefusalNamesThePropertiesThatWereSet)
{
    model.refusal = [](const auto&) { return EINVAL; };
    const Display on = display();
    const Commit one = Commit(on).set(on.primary(), "alpha", 0x8000);
    const auto tested = test_commits({&one, 1});
    ASSERT_TRUE(tested) << tested.error().message();
    EXPECT_EQ(tested->refused.at(0).category, Category::unsupported);
    EXPECT_NE(tested->refused.at(0).detail.find("alpha of object 31: 32768"), std::string::npos)
        << tested->refused.at(0).message();
    const Commit unknown = Commit(on).set(on.primary(), "colour", 1);
    EXPECT_EQ(test_commits({&unknown, 1})->refused.at(0).target, "colour");
}

TEST_F(CommitTest, TheRefusedPropertyIsFound)
{
    model.refusal = [](const fake::DisplayModel::Values& values) {
        const auto crtc = values.find(Objects::crtc);
        return crtc != values.end() && crtc->second.contains("GAMMA_LUT") ? EINVAL : 0;
    };
    const Display on = display();
    const std::vector<std::byte> lut(16);
    const Commit one = Commit(on)
                           .show(on.primary(), buffer())
                           .set(on.primary(), "alpha", 0x8000)
                           .set(on.crtc(), "GAMMA_LUT", lut)
                           .set(on.primary(), "rotation", "rotate-180");
    const auto tested = test_commits({&one, 1});
    ASSERT_TRUE(tested) << tested.error().message();
    EXPECT_EQ(tested->refused.at(0).target, "GAMMA_LUT");
    EXPECT_NE(tested->refused.at(0).detail.find("this property of object 51"), std::string::npos)
        << tested->refused.at(0).message();
    CommitQueue queue = CommitQueue::create(on).value();
    const auto committed = queue.submit(one);
    ASSERT_FALSE(committed);
    EXPECT_EQ(committed.error().target, "GAMMA_LUT");
}

TEST_F(CommitTest, TurningOffHidesThePlanesOfTheCrtc)
{
    model.ends_at_once = true;
    CommitQueue queue = CommitQueue::create(display()).value();
    const Display& on = queue.display();
    model.now[Objects::overlay]["CRTC_ID"] = Objects::crtc; // somebody's cursor
    ASSERT_TRUE(queue.submit(Commit(on).enable().show(on.primary(), buffer())));
    EXPECT_EQ(model.commits.back().values.count(Objects::overlay), 1U) << "a new mode starts clean";
    EXPECT_EQ(last(Objects::overlay, "FB_ID"), 0U);
    ASSERT_TRUE(queue.submit(Commit(on).disable()));
    EXPECT_EQ(last(Objects::crtc, "ACTIVE"), 0U);
    EXPECT_EQ(last(Objects::crtc, "MODE_ID"), 0U);
    EXPECT_EQ(last(Objects::connector, "CRTC_ID"), 0U);
    EXPECT_EQ(model.now[Objects::primary]["FB_ID"], 0U);
    EXPECT_EQ(queue.pop_committed().back().replaced.size(), 1U);
}

} // namespace
} // namespace commonbuf::drm
