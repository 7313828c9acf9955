// SPDX-License-Identifier: MIT
//
// What other programs call a dma-buf image: each way there and back, and what nonsense becomes.
#include "fake/machine.hpp"

#include <commonbuf/commonbuf.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>
#if __has_include(<gbm.h>)
#include <gbm.h>
#endif
#if __has_include(<libavutil/hwcontext_drm.h>)
extern "C" {
#include <libavutil/hwcontext_drm.h>
}
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace commonbuf::adapters {
namespace {

#if __has_include(<gbm.h>)
static_assert(sizeof(GbmImport) == sizeof(gbm_import_fd_modifier_data));
static_assert(offsetof(GbmImport, strides) == offsetof(gbm_import_fd_modifier_data, strides));
static_assert(offsetof(GbmImport, modifier) == offsetof(gbm_import_fd_modifier_data, modifier));
#endif
#if __has_include(<libavutil/hwcontext_drm.h>)
static_assert(sizeof(DrmFrame) == sizeof(AVDRMFrameDescriptor));
static_assert(offsetof(DrmFrame, layers) == offsetof(AVDRMFrameDescriptor, layers));
static_assert(offsetof(DrmObject, format_modifier) == offsetof(AVDRMObjectDescriptor, format_modifier));
static_assert(offsetof(DrmLayer, planes) == offsetof(AVDRMLayerDescriptor, planes));
#endif
static_assert(sizeof(FeedbackEntry) == 16, "the protocol says so");

class AdaptersTest : public testing::Test {
protected:
    fake::Machine machine;

    Buffer make(const Layout& layout)
    {
        std::vector<UniqueFd> memories;
        for (const std::uint64_t size : layout.used_memories())
            memories.emplace_back(machine.add_dma_buf(size));
        return Buffer::wrap(layout, std::move(memories)).value();
    }

    /// One memory, two memories, and tiles with tables.
    std::vector<Layout> layouts() const
    {
        Layout tiles;
        tiles.format = DRM_FORMAT_XRGB8888;
        tiles.modifier = I915_FORMAT_MOD_Y_TILED_CCS;
        tiles.width = 200;
        tiles.height = 16;
        tiles.plane_count = 2;
        tiles.memory_count = 1;
        tiles.planes[0] = {0, 1024, 0, 16384};
        tiles.planes[1] = {0, 128, 16384, 4096};
        tiles.memory_sizes[0] = 20480;
        // The last row ends before its stride does not, so that sizes come back as they were.
        return {*linear_layout({DRM_FORMAT_NV12, 64, 32}, 128, Memories::single),
                *linear_layout({DRM_FORMAT_NV12, 64, 32}, 128, Memories::per_plane),
                *linear_layout({DRM_FORMAT_YUV420, 64, 32}, 64, Memories::single), tiles};
    }

    /// Whether what came back is the same image in the same memory.
    static void expect_same(const Result<ForeignBuffer>& back, const Buffer& buffer)
    {
        ASSERT_TRUE(back) << back.error().message();
        auto foreign = ForeignBuffer{back->layout, {}};
        for (const UniqueFd& memory : back->memories)
            foreign.memories.push_back(memory.dup().value());
        const auto admitted = admit(std::move(foreign));
        ASSERT_TRUE(admitted) << admitted.error().message();
        EXPECT_EQ(admitted->layout(), buffer.layout());
        EXPECT_EQ(admitted->id(), buffer.id());
    }

    void TearDown() override { EXPECT_EQ(machine.leaks(), ""); }
};

TEST_F(AdaptersTest, EachWayThereLeadsBack)
{
    for (const Layout& layout : layouts()) {
        SCOPED_TRACE(to_string(layout));
        const Buffer buffer = make(layout);
        expect_same(from_linux_dmabuf(to_linux_dmabuf(buffer).value()), buffer);
        expect_same(from_egl(to_egl(buffer).value()), buffer);
        expect_same(from_gbm(to_gbm(buffer).value()), buffer);
        expect_same(from_spa(to_spa(buffer).value(), {layout.format, layout.modifier}, layout.width, layout.height),
                    buffer);
        expect_same(from_drm_frame(to_drm_frame(buffer).value(), layout.width, layout.height), buffer);
    }
}

TEST_F(AdaptersTest, LayersAreThePlanesOfOneImage)
{
    const Buffer buffer = make(layouts()[0]);
    DrmFrame frame = to_drm_frame(buffer).value();
    frame.nb_layers = 2;
    frame.layers[1] = {DRM_FORMAT_GR88, 1, {frame.layers[0].planes[1]}};
    frame.layers[0] = {DRM_FORMAT_R8, 1, {frame.layers[0].planes[0]}};
    expect_same(from_drm_frame(frame, 64, 32, DRM_FORMAT_NV12), buffer);
    EXPECT_EQ(from_drm_frame(frame, 64, 32).error().category, Category::invalid_argument) << "nobody said of which";
}

TEST_F(AdaptersTest, EglLeavesAnImplicitModifierOut)
{
    Layout layout = layouts()[0];
    layout.modifier = implicit_modifier;
    const Buffer buffer = make(layout);
    const auto list = to_egl(buffer).value();
    EXPECT_EQ(std::count(list.begin(), list.end(), 0x3443), 0);
    const auto back = from_egl(list);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->layout.modifier, implicit_modifier);
}

TEST_F(AdaptersTest, WhatTheyCannotSayIsRefused)
{
    const Buffer jpeg = make(*opaque_layout({Format::v4l2(V4L2_PIX_FMT_MJPEG), 64, 32}, 0, 9000));
    std::vector<std::byte> own(layouts()[0].memory_sizes[0]);
    const Buffer program = Buffer::from_memory(layouts()[0], own).value();
    for (const Buffer& buffer : {jpeg, program}) {
        EXPECT_EQ(to_linux_dmabuf(buffer).error().category, Category::unsupported);
        EXPECT_EQ(to_egl(buffer).error().category, Category::unsupported);
        EXPECT_EQ(to_gbm(buffer).error().category, Category::unsupported);
        EXPECT_EQ(to_spa(buffer).error().category, Category::unsupported);
        EXPECT_EQ(to_drm_frame(buffer).error().category, Category::unsupported);
    }
}

TEST_F(AdaptersTest, NonsenseIsRefusedAndNothingStaysOpen)
{
    const Buffer buffer = make(layouts()[0]);
    const UniqueFd file(machine.memfd_create("x", 0));
    const std::size_t open = machine.open_descriptors();
    // By the reader, or by the door behind it.
    const auto refused = [&](Result<ForeignBuffer> answer) {
        if (answer) {
            EXPECT_FALSE(admit(std::move(*answer)));
        }
        EXPECT_EQ(machine.open_descriptors(), open);
    };
    const LinuxDmabuf dmabuf = to_linux_dmabuf(buffer).value();
    const std::vector<std::function<void(LinuxDmabuf&)>> wayland{
        [](auto& i) { i.width = 0; },
        [](auto& i) { i.height = -1; },
        [](auto& i) { i.flags = 1; },
        [](auto& i) { i.planes.clear(); },
        [](auto& i) { i.planes[1].plane_idx = 0; },
        [](auto& i) { i.planes[1].plane_idx = 2; },
        [](auto& i) { i.planes[1].plane_idx = UINT32_MAX; },
        [](auto& i) { i.planes[1].modifier_lo ^= 1; },
        [](auto& i) { i.planes[0].fd = -1; },
        [&](auto& i) { i.planes[0].fd = file.get(); },
        [](auto& i) { i.planes.resize(5, i.planes[0]); },
        [](auto& i) { i.format = 0x01020304; },
    };
    for (const auto& lie : wayland) {
        LinuxDmabuf image = dmabuf;
        lie(image);
        refused(from_linux_dmabuf(image));
    }
    const DrmFrame frame = to_drm_frame(buffer).value();
    const std::vector<std::function<void(DrmFrame&)>> av{
        [](auto& f) { f.nb_objects = 0; },
        [](auto& f) { f.nb_objects = 5; },
        [](auto& f) { f.nb_objects = -1; },
        [](auto& f) { f.nb_layers = 0; },
        [](auto& f) { f.nb_layers = INT32_MAX; },
        [](auto& f) { f.layers[0].nb_planes = 5; },
        [](auto& f) { f.layers[0].nb_planes = -1; },
        [](auto& f) { f.layers[0].planes[1].object_index = 1; },
        [](auto& f) { f.layers[0].planes[1].object_index = -1; },
        [](auto& f) { f.layers[0].planes[0].offset = -1; },
        [](auto& f) { f.layers[0].planes[0].pitch = -1; },
        [](auto& f) { f.layers[0].planes[0].pitch = PTRDIFF_MAX; },
        [](auto& f) { f.objects[0].fd = -1; },
    };
    for (const auto& lie : av) {
        DrmFrame wrong = frame;
        lie(wrong);
        refused(from_drm_frame(wrong, 64, 32));
    }
    const GbmImport gbm = to_gbm(buffer).value();
    const std::vector<std::function<void(GbmImport&)>> imports{
        [](auto& i) { i.num_fds = 0; },     [](auto& i) { i.num_fds = 5; }, [](auto& i) { i.strides[0] = -1; },
        [](auto& i) { i.offsets[1] = -1; }, [](auto& i) { i.fds[1] = -1; }, [&](auto& i) { i.fds[1] = file.get(); },
    };
    for (const auto& lie : imports) {
        GbmImport wrong = gbm;
        lie(wrong);
        refused(from_gbm(wrong));
    }
    const auto attributes = to_egl(buffer).value();
    for (std::size_t size = 0; size + 1 < attributes.size(); ++size)
        refused(from_egl(std::span(attributes).first(size)));
    auto half = attributes;
    half.erase(half.end() - 3, half.end() - 1);
    refused(from_egl(half));
    std::vector<SpaPlane> spa = to_spa(buffer).value();
    spa[0].chunk_stride = -1;
    refused(from_spa(spa, {DRM_FORMAT_NV12, linear}, 64, 32));
    spa[0].chunk_stride = 128;
    spa[0].fd = std::int64_t{1} << 40;
    refused(from_spa(spa, {DRM_FORMAT_NV12, linear}, 64, 32));
}

TEST(Feedback, EachFormatStandsOnceAndTranchesKeepTheirOrder)
{
    const FormatModifier tiled{DRM_FORMAT_XRGB8888, I915_FORMAT_MOD_X_TILED};
    const FormatModifier rows{DRM_FORMAT_XRGB8888, linear};
    const FormatModifier yuv{DRM_FORMAT_NV12, linear};
    const std::vector<FeedbackSource> sources{{7, 1, {tiled, rows}}, {9, 0, {yuv, rows, tiled, yuv}}};
    const auto feedback = to_feedback(9, sources);
    ASSERT_TRUE(feedback);
    EXPECT_EQ(feedback->main_device, 9U);
    EXPECT_EQ(feedback->table.size(), 3U);
    ASSERT_EQ(feedback->tranches.size(), 2U);
    EXPECT_EQ(feedback->tranches[0].indices, (std::vector<std::uint16_t>{0, 1}));
    EXPECT_EQ(feedback->tranches[1].indices, (std::vector<std::uint16_t>{2, 1, 0}));
    const auto back = from_feedback(*feedback);
    ASSERT_TRUE(back);
    EXPECT_EQ((*back)[0].formats, sources[0].formats);
    EXPECT_EQ((*back)[0].flags, 1U);
    auto wrong = *feedback;
    wrong.tranches[0].indices = {3};
    EXPECT_EQ(from_feedback(wrong).error().category, Category::invalid_argument);
}

#ifdef COMMONBUF_HAVE_V4L2
TEST(Colours, GoToV4l2AndBack)
{
    for (const v4l2::Colorimetry& known : {v4l2::Colorimetry{V4L2_COLORSPACE_REC709, V4L2_XFER_FUNC_709,
                                                             V4L2_YCBCR_ENC_709, V4L2_QUANTIZATION_LIM_RANGE},
                                           v4l2::Colorimetry{V4L2_COLORSPACE_BT2020, V4L2_XFER_FUNC_SMPTE2084,
                                                             V4L2_YCBCR_ENC_BT2020, V4L2_QUANTIZATION_LIM_RANGE},
                                           v4l2::Colorimetry{V4L2_COLORSPACE_SRGB, V4L2_XFER_FUNC_SRGB,
                                                             V4L2_YCBCR_ENC_601, V4L2_QUANTIZATION_FULL_RANGE}})
        EXPECT_EQ(v4l2::to_colorimetry(v4l2::to_colour(known, false)), known);
    // What V4L2 leaves to defaults has a meaning.
    const Colour smpte = v4l2::to_colour({.colorspace = V4L2_COLORSPACE_SMPTE170M}, false);
    EXPECT_EQ(smpte, (Colour{6, 1, 6, false, 255}));
    EXPECT_TRUE(v4l2::to_colour({.colorspace = V4L2_COLORSPACE_SRGB}, true).full_range);
    EXPECT_EQ(v4l2::to_colour({}, false), Colour());
    EXPECT_EQ(v4l2::to_colorimetry({}), (v4l2::Colorimetry{0, 0, 0, V4L2_QUANTIZATION_LIM_RANGE}));
}
#endif

} // namespace
} // namespace commonbuf::adapters
