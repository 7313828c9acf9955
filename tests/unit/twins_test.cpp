// SPDX-License-Identifier: MIT
//
// V4L2's codes for tiles and DRM's modifiers: that a row names the same bytes twice, and plans of devices
// that say it in either way.
#include "fake/machine.hpp"
#include "format/twins.hpp"

#include <commonbuf/commonbuf.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>

#include <algorithm>
#include <set>

namespace commonbuf {
namespace {

// Newer than Debian 12's headers, or only in the kernel of Raspberry Pi.
constexpr std::uint32_t nc12 = v4l2_fourcc('N', 'C', '1', '2');
constexpr std::uint32_t nc30 = v4l2_fourcc('N', 'C', '3', '0');
constexpr std::uint32_t mt2t = v4l2_fourcc('M', 'T', '2', 'T');
constexpr std::uint64_t mtk_16l_32s_tile = std::uint64_t{0x0b} << 56 | 1;

/// DRM_FORMAT_MOD_BROADCOM_SAND128_COL_HEIGHT, whose macro has casts of C.
Modifier columns_of(std::uint64_t height) { return DRM_FORMAT_MOD_BROADCOM_SAND128 | height << 8; }

TEST(Twins, EachRowIsConsistent)
{
    std::set<std::uint32_t> codes;
    std::set<Arrangement> arrangements;
    for (const TiledTwin& row : tiled_twins()) {
        const std::string name = to_string(row.drm);
        EXPECT_TRUE(codes.insert(row.v4l2).second) << name;
        EXPECT_TRUE(arrangements.insert(row.drm).second) << name;
        EXPECT_EQ(tiled_twin(row.v4l2), &row) << name;
        EXPECT_EQ(tiled_twin(row.drm), &row) << name;
        EXPECT_EQ(classify(row.drm.modifier), ModifierClass::tiled) << name;
        EXPECT_EQ(without_column_height(row.drm.modifier), row.drm.modifier) << name;
        // The rules for where the planes are know two of them.
        ASSERT_NE(format_info(row.drm.format), nullptr) << name;
        EXPECT_EQ(format_info(row.drm.format)->plane_count, 2U) << name;
        EXPECT_TRUE(is_opaque(Format::v4l2(row.v4l2))) << name << " can be passed on by its code, too";
    }
}

TEST(Twins, NumbersAreThoseOfTheHeaders)
{
    const auto modifier = [](std::uint32_t code) {
        const TiledTwin* twin = tiled_twin(code);
        return twin != nullptr ? twin->drm.modifier.value : 0;
    };
    EXPECT_EQ(modifier(V4L2_PIX_FMT_NV12_32L32), DRM_FORMAT_MOD_ALLWINNER_TILED);
    EXPECT_EQ(modifier(V4L2_PIX_FMT_NV12MT), DRM_FORMAT_MOD_SAMSUNG_64_32_TILE);
    EXPECT_EQ(modifier(V4L2_PIX_FMT_NV12MT_16X16), DRM_FORMAT_MOD_SAMSUNG_16_16_TILE);
    EXPECT_EQ(modifier(V4L2_PIX_FMT_MM21), mtk_16l_32s_tile);
    EXPECT_EQ(modifier(nc12), DRM_FORMAT_MOD_BROADCOM_SAND128);
    EXPECT_EQ(modifier(nc30), DRM_FORMAT_MOD_BROADCOM_SAND128);
    EXPECT_EQ(tiled_twin(nc30)->drm.format, Format(DRM_FORMAT_P030));
    // Nothing in the kernel says that these are the same bytes as a modifier's.
    for (const std::uint32_t code : {V4L2_PIX_FMT_NV12_4L4, V4L2_PIX_FMT_NV12_16L16, V4L2_PIX_FMT_NV12})
        EXPECT_EQ(tiled_twin(code), nullptr);
}

TEST(Twins, ColumnHeightsBelongToColumnsOnly)
{
    EXPECT_EQ(without_column_height(columns_of(1632)), Modifier(DRM_FORMAT_MOD_BROADCOM_SAND128));
    EXPECT_EQ(column_height(columns_of(1632)), 1632U);
    EXPECT_EQ(column_height(DRM_FORMAT_MOD_BROADCOM_SAND128), 0U);
    for (const std::uint64_t other :
         {std::uint64_t{DRM_FORMAT_MOD_BROADCOM_VC4_T_TILED}, std::uint64_t{DRM_FORMAT_MOD_BROADCOM_UIF},
          mtk_16l_32s_tile | 0x100, std::uint64_t{DRM_FORMAT_MOD_LINEAR}, std::uint64_t{DRM_FORMAT_MOD_INVALID}}) {
        EXPECT_EQ(without_column_height(other), Modifier(other));
        EXPECT_EQ(column_height(other), 0U);
    }
}

TEST(Twins, TilesAreWholeInBothPlanes)
{
    // 1080 rows are 33.75 tiles of 32; 544 rows of chroma are 17.
    const auto layout = tiled_layout(*tiled_twin(V4L2_PIX_FMT_NV12_32L32), {DRM_FORMAT_NV12, 1900, 1080}, 1920, 1080);
    ASSERT_TRUE(layout) << layout.error().message();
    EXPECT_EQ(layout->planes[0], (Plane{0, 1920, 0, 1920 * 1088}));
    EXPECT_EQ(layout->planes[1], (Plane{0, 1920, 1920 * 1088, 1920 * 544}));
    EXPECT_EQ(layout->memory_sizes[0], 1920U * 1632);
    EXPECT_TRUE(validate(*layout));

    // Chroma tiles of 16 rows in a memory of their own.
    const auto two = tiled_layout(*tiled_twin(V4L2_PIX_FMT_MM21), {DRM_FORMAT_NV12, 640, 500}, 640, 500);
    ASSERT_TRUE(two) << two.error().message();
    EXPECT_EQ(two->planes[1], (Plane{1, 640, 0, 640 * 256}));
    EXPECT_EQ(two->memory_sizes[0], 640U * 512);
    EXPECT_TRUE(validate(*two));
}

TEST(Twins, ColumnsHoldLumaAndChroma)
{
    // Ten columns of 128 bytes; 100 rows are left over in each.
    const auto layout = tiled_layout(*tiled_twin(nc12), {DRM_FORMAT_NV12, 1270, 720}, 1180, 720);
    ASSERT_TRUE(layout) << layout.error().message();
    EXPECT_EQ(layout->modifier, columns_of(1180));
    EXPECT_EQ(layout->planes[0].stride, 1280U);
    EXPECT_EQ(layout->planes[1].offset, 128U * 720);
    EXPECT_EQ(layout->memory_sizes[0], 1280U * 1180);
    EXPECT_EQ(layout->planes[0].size, 128U * (9 * 1180 + 720));
    EXPECT_EQ(layout->planes[1].size, 128U * (9 * 1180 + 360));
    EXPECT_TRUE(validate(*layout));
    EXPECT_EQ(tiled_line(*tiled_twin(nc12), *layout), 1180U);
    EXPECT_EQ(tiled_rows(*tiled_twin(nc12), *layout), 720U);
    // Three pixels in four bytes: 96 pixels in a column.
    const auto deep = tiled_layout(*tiled_twin(nc30), {DRM_FORMAT_P030, 960, 720}, 1080, 720);
    ASSERT_TRUE(deep) << deep.error().message();
    EXPECT_EQ(deep->planes[0].stride, 1280U);
}

TEST(Twins, WhatIsTooShortIsRefused)
{
    const TiledTwin& tiles = *tiled_twin(V4L2_PIX_FMT_NV12_32L32);
    const TiledTwin& columns = *tiled_twin(nc12);
    EXPECT_FALSE(tiled_layout(tiles, {DRM_FORMAT_NV12, 640, 480}, 0, 480)) << "the driver says no stride";
    EXPECT_FALSE(tiled_layout(tiles, {DRM_FORMAT_NV12, 640, 480}, 639, 480));
    EXPECT_FALSE(tiled_layout(columns, {DRM_FORMAT_NV12, 640, 480}, 719, 480)) << "no room for the chroma";
    EXPECT_TRUE(tiled_layout(columns, {DRM_FORMAT_NV12, 640, 480}, 720, 480));
    EXPECT_FALSE(tiled_layout(tiles, {DRM_FORMAT_NV12, 0, 480}, 640, 480));
}

TEST(Twins, MjpgAndJpegHaveTheSameBytes)
{
    const Format mjpg = Format::v4l2(V4L2_PIX_FMT_MJPEG);
    const Format jpeg = Format::v4l2(V4L2_PIX_FMT_JPEG);
    EXPECT_TRUE(have_same_bytes(mjpg, jpeg));
    EXPECT_TRUE(have_same_bytes(jpeg, mjpg));
    EXPECT_TRUE(have_same_bytes(DRM_FORMAT_R8, format_info(fourcc_code('G', 'R', 'E', 'Y'))->format));
    EXPECT_FALSE(have_same_bytes(mjpg, Format::v4l2(V4L2_PIX_FMT_H264)));
    EXPECT_FALSE(have_same_bytes(mjpg, DRM_FORMAT_NV12));
    EXPECT_FALSE(have_same_bytes(Format::v4l2(V4L2_PIX_FMT_H264), Format::v4l2(V4L2_PIX_FMT_HEVC)));
}

class TiledPlans : public testing::Test {
protected:
    TiledPlans() { machine.add_heap("system"); }

