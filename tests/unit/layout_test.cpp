// SPDX-License-Identifier: MIT
#include "format/table.hpp"

#include <commonbuf/layout.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>

#include <vector>

namespace commonbuf {
namespace {

TEST(Geometry, StridesRoundSubsamplingUp)
{
    const FormatInfo& nv12 = *format_info(DRM_FORMAT_NV12);
    EXPECT_EQ(min_stride(nv12, 0, 641), 641U);
    EXPECT_EQ(min_stride(nv12, 1, 641), 642U);
    EXPECT_EQ(plane_rows(nv12, 1, 481), 241U);
    const FormatInfo& yuyv = *format_info(DRM_FORMAT_YUYV);
    EXPECT_EQ(min_stride(yuyv, 0, 641), 1284U);
    const FormatInfo& xrgb = *format_info(DRM_FORMAT_XRGB8888);
    EXPECT_EQ(min_stride(xrgb, 0, UINT32_MAX), 4ULL * UINT32_MAX);
}

TEST(LinearLayout, OneMemoryHoldsThePlanesOneAfterTheOther)
{
    const auto layout = linear_layout({DRM_FORMAT_NV12, 640, 480}, 640, Memories::single);
    ASSERT_TRUE(layout);
    EXPECT_EQ(layout->plane_count, 2U);
    EXPECT_EQ(layout->memory_count, 1U);
    EXPECT_EQ(layout->planes[0], (Plane{0, 640, 0, 640 * 480}));
    EXPECT_EQ(layout->planes[1], (Plane{0, 640, 640 * 480, 640 * 240}));
    EXPECT_EQ(layout->memory_sizes[0], 640U * 480 * 3 / 2);
    EXPECT_TRUE(validate(*layout));
    EXPECT_EQ(to_string(*layout), "NV12 640x480 LINEAR, stride 640+640, 460800 bytes");
}

TEST(LinearLayout, OneMemoryPerPlaneStartsEachAtZero)
{
    const auto layout = linear_layout({DRM_FORMAT_YUV420, 640, 480}, 704, Memories::per_plane);
    ASSERT_TRUE(layout);
    EXPECT_EQ(layout->memory_count, 3U);
    EXPECT_EQ(layout->planes[2], (Plane{2, 352, 0, 352 * 240}));
    EXPECT_EQ(layout->total_size(), 704U * 480 + 2 * 352 * 240);
    EXPECT_TRUE(validate(*layout));
}

TEST(LinearLayout, PaddedRowsMoveTheChroma)
{
    const auto layout = linear_layout({DRM_FORMAT_NV12, 1920, 1080}, 1920, Memories::single, 1088);
    ASSERT_TRUE(layout);
    EXPECT_EQ(layout->planes[1].offset, 1920U * 1088);
    EXPECT_EQ(layout->memory_sizes[0], 1920U * 1088 * 3 / 2);
}

TEST(Validate, RefusesPlanesOnTopOfEachOther)
{
    Layout layout = *linear_layout({DRM_FORMAT_NV12, 64, 32}, 64, Memories::single);
    for (const std::uint64_t offset : {0U, 64U, 64U * 32 - 1}) {
        layout.planes[1].offset = offset;
        const Status valid = validate(layout);
        ASSERT_FALSE(valid) << offset;
        EXPECT_EQ(valid.error().category, Category::invalid_argument);
        EXPECT_NE(valid.error().detail.find("on top of each other"), std::string::npos) << valid.error().detail;
    }
    // The other order is one, too.
    layout.planes[1].offset = 0;
    layout.planes[0].offset = 64 * 16;
    EXPECT_TRUE(validate(layout));
    layout.planes[0].offset -= 1;
    EXPECT_FALSE(validate(layout));
}

TEST(Validate, TakesRowsBetweenTheRowsOfAnotherPlane)
{
    // As V4L2 drivers lay out chroma: a row of U, then a row of V.
    Layout layout = *linear_layout({DRM_FORMAT_YUV420, 64, 32}, 128, Memories::single);
    layout.planes[1].stride = layout.planes[2].stride = 64;
    layout.planes[2].offset = layout.planes[1].offset + 32;
    layout.planes[1].size = layout.planes[2].size = 64 * 15 + 32;
    EXPECT_TRUE(validate(layout));
    layout.planes[2].offset -= 1;
    EXPECT_FALSE(validate(layout));
}

TEST(Validate, RefusesTiledPlanesThatBeginAtOneByte)
{
    Layout layout = *linear_layout({DRM_FORMAT_NV12, 64, 32}, 128, Memories::single);
    layout.modifier = Modifier{I915_FORMAT_MOD_Y_TILED};
    EXPECT_TRUE(validate(layout));
    layout.planes[1].offset = 0;
    EXPECT_FALSE(validate(layout));
    layout.modifier = implicit_modifier; // who knows
    EXPECT_TRUE(validate(layout));
}

TEST(Geometry, PackedSamplesFillWholeBlocks)
{
    const FormatInfo& nv15 = *format_info(Format(table::code("NV15")));
    EXPECT_EQ(min_stride(nv15, 0, 640), 800U); // 4 samples in 5 bytes
    EXPECT_EQ(min_stride(nv15, 0, 642), 805U);
    EXPECT_EQ(min_stride(nv15, 1, 640), 800U); // 320 pairs, 2 in 5 bytes
    const FormatInfo& p030 = *format_info(Format(table::code("P030")));
    EXPECT_EQ(min_stride(p030, 0, 1920), 2560U); // 3 samples in 4 bytes
    EXPECT_EQ(min_stride(p030, 1, 1920), 2560U);
    const FormatInfo& r1 = *format_info(Format(table::code("R1")));
    EXPECT_EQ(min_stride(r1, 0, 250), 32U);
    const FormatInfo& yuv410 = *format_info(DRM_FORMAT_YUV410);
    EXPECT_EQ(min_stride(yuv410, 1, 641), 161U);
    EXPECT_EQ(plane_rows(yuv410, 2, 481), 121U);
}

TEST(LinearLayout, StridesOfThePlanesFollowTheirSamples)
{
    const auto strides = [](std::string_view code, std::uint32_t stride) {
        const auto layout = linear_layout({Format(table::code(code)), 640, 480}, stride, Memories::single);
        std::vector<std::uint32_t> result;
        if (layout) {
            for (const Plane& plane : layout->used_planes())
                result.push_back(plane.stride);
        }
        return result;
    };
    using Strides = std::vector<std::uint32_t>;
    EXPECT_EQ(strides("NV24", 640), (Strides{640, 1280}));
    EXPECT_EQ(strides("NV15", 832), (Strides{832, 832}));
    EXPECT_EQ(strides("NV30", 832), (Strides{832, 1664}));
    EXPECT_EQ(strides("P030", 896), (Strides{896, 896}));
    EXPECT_EQ(strides("P010", 1280), (Strides{1280, 1280}));
    EXPECT_EQ(strides("YUV9", 640), (Strides{640, 160, 160}));
    EXPECT_EQ(strides("Q410", 1344), (Strides{1344, 1344, 1344}));
    EXPECT_EQ(strides("S016", 1280), (Strides{1280, 640, 640}));
}

/// Lines are image to the camera that writes them, so each plane has its share of them.
TEST(LinearLayout, RoomForLinesInOneMemory)
{
    Request request{DRM_FORMAT_NV12, 640, 480};
    request.lines_before = 2;
    request.lines_after = 3;
    const auto layout = linear_layout(request, 704, Memories::single, 488);
    ASSERT_TRUE(layout);
    EXPECT_EQ(layout->planes[0], (Plane{0, 704, 2 * 704, 704 * 488}));
    // 493 rows of luma, then 247 of chroma.
    EXPECT_EQ(layout->planes[1], (Plane{0, 704, 704 * (493 + 1), 704 * 244}));
    EXPECT_EQ(layout->memory_sizes[0], 704U * (493 + 247));
    EXPECT_TRUE(validate(*layout));
}

TEST(LinearLayout, RoomForLinesInEachMemory)
{
    Request request{DRM_FORMAT_NV12, 640, 480};
    request.lines_before = 2;
    request.lines_after = 3;
    const auto layout = linear_layout(request, 704, Memories::per_plane);
    ASSERT_TRUE(layout);
    EXPECT_EQ(layout->planes[0].offset, 2U * 704);
    EXPECT_EQ(layout->memory_sizes[0], 704U * (2 + 480 + 3));
    EXPECT_EQ(layout->planes[1].offset, 704U);
    EXPECT_EQ(layout->memory_sizes[1], 704U * 243);
}

TEST(LinearLayout, LinesInFrontAreWholeRowsOfEachPlane)
{
    Request request{DRM_FORMAT_NV12, 640, 480};
    request.lines_before = 3;
    const auto odd = linear_layout(request, 640, Memories::single);
    ASSERT_FALSE(odd);
    EXPECT_EQ(odd.error().category, Category::invalid_argument);
    EXPECT_EQ(odd.error().detail, "3 lines in front of a picture are no whole rows of plane 1, which has one for 2 "
                                  "rows of the picture");
    request.format = DRM_FORMAT_NV16;
    EXPECT_TRUE(linear_layout(request, 640, Memories::single));
    request.format = DRM_FORMAT_XRGB8888;
    EXPECT_TRUE(linear_layout(request, 2560, Memories::single));
}

TEST(LinearLayout, TheLargestImageThatFits32BitStrides)
{
    const auto layout = linear_layout({Format(table::code("AB8F")), 65536, 65536}, 1U << 20U, Memories::single);
    ASSERT_TRUE(layout);
    EXPECT_EQ(layout->memory_sizes[0], 1ULL << 36U);
    Request room{DRM_FORMAT_XRGB8888, 65536, 65536};
    room.lines_before = UINT32_MAX;
    room.lines_after = UINT32_MAX;
    EXPECT_TRUE(linear_layout(room, 1U << 18U, Memories::single));
    // 2^32 rows before and after of 2^32 bytes each are beyond 63 bits.
    EXPECT_FALSE(linear_layout(room, UINT32_MAX, Memories::single));
    // The chroma of NV24 has twice the stride, and no 33 bits for it.
    EXPECT_FALSE(linear_layout({DRM_FORMAT_NV24, 640, 480}, 1U << 31U, Memories::single));
}

TEST(OpaqueLayout, IsWhatTheDriverSays)
{
    const auto layout = opaque_layout({Format::v4l2(V4L2_PIX_FMT_SRGGB10), 640, 480}, 1280, 614400);
    ASSERT_TRUE(layout);
    EXPECT_EQ(layout->plane_count, 1U);
    EXPECT_EQ(layout->memory_count, 1U);
    EXPECT_EQ(layout->planes[0], (Plane{0, 1280, 0, 614400}));
    EXPECT_EQ(layout->modifier, implicit_modifier);
    EXPECT_TRUE(validate(*layout));
    EXPECT_EQ(to_string(*layout), "v4l2:RG10 640x480 INVALID, stride 1280, 614400 bytes");
    // Metadata has no width, compressed frames no stride.
    const auto metadata = opaque_layout({Format::v4l2(V4L2_META_FMT_VIVID), 0, 0}, 0, 256);
    ASSERT_TRUE(metadata);
    EXPECT_TRUE(validate(*metadata));
}

TEST(OpaqueLayout, RefusesNonsense)
{
    const Request bayer{Format::v4l2(V4L2_PIX_FMT_SRGGB10), 640, 480};
    const auto category = [](const Result<Layout>& layout) {
        return layout ? std::string("none") : std::string(to_string(layout.error().category));
    };
    EXPECT_EQ(category(opaque_layout(bayer, 1280, 0)), "invalid-argument");
    EXPECT_EQ(category(opaque_layout(bayer, 1280, UINT64_MAX)), "invalid-argument");
    EXPECT_EQ(category(opaque_layout(bayer, {})), "invalid-argument");
    const std::array<OpaqueMemory, max_planes + 1> many{};
    EXPECT_EQ(category(opaque_layout(bayer, many)), "invalid-argument");
    EXPECT_EQ(category(opaque_layout(bayer, std::span(many).first(2))), "invalid-argument") << "no bytes";
    EXPECT_EQ(category(opaque_layout({DRM_FORMAT_NV12, 640, 480}, 640, 460800)), "unsupported");
    EXPECT_EQ(category(opaque_layout({0, 640, 480}, 640, 460800)), "unsupported");
    Request room = bayer;
    room.lines_after = 1;
    EXPECT_EQ(category(opaque_layout(room, 1280, 614400)), "invalid-argument");
    EXPECT_EQ(category(linear_layout(bayer, 1280, Memories::single)), "unsupported");
}

TEST(LinearLayout, RefusesNonsense)
{
    const auto category = [](const Request& request, std::uint32_t stride, std::uint32_t rows = 0) {
        const auto layout = linear_layout(request, stride, Memories::single, rows);
        return layout ? std::string("none") : std::string(to_string(layout.error().category));
    };
    EXPECT_EQ(category({0, 640, 480}, 640), "unsupported");
    EXPECT_EQ(category({DRM_FORMAT_XRGB8888, 0, 480}, 640), "invalid-argument");
    EXPECT_EQ(category({DRM_FORMAT_XRGB8888, 640, 0}, 2560), "invalid-argument");
    EXPECT_EQ(category({DRM_FORMAT_XRGB8888, 640, 480}, 2559), "invalid-argument");
    EXPECT_EQ(category({DRM_FORMAT_XRGB8888, 640, 480}, 2560, 479), "invalid-argument");
    // The chroma of planar 4:2:0 has half the stride: an odd one has no half.
    EXPECT_EQ(category({DRM_FORMAT_YUV420, 640, 480}, 641), "invalid-argument");
    EXPECT_EQ(category({DRM_FORMAT_XRGB8888, UINT32_MAX, UINT32_MAX}, UINT32_MAX), "invalid-argument");
}

class Check : public testing::Test {
protected:
    Layout layout = *linear_layout({DRM_FORMAT_NV12, 640, 480}, 640, Memories::single);

