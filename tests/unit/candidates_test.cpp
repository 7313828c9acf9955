// SPDX-License-Identifier: MIT
#include "negotiate/candidates.hpp"

#include <drm_fourcc.h>
#include <gtest/gtest.h>

namespace commonbuf::negotiate {
namespace {

UseSupport use(const char* name, const Constraints& constraints, std::vector<Memories> ways = {Memories::single})
{
    UseSupport result{name, {}};
    for (const Memories way : ways)
        result.support.entries.push_back({linear, way, constraints});
    return result;
}

TEST(CheckRequest, RefusesNonsenseWithWhatToDo)
{
    const auto message = [](const Request& request) {
        const Status status = check_request(request);
        return status ? std::string("fine") : status.error().message();
    };
    EXPECT_EQ(message({DRM_FORMAT_NV12, 1920, 1080}), "fine");
    EXPECT_EQ(message({DRM_FORMAT_XRGB8888, 1, 1}), "fine");
    EXPECT_EQ(message({DRM_FORMAT_XRGB8888, 0, 720}),
              "plan XR24 0x720: a width of 0 is not between 1 and 65536 pixels");
    EXPECT_EQ(message({DRM_FORMAT_XRGB8888, 1280, 1U << 31U}),
              "plan XR24 1280x2147483648: a height of 2147483648 is not between 1 and 65536 pixels");
    EXPECT_EQ(message({DRM_FORMAT_NV12, 641, 480}),
              "plan NV12 641x480: NV12 shares samples among 2x2 pixels; use 642x480");
    EXPECT_EQ(message({DRM_FORMAT_YUYV, 641, 481}),
              "plan YUYV 641x481: YUYV shares samples among 2x1 pixels; use 642x481");
    // Packed samples are no shared ones: 1280 is no multiple of P030's 3.
    EXPECT_EQ(message({DRM_FORMAT_P030, 1280, 720}), "fine");
    EXPECT_EQ(message({DRM_FORMAT_YUV410, 642, 480}),
              "plan YUV9 642x480: YUV410 shares samples among 4x4 pixels; use 644x480");
    EXPECT_NE(message({0x12345678, 640, 480}).find("does not know this format"), std::string::npos);
    EXPECT_NE(message({DRM_FORMAT_XRGB8888, 640, 480, 0}).find("0 buffers"), std::string::npos);
}

TEST(Candidates, GoFromTightToPadded)
{
    const auto found = candidates({DRM_FORMAT_XRGB8888, 1366, 768}, {use("a", {})});
    ASSERT_TRUE(found);
    ASSERT_GE(found->size(), 4U);
    EXPECT_EQ(found->at(0).layout.planes[0].stride, 5464U);
    EXPECT_EQ(found->at(1).layout.planes[0].stride, 5504U); // 64
    EXPECT_EQ(found->at(2).layout.planes[0].stride, 5632U); // 256 (and 128)
    for (std::size_t i = 1; i < found->size(); ++i)
        EXPECT_GT(found->at(i).layout.planes[0].stride, found->at(i - 1).layout.planes[0].stride);
}

TEST(Candidates, OneWhenTheStrideFitsEveryStep)
{
    const auto found = candidates({DRM_FORMAT_XRGB8888, 1280, 720}, {use("a", {})});
    ASSERT_TRUE(found);
    EXPECT_EQ(found->size(), 1U); // 5120 is a multiple of 1024
}

TEST(Candidates, FewestMemoriesFirst)
{
    const auto found =
        candidates({DRM_FORMAT_NV12, 1024, 720}, {use("a", {}, {Memories::single, Memories::per_plane}),
                                                  use("b", {}, {Memories::per_plane, Memories::single})});
    ASSERT_TRUE(found);
    ASSERT_EQ(found->size(), 2U);
    EXPECT_EQ(found->at(0).layout.memory_count, 1U);
    EXPECT_EQ(found->at(1).layout.memory_count, 2U);
}

TEST(Candidates, OnlyWhatAllTake)
{
    const auto found = candidates({DRM_FORMAT_NV12, 1024, 720}, {use("a", {}, {Memories::single, Memories::per_plane}),
                                                                 use("b", {}, {Memories::per_plane})});
    ASSERT_TRUE(found);
    for (const Candidate& candidate : *found)
        EXPECT_EQ(candidate.layout.memory_count, 2U);
}

TEST(Candidates, NameTheUseThatDoesNotAgree)
{
    const auto found = candidates({DRM_FORMAT_NV12, 1024, 720},
                                  {use("one", {}, {Memories::single}), use("many", {}, {Memories::per_plane})});
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().category, Category::incompatible);
    EXPECT_NE(found.error().detail.find("many does not take NV12 linear"), std::string::npos) << found.error().detail;
}

TEST(Candidates, SizesAndHeightsArePadded)
{
    Constraints padded;
    padded.height_align = 16;
    padded.size_align = 65536;
    const auto found = candidates({DRM_FORMAT_NV12, 1920, 1080}, {use("a", padded)});
    ASSERT_TRUE(found);
    const Layout& layout = found->front().layout;
    EXPECT_EQ(layout.planes[1].offset, 1920U * 1088);
    EXPECT_EQ(layout.memory_sizes[0] % 65536, 0U);
}

TEST(Candidates, NoStrideAtAll)
{
    Constraints narrow;
    narrow.max_stride = 1000;
    const auto found = candidates({DRM_FORMAT_XRGB8888, 1280, 720}, {use("a", narrow)});
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().category, Category::incompatible);
}

} // namespace
} // namespace commonbuf::negotiate