    static std::uint32_t up(std::uint32_t value, std::uint32_t step) { return (value + step - 1) / step * step; }

    /// As cedrus_prepare_format() in cedrus_video.c.
    static void as_cedrus(v4l2_format& format)
    {
        v4l2_pix_format& pix = format.fmt.pix;
        if (pix.pixelformat != V4L2_PIX_FMT_NV12_32L32)
            return;
        pix.bytesperline = up(pix.width, 32);
        pix.sizeimage = pix.bytesperline * pix.height + pix.bytesperline * up(pix.height, 64) / 2;
    }
    /// As rpivid_prepare_dst_format() in rpivid_video.c.
    static void as_rpivid(v4l2_format& format)
    {
        v4l2_pix_format& pix = format.fmt.pix;
        pix.width = up(pix.width, 128);
        pix.bytesperline = pix.height * 3 / 2;
        pix.sizeimage = pix.bytesperline * pix.width;
    }

    fake::CodecModel& add_decoder(std::vector<std::uint32_t> raw)
    {
        return machine.add_codec("video0",
                                 {.encodes = false, .row_step = 32, .raw = std::move(raw), .distort = as_cedrus});
    }
    fake::CardModel& add_card(std::vector<std::uint64_t> tiles)
    {
        return machine.add_card("card0", {.formats = {DRM_FORMAT_NV12, DRM_FORMAT_P030}, .tiles = std::move(tiles)});
    }