    void expect_invalid(const char* what)
    {
        const Status status = validate(layout);
        ASSERT_FALSE(status) << what;
        EXPECT_EQ(status.error().category, Category::invalid_argument) << what;
        EXPECT_FALSE(status.error().detail.empty()) << what;
    }
};

TEST_F(Check, TakesALayoutThatFits)
{
    const std::array<std::uint64_t, 1> sizes{layout.memory_sizes[0]};
    EXPECT_TRUE(validate(layout, sizes));
    // The last row may end before its stride does.
    layout.planes[1].size -= 0;
    layout.memory_sizes[0] += 4096;
    EXPECT_TRUE(validate(layout));
}

TEST_F(Check, MemoryTooSmall)
{
    const std::array<std::uint64_t, 1> sizes{layout.memory_sizes[0] - 1};
    EXPECT_FALSE(validate(layout, sizes));
}

TEST_F(Check, FewerMemoriesThanClaimed)
{
    layout.memory_count = 2;
    const std::array<std::uint64_t, 1> sizes{layout.memory_sizes[0]};
    EXPECT_FALSE(validate(layout, sizes));
}

TEST_F(Check, OffsetsThatOverflow)
{
    layout.planes[1].offset = UINT64_MAX - 10;
    expect_invalid("offset + size wraps");
    layout.planes[1].offset = 1;
    layout.planes[1].size = UINT64_MAX;
    expect_invalid("size wraps");
}

TEST_F(Check, PlaneInAMemoryThatDoesNotExist)
{
    layout.planes[1].memory = 7;
    expect_invalid("memory index");
}

TEST_F(Check, CountsThatAreNone)
{
    layout.plane_count = 5;
    expect_invalid("five planes");
    layout.plane_count = 1;
    expect_invalid("one plane of NV12");
    layout.plane_count = 3;
    expect_invalid("three linear planes of NV12");
    layout.plane_count = 2;
    layout.memory_count = 0;
    expect_invalid("no memory");
    layout.memory_count = 9;
    expect_invalid("nine memories");
}

TEST_F(Check, RowsThatOverlap)
{
    layout.planes[0].stride = 639;
    expect_invalid("stride below a row");
    layout.planes[0].stride = UINT32_MAX;
    expect_invalid("rows go past the plane");
}

TEST_F(Check, ExtraPlanesOfAModifierAreAllowed)
{
    layout.modifier = I915_FORMAT_MOD_Y_TILED_CCS;
    layout.plane_count = 4;
    EXPECT_TRUE(validate(layout));
}

TEST_F(Check, OpaqueHasOnePlaneInItsMemory)
{
    layout = *opaque_layout({Format::v4l2(V4L2_PIX_FMT_MJPEG), 640, 480}, 0, 1000);
    EXPECT_TRUE(validate(layout));
    layout.modifier = linear; // no promise of rows changes what nobody knows
    EXPECT_TRUE(validate(layout));
    layout.planes[0].offset = 1;
    expect_invalid("past the memory");
    layout.planes[0].offset = UINT64_MAX;
    expect_invalid("wraps");
    layout.planes[0].offset = 0;
    layout.plane_count = 2;
    expect_invalid("two planes in one memory");
    layout.plane_count = 1;
    layout.memory_count = 2;
    expect_invalid("a memory without a plane");
    layout.memory_count = 1;
    const std::array<std::uint64_t, 1> sizes{999};
    EXPECT_FALSE(validate(layout, sizes));
}

TEST_F(Check, OpaqueWithTwoMemoriesHasAPlaneInEach)
{
    const std::array<OpaqueMemory, 2> memories{{{640, 1000}, {640, 500}}};
    layout = *opaque_layout({Format::v4l2(V4L2_PIX_FMT_MT21C), 640, 480}, memories);
    EXPECT_EQ(layout.modifier, implicit_modifier);
    EXPECT_EQ(layout.total_size(), 1500U);
    EXPECT_TRUE(validate(layout));
    layout.planes[1].memory = 0;
    expect_invalid("both planes in one memory");
    layout.planes[1].memory = 1;
    layout.planes[1].size = 501;
    expect_invalid("past the second memory");
}

TEST_F(Check, UnknownFormat)
{
    layout.format = 0;
    const Status status = validate(layout);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().category, Category::unsupported);
}

} // namespace
} // namespace commonbuf
