// SPDX-License-Identifier: MIT
//
// From what an image is for to the devices of this machine.
#include "fake/machine.hpp"

#include <commonbuf/commonbuf.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>

#include <algorithm>
#include <set>

namespace commonbuf {
namespace {

class ResolveTest : public testing::Test {
protected:
    fake::Machine machine;
    Request request{DRM_FORMAT_XRGB8888, 1280, 720};

    void SetUp() override
    {
        machine.add_camera("video0", {.name = "front", .formats = {V4L2_PIX_FMT_XBGR32}});
        machine.add_camera("video1", {.name = "back", .formats = {V4L2_PIX_FMT_NV12}});
        machine.add_card("card0", {.formats = {DRM_FORMAT_XRGB8888}});
        machine.add_heap("system");
        machine.add_udmabuf();
    }
    void TearDown() override { EXPECT_EQ(machine.leaks(), ""); }
};

using Names = std::vector<std::string>;

TEST_F(ResolveTest, EveryDeviceOfAClassThatTakesTheImage)
{
    const auto found = resolve(Purpose::camera_output | Purpose::composer | Purpose::cpu_read_often, request);
    ASSERT_TRUE(found) << found.error().message();
    Names names;
    for (const Use& use : found->uses)
        names.push_back(use.name());
    EXPECT_EQ(names, (Names{"v4l2:/dev/video0:capture", "drm:/dev/dri/card0:scanout", "cpu:read:often"}));
    ASSERT_EQ(found->purposes.size(), 3U);
    EXPECT_EQ(found->purposes[0].purpose, Purpose::camera_output);
    ASSERT_EQ(found->purposes[0].left_out.size(), 1U);
    EXPECT_EQ(found->purposes[0].left_out[0].use, "v4l2:/dev/video1:capture");
    EXPECT_NE(found->purposes[0].left_out[0].verdict.reason.find("does not have the format XR24"), std::string::npos);
}

TEST_F(ResolveTest, AnAlternativeFormatLetsMoreIn)
{
    request.alternatives = {DRM_FORMAT_NV12};
    const auto found = resolve(Purpose::camera_output, request);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->uses.size(), 2U);
}

TEST_F(ResolveTest, TheCpuFlagsAreOneUse)
{
    const auto name = [this](Purpose purpose) { return resolve(purpose, request)->uses.front().name(); };
    EXPECT_EQ(name(Purpose::cpu_read_rarely), "cpu:read");
    EXPECT_EQ(name(Purpose::cpu_write_rarely), "cpu:write");
    EXPECT_EQ(name(Purpose::cpu_read_rarely | Purpose::cpu_write_often), "cpu:rw:often");
    EXPECT_EQ(resolve(Purpose::cpu_read_rarely | Purpose::cpu_write_often, request)->uses.size(), 1U);
}

TEST_F(ResolveTest, WhatIsNotThereIsSaidSo)
{
    const auto message = [this](Purpose purpose) {
        const auto found = resolve(purpose, request);
        return found ? std::string("found") : found.error().message();
    };
    EXPECT_NE(message(Purpose::none).find("it has no flag"), std::string::npos);
    EXPECT_NE(message(Purpose::video_encoder).find("this machine has none"), std::string::npos);
    EXPECT_NE(message(Purpose::gpu_texture).find("brings no GPU of its own"), std::string::npos);
    request.format = DRM_FORMAT_P010;
    EXPECT_NE(message(Purpose::composer).find("none of them takes the image"), std::string::npos);
}

TEST_F(ResolveTest, TheCallersGpuStandsForItself)
{
    const Use gpu = cpu(Access::read_write);
    const auto found = resolve(Purpose::gpu_texture | Purpose::gpu_render_target, request, std::span(&gpu, 1));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->uses.size(), 1U);
    EXPECT_EQ(found->purposes.size(), 2U);
}

TEST_F(ResolveTest, APlanSaysWhatItResolvedTo)
{
    const auto made = Allocator().plan(request, Purpose::camera_output | Purpose::composer);
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(made->chosen().heap.name, "system");
    EXPECT_EQ(made->report().purposes.size(), 2U);
    EXPECT_NE(made->explain().find("composer is drm:/dev/dri/card0:scanout"), std::string::npos) << made->explain();
    EXPECT_NE(made->explain().find("without v4l2:/dev/video1:capture"), std::string::npos) << made->explain();
    EXPECT_EQ(Allocator().plan(request, Purpose::video_decoder).error().category, Category::not_present);
}

TEST(Purpose, NamesAreReadBack)
{
    std::set<std::string_view> names;
    for (std::uint32_t bit = 1; bit <= static_cast<std::uint32_t>(Purpose::cpu_write_often); bit <<= 1U) {
        const auto flag = static_cast<Purpose>(bit);
        EXPECT_EQ(parse_purpose(to_string(flag)), flag);
        names.insert(to_string(flag));
    }
    EXPECT_EQ(names.size(), 10U);
    EXPECT_FALSE(parse_purpose("camera"));
    EXPECT_EQ(to_string(Purpose::camera_output | Purpose::composer), "unknown");
}

} // namespace
} // namespace commonbuf