    static v4l2::Device node(const char* name) { return *v4l2::Device::open(std::string("/dev/") + name); }
    static Use display() { return drm::Device::open("/dev/dri/card0")->scanout(); }
    Result<Plan> plan(std::initializer_list<Use> uses) { return Allocator().plan(request, uses); }

    void TearDown() override { EXPECT_EQ(machine.leaks(), ""); }

    fake::Machine machine;
    Request request{DRM_FORMAT_NV12, 1900, 1080};
};

TEST_F(TiledPlans, ADecoderSaysACodeAndADisplayAModifier)
{
    const fake::CodecModel& decoder = add_decoder({V4L2_PIX_FMT_NV12_32L32});
    const fake::CardModel& card = add_card({DRM_FORMAT_MOD_ALLWINNER_TILED});
    const auto made = plan({node("video0").capture(), display()});
    ASSERT_TRUE(made) << made.error().message();
    const Layout& layout = made->layout();
    EXPECT_EQ(layout.format, Format(DRM_FORMAT_NV12));
    EXPECT_EQ(layout.modifier, Modifier(DRM_FORMAT_MOD_ALLWINNER_TILED));
    EXPECT_EQ(layout.height, 1080U);
    EXPECT_EQ(layout.memory_count, 1U);
    EXPECT_EQ(layout.planes[1].offset, 1920U * 1088);
    EXPECT_GE(layout.memory_sizes[0], 1920U * 1632);
    EXPECT_EQ(card.frame.modifier, DRM_FORMAT_MOD_ALLWINNER_TILED);
    EXPECT_EQ(card.frame.pitches, (std::array<std::uint32_t, 2>{1920, 1920}));
    EXPECT_EQ(card.frame.offsets, (std::array<std::uint32_t, 2>{0, 1920 * 1088}));
    const auto queue = node("video0").open_queue(v4l2::Role::capture, layout, 2);
    ASSERT_TRUE(queue) << queue.error().message();
    EXPECT_EQ(decoder.fourcc, V4L2_PIX_FMT_NV12_32L32);
}

TEST_F(TiledPlans, ADisplayWithoutTheModifierIsNamed)
{
    add_decoder({V4L2_PIX_FMT_NV12_32L32});
    add_card({DRM_FORMAT_MOD_SAMSUNG_64_32_TILE});
    const auto made = plan({node("video0").capture(), display()});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().category, Category::incompatible);
    EXPECT_NE(made.error().message().find("the uses share no format and modifier"), std::string::npos)
        << made.error().message();
}

TEST_F(TiledPlans, WhoAsksADisplayForACodeIsToldDrmsName)
{
    add_decoder({V4L2_PIX_FMT_NV12_32L32});
    add_card({DRM_FORMAT_MOD_ALLWINNER_TILED});
    request.format = Format::v4l2(V4L2_PIX_FMT_NV12_32L32);
    const auto made = plan({node("video0").capture(), display()});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().advice,
              "ask for NV12: v4l2:ST12 is NV12 " + to_string(Modifier(DRM_FORMAT_MOD_ALLWINNER_TILED)));
    // Between queues the code passes as it is.
    EXPECT_TRUE(plan({node("video0").capture(), cpu(Access::read)}));
}

