// SPDX-License-Identifier: MIT
#include <commonbuf/format.hpp>
#include <commonbuf/layout.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>
#include <xf86drm.h>

#include <cstdlib>
#include <set>

namespace commonbuf {
namespace {

TEST(Format, EveryRowIsConsistent)
{
    std::set<Format> formats;
    std::set<std::string_view> names;
    for (const FormatInfo& row : all_formats()) {
        EXPECT_TRUE(formats.insert(row.format).second) << row.name;
        EXPECT_TRUE(names.insert(row.name).second) << row.name;
        EXPECT_GE(row.plane_count, 1) << row.name;
        EXPECT_LE(row.plane_count, max_planes) << row.name;
        for (std::size_t i = 0; i < max_planes; ++i) {
            const PlaneInfo& plane = row.planes[i];
            EXPECT_EQ(plane.block_bytes != 0, i < row.plane_count) << row.name;
            EXPECT_TRUE(plane.hsub == 1 || plane.hsub == row.hsub) << row.name;
            EXPECT_TRUE(plane.vsub == 1 || plane.vsub == row.vsub) << row.name;
        }
        for (const std::uint32_t code : {row.v4l2_single, row.v4l2_multi}) {
            if (code == 0)
                continue;
            // Y8 is R8 by another name: V4L2 has one code for both.
            const FormatInfo* back = format_from_v4l2(code);
            ASSERT_NE(back, nullptr) << row.name;
            if (row.name != "Y8") {
                EXPECT_EQ(back, &row) << row.name << " is taken for " << back->name;
            }
            EXPECT_EQ(Format::v4l2(code), back->format) << row.name;
        }
        EXPECT_EQ(format_info(row.format), &row);
        EXPECT_EQ(parse_format(row.name), row.format);
        EXPECT_EQ(parse_format(to_string(row.format)), row.format) << row.name;
    }
}

TEST(Format, NamesAreThoseOfLibdrm)
{
    for (const FormatInfo& row : all_formats()) {
        if (row.format.is_v4l2)
            continue;
        char* name = drmGetFormatName(row.format.fourcc);
        ASSERT_NE(name, nullptr);
        EXPECT_EQ(name, to_string(row.format));
        std::free(name);
    }
}

/// drm_fourcc.h names words from their highest bits, V4L2 bytes from the first.
TEST(Format, TwinsHaveTheSameBytes)
{
    EXPECT_EQ(format_info(DRM_FORMAT_XRGB8888)->v4l2_single, V4L2_PIX_FMT_XBGR32); // B G R X
    EXPECT_EQ(format_info(DRM_FORMAT_ABGR8888)->v4l2_single, V4L2_PIX_FMT_RGBA32); // R G B A
    EXPECT_EQ(format_info(DRM_FORMAT_RGB888)->v4l2_single, V4L2_PIX_FMT_BGR24);    // B G R
    EXPECT_EQ(format_info(DRM_FORMAT_NV12)->v4l2_multi, V4L2_PIX_FMT_NV12M);
    EXPECT_EQ(format_info(DRM_FORMAT_AYUV)->v4l2_single, V4L2_PIX_FMT_VUYA32); // V U Y A
}

TEST(Format, UnknownNamesAreNothing)
{
    EXPECT_FALSE(parse_format(""));
    EXPECT_FALSE(parse_format("XXXX"));
    EXPECT_FALSE(parse_format("XR24 "));
    EXPECT_FALSE(parse_format("RGB"));
    EXPECT_EQ(format_info(0), nullptr);
    EXPECT_EQ(format_from_v4l2(0), nullptr);
}

/// 'RG16' is RGB565 for DRM and a Bayer format for V4L2.
TEST(Format, CodesOfV4l2AreNotThoseOfDrm)
{
    const Format bayer = Format::v4l2(V4L2_PIX_FMT_SRGGB16);
    EXPECT_EQ(bayer.fourcc, DRM_FORMAT_RGB565);
    EXPECT_NE(bayer, Format(DRM_FORMAT_RGB565));
    EXPECT_TRUE(is_opaque(bayer));
    EXPECT_FALSE(is_opaque(DRM_FORMAT_RGB565));
    EXPECT_EQ(format_info(bayer), nullptr);
    EXPECT_EQ(Format::v4l2(V4L2_PIX_FMT_RGB565), Format(DRM_FORMAT_RGB565));
    EXPECT_EQ(Format::v4l2(V4L2_PIX_FMT_NV12M), Format(DRM_FORMAT_NV12));
    EXPECT_FALSE(is_opaque(Format::v4l2(V4L2_PIX_FMT_NV12)));
    EXPECT_FALSE(is_opaque(Format::v4l2(0)));
    EXPECT_FALSE(is_opaque(0x12345678));
}

TEST(Format, OneThatDrmLacksHasRowsAllTheSame)
{
    const Format grey = Format::v4l2(v4l2_fourcc('Y', '0', '1', '2'));
    EXPECT_TRUE(grey.is_v4l2);
    EXPECT_FALSE(is_opaque(grey));
    ASSERT_NE(format_info(grey), nullptr);
    EXPECT_EQ(to_string(grey), "v4l2:Y012");
}

TEST(Format, TextOfV4l2CodesGoesBothWays)
{
    const auto both_ways = [](std::uint32_t code, const char* text) {
        EXPECT_EQ(to_string(Format::v4l2(code)), text);
        EXPECT_EQ(parse_format(text), Format::v4l2(code)) << text;
    };
    both_ways(V4L2_PIX_FMT_SRGGB10, "v4l2:RG10");
    both_ways(V4L2_PIX_FMT_MJPEG, "v4l2:MJPG");
    both_ways(V4L2_META_FMT_VIVID, "v4l2:VIVD");
    both_ways(V4L2_PIX_FMT_Z16, "v4l2:Z16");
    both_ways(V4L2_PIX_FMT_Y16_BE, "v4l2:Y16-BE");
    both_ways(v4l2_fourcc('A', '-', 'B', 'E'), "v4l2:A-BE");
    both_ways(v4l2_fourcc_be('A', ' ', ' ', ' '), "v4l2:A -BE");
    EXPECT_EQ(parse_format("v4l2:NM12"), Format(DRM_FORMAT_NV12));
    EXPECT_EQ(parse_format("v4l2:XR24"), Format(DRM_FORMAT_XRGB8888));
    EXPECT_FALSE(parse_format("v4l2:"));
    EXPECT_FALSE(parse_format("v4l2:RG100"));
    EXPECT_FALSE(parse_format("v4l2:R\n"));
    EXPECT_FALSE(parse_format("RG10")) << "Bayer is not DRM's";
}

TEST(Format, TextOfNonsenseIsPrintable)
{
    EXPECT_EQ(to_string(Format(0)), "....");
    EXPECT_EQ(to_string(Format(0xffffffffU)), "....");
    EXPECT_EQ(to_string(Format(DRM_FORMAT_R8)), "R8");
}

} // namespace
} // namespace commonbuf