TEST_F(TiledPlans, RowsServeWhereTilesDoNot)
{
    fake::CodecModel& decoder = add_decoder({V4L2_PIX_FMT_NV12_32L32, V4L2_PIX_FMT_NV12});
    add_card({});
    const auto rows = plan({node("video0").capture(), display()});
    ASSERT_TRUE(rows) << rows.error().message();
    EXPECT_EQ(rows->layout().modifier, linear);
    ASSERT_TRUE(node("video0").open_queue(v4l2::Role::capture, rows->layout(), 1));
    EXPECT_EQ(decoder.fourcc, V4L2_PIX_FMT_NV12);
    // The CPU reads no tiles.
    const auto read = plan({node("video0").capture(), cpu(Access::read)});
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(read->layout().modifier, linear);
}

TEST_F(TiledPlans, AQueueTakesOnlyTheTilesOfItsCode)
{
    add_decoder({V4L2_PIX_FMT_NV12_32L32}).max_rows = 1088;
    const v4l2::Device decoder = node("video0");
    const auto refusal = [&](const Layout& layout) {
        const auto queue = decoder.open_queue(v4l2::Role::capture, layout, 1);
        return queue ? "" : queue.error().message();
    };
    const Layout layout = *tiled_layout(*tiled_twin(V4L2_PIX_FMT_NV12_32L32), request, 1920, 1088);
    EXPECT_EQ(refusal(layout), "");
    Layout other = layout;
    other.modifier = DRM_FORMAT_MOD_VIVANTE_TILED;
    EXPECT_NE(refusal(other).find("V4L2 has no code for NV12"), std::string::npos) << refusal(other);
    other = layout;
    other.planes[1].offset += 4096;
    other.memory_sizes[0] += 4096;
    EXPECT_NE(refusal(other).find("V4L2 puts plane 1 right behind"), std::string::npos) << refusal(other);
    other = layout;
    other.planes[0].stride = 1952;
    EXPECT_NE(refusal(other), "");
    other = *tiled_layout(*tiled_twin(V4L2_PIX_FMT_NV12_32L32), request, 1920, 1120);
    EXPECT_NE(refusal(other), "") << "the driver pads less";
}

/// The modifier has the height of the columns, which V4L2 calls bytesperline. A display lists it without.
TEST_F(TiledPlans, ColumnsOfOneHeight)
{
    fake::CodecModel& decoder = add_decoder({nc12});
    decoder.row_step = 16;
    decoder.distort = as_rpivid;
    const fake::CardModel& card = add_card({DRM_FORMAT_MOD_BROADCOM_SAND128});
    const auto made = plan({node("video0").capture(), display()});
    ASSERT_TRUE(made) << made.error().message();
    const Layout& layout = made->layout();
    EXPECT_EQ(layout.modifier, columns_of(1632));
    EXPECT_EQ(layout.planes[0].stride, 1920U);
    EXPECT_EQ(layout.planes[1].offset, 128U * 1088);
    EXPECT_EQ(layout.memory_sizes[0], 1632U * 1920);
    EXPECT_EQ(card.frame.modifier, columns_of(1632).value);
    {
        const auto queue = node("video0").open_queue(v4l2::Role::capture, layout, 1);
        ASSERT_TRUE(queue) << queue.error().message();
        EXPECT_EQ(decoder.fourcc, nc12);
    }
    // Columns of another height are another image.
    Layout higher = layout;
    higher.modifier = columns_of(1700);
    higher.memory_sizes[0] = 1700 * 1920;
    EXPECT_FALSE(node("video0").open_queue(v4l2::Role::capture, higher, 1));
    // A plan that has it already finds the display's entry.
    const auto alone = plan({node("video0").capture()});
    ASSERT_TRUE(alone) << alone.error().message();
    ASSERT_EQ(alone->layout(), layout);
    const auto both = Allocator().add(*alone, display());
    EXPECT_TRUE(both) << both.error().message();
}

TEST_F(TiledPlans, APlaneShowsColumnsOfEveryHeight)
{
    drm::DisplayPlane plane;
    plane.formats = {{DRM_FORMAT_NV12, DRM_FORMAT_MOD_BROADCOM_SAND128}};
    EXPECT_TRUE(plane.shows(DRM_FORMAT_NV12, columns_of(1632)));
    EXPECT_TRUE(plane.shows(DRM_FORMAT_NV12, DRM_FORMAT_MOD_BROADCOM_SAND128));
    EXPECT_FALSE(plane.shows(DRM_FORMAT_P030, columns_of(1632)));
    EXPECT_FALSE(plane.shows(DRM_FORMAT_NV12, DRM_FORMAT_MOD_BROADCOM_SAND256 | 1632U << 8U));
    EXPECT_FALSE(plane.shows(DRM_FORMAT_NV12, linear));
}

TEST_F(TiledPlans, TwoMemoriesThatAModifierStandsFor)
{
    machine.add_planar("video0", {.formats = {V4L2_PIX_FMT_MM21}});
    const fake::CardModel& card = add_card({mtk_16l_32s_tile});
    request = {DRM_FORMAT_NV12, 640, 480};
    const auto made = plan({node("video0").capture(), display()});
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(made->layout().modifier, Modifier(mtk_16l_32s_tile));
    EXPECT_EQ(made->layout().memory_count, 2U);
    EXPECT_EQ(made->layout().memory_sizes[1], 640U * 240);
    EXPECT_TRUE(card.frame.two_memories);
    EXPECT_EQ(card.frame.offsets, (std::array<std::uint32_t, 2>{0, 0}));
}

/// What a converter reads has whole tiles, and it is told which part is picture.
TEST_F(TiledPlans, AReaderOfTilesIsToldWhichPartIsPicture)
{
    add_decoder({V4L2_PIX_FMT_NV12});
    const fake::PlanarModel& reader =
        machine.add_planar("video1", {.output = true, .formats = {V4L2_PIX_FMT_MM21}, .row_step = 32});
    request = {DRM_FORMAT_NV12, 640, 470};
    const auto made = plan({node("video1").output()});
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(made->layout().height, 470U);
    EXPECT_EQ(made->layout().planes[0].size, 640U * 480);
    const auto queue = node("video1").open_queue(v4l2::Role::output, made->layout(), 1);
    ASSERT_TRUE(queue) << queue.error().message();
    EXPECT_EQ(reader.height, 480U);
    EXPECT_EQ(reader.crop_height, 470U);
    EXPECT_FALSE(plan({node("video0").capture(), node("video1").output()})) << "one has rows, the other tiles";
}

TEST_F(TiledPlans, ASourceChangeSaysWhatAPlanCanUse)
{
    fake::CodecModel& model = add_decoder({V4L2_PIX_FMT_NV12_32L32});
    model.changes = 1;
    add_card({DRM_FORMAT_MOD_ALLWINNER_TILED});
    v4l2::M2m decoder = *v4l2::M2m::open("/dev/video0");
    ASSERT_TRUE(decoder.open_output(*opaque_layout({Format::v4l2(V4L2_PIX_FMT_FWHT), 64, 32}, 0, 8192), 2));
    const auto change = *decoder.pop_source_change();
    ASSERT_TRUE(change);
    EXPECT_EQ(change->format, Format(DRM_FORMAT_NV12));
    request = {change->format, change->width, change->height};
    EXPECT_TRUE(plan({decoder.capture(), display()}));
}

TEST_F(TiledPlans, TwoMemoriesThatNoModifierStandsForPassAsTheDriverSays)
{
    machine.add_planar("video0", {.formats = {mt2t}});
    const fake::PlanarModel& reader = machine.add_planar("video1", {.output = true, .formats = {mt2t}});
    add_card({});
    request = {Format::v4l2(mt2t), 640, 480};
    const auto made = plan({node("video0").capture(), node("video1").output(), cpu(Access::read)});
    ASSERT_TRUE(made) << made.error().message();
    const Layout& layout = made->layout();
    EXPECT_EQ(layout.format, Format::v4l2(mt2t));
    EXPECT_EQ(layout.modifier, implicit_modifier);
    EXPECT_EQ(layout.memory_count, 2U);
    EXPECT_EQ(layout.planes[1], (Plane{1, 640, 0, 640 * 240}));
    EXPECT_EQ(layout.memory_sizes[0], 640U * 480);
    EXPECT_TRUE(validate(layout));
    const auto queue = node("video1").open_queue(v4l2::Role::output, layout, 1);
    ASSERT_TRUE(queue) << queue.error().message();
    EXPECT_EQ(reader.fourcc, mt2t);
    EXPECT_FALSE(plan({node("video0").capture(), display()})) << "only drivers know what is in it";
}

TEST_F(TiledPlans, LinesAroundAPictureAreNotTilesOfTheirOwn)
{
    machine.add_planar("video0", {.formats = {V4L2_PIX_FMT_MM21}});
    request = {DRM_FORMAT_NV12, 640, 480};
    request.lines_before = 32;
    const auto made = plan({node("video0").capture()});
    ASSERT_FALSE(made);
    EXPECT_NE(made.error().message().find("lines around a picture cannot be told from it in the tiles of"),
              std::string::npos)
        << made.error().message();
}

TEST_F(TiledPlans, MoreMemoriesThanALayoutHasAreRefused)
{
    machine.add_planar("video0", {.formats = {mt2t}, .memories = max_planes + 1});
    request = {Format::v4l2(mt2t), 640, 480};
    const auto made = plan({node("video0").capture()});
    ASSERT_FALSE(made);
    EXPECT_NE(made.error().message().find("the driver sets v4l2:MT2T in 5"), std::string::npos)
        << made.error().message();
}

TEST_F(TiledPlans, ABufferOfJpegIsOneOfMjpg)
{
    const auto compressed = [](v4l2_format& format) { format.fmt.pix.bytesperline = 0; };
    const fake::CameraModel& camera =
        machine.add_camera("video0", {.distort = compressed, .formats = {V4L2_PIX_FMT_MJPEG}});
    const fake::CameraModel& decoder =
        machine.add_camera("video1", {.output = true, .distort = compressed, .formats = {V4L2_PIX_FMT_JPEG}});
    request = {Format::v4l2(V4L2_PIX_FMT_JPEG), 640, 480};
    const auto made = plan({node("video0").capture(), node("video1").output()});
    ASSERT_TRUE(made) << made.error().message();
    Layout mjpg = made->layout();
    mjpg.format = Format::v4l2(V4L2_PIX_FMT_MJPEG);
    auto from = node("video0").open_queue(v4l2::Role::capture, mjpg, 1);
    auto to = node("video1").open_queue(v4l2::Role::output, made->layout(), 1);
    ASSERT_TRUE(from && to);
    EXPECT_EQ(camera.fourcc, V4L2_PIX_FMT_MJPEG);
    EXPECT_EQ(decoder.fourcc, V4L2_PIX_FMT_JPEG);
    const auto buffer = made->allocate();
    ASSERT_TRUE(buffer) << buffer.error().message();
    const Status filled = from->queue(*buffer);
    EXPECT_TRUE(filled) << filled.error().message();
}

} // namespace
} // namespace commonbuf
