// SPDX-License-Identifier: MIT
//
// Proof by content of devices that the fake kernel models: what it says of memory, of pictures that change by
// themselves, and of pixels that only a driver can find.
#include "fake/machine.hpp"

#include <commonbuf/commonbuf.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/dma-buf.h>
#include <linux/videodev2.h>

#include <algorithm>
#include <cstring>

namespace commonbuf {
namespace {

using namespace std::chrono_literals;

class VerificationTest : public testing::Test {
protected:
    fake::Machine machine;

    VerificationTest() { machine.add_heap("system"); }

    /// Buffers over fresh memory, all of whose bytes are `value`.
    std::vector<Buffer> make(const Layout& layout, std::byte value)
    {
        std::vector<Buffer> buffers;
        for (int i = 0; i < 4; ++i) {
            std::vector<UniqueFd> memories;
            for (const std::uint64_t size : layout.used_memories()) {
                memories.emplace_back(machine.add_dma_buf(size));
                std::ranges::fill(machine.dma_buf(memories.back().get())->content(), value);
            }
            buffers.push_back(Buffer::wrap(layout, std::move(memories)).value());
        }
        return buffers;
    }

    Content check(const Use& use, const Layout& layout)
    {
        const auto content = verify(use, make(layout, std::byte{0xa5}), 8, deadline_in(1s));
        return content ? *content : Content{.result = Sameness::failed, .reason = content.error().message()};
    }

    void TearDown() override { EXPECT_EQ(machine.leaks(), ""); }
};

/// A camera whose plan is on the only heap that there is, beside scarce memory.
class CameraContent : public VerificationTest {
protected:
    fake::CameraModel& camera = machine.add_camera("video0", {.exports = true, .formats = {V4L2_PIX_FMT_XBGR32}});
    Allocator allocator;

    CameraContent() { machine.add_heap("region", {.contiguous = true}); }

    void TearDown() override
    {
        allocator = Allocator(); // it keeps heaps open
        VerificationTest::TearDown();
    }

    static Use capture() { return v4l2::Device::open("/dev/video0")->capture(); }
    Result<Plan> plan(const Request& request) { return allocator.plan(request, {capture()}); }

    Content verified(const Request& request)
    {
        const auto made = plan(request);
        const auto answer = allocator.verify(*made, {capture()}, {.frames = 8, .deadline = deadline_in(1s)});
        return answer ? answer->uses.at(0).content : Content{.reason = answer.error().message()};
    }
};

TEST_F(CameraContent, APictureThatChangesNowAndThenIsNoRefusalOfMemory)
{
    const Request request{DRM_FORMAT_XRGB8888, 64, 32};
    ASSERT_EQ(plan(request)->chosen().heap.name, "system");
    // It stands still for as long as it takes to find that out, and for two frames more.
    camera.draw = [](std::span<std::byte> memory, std::uint32_t frame, bool) {
        std::ranges::fill(memory, frame % 5 == 4 ? std::byte{2} : std::byte{1});
    };
    const Content content = verified(request);
    EXPECT_EQ(content.result, Sameness::not_checked);
    EXPECT_NE(content.reason.find("its picture changes now and then"), std::string::npos) << content.reason;
    EXPECT_EQ(plan(request)->chosen().heap.name, "system");
}

TEST_F(CameraContent, MemoryWithAnotherPictureIsRefused)
{
    const Request request{DRM_FORMAT_XRGB8888, 64, 48};
    ASSERT_EQ(plan(request)->chosen().heap.name, "system");
    camera.draw = [](std::span<std::byte> memory, std::uint32_t frame, bool own) {
        std::ranges::fill(memory, !own && frame % 5 == 4 ? std::byte{2} : std::byte{1});
    };
    const Content content = verified(request);
    EXPECT_EQ(content.result, Sameness::different) << content.reason;
    EXPECT_EQ(plan(request)->chosen().heap.name, "region");
}

TEST_F(CameraContent, APictureThatStandsStillIsCompared)
{
    const Request request{DRM_FORMAT_XRGB8888, 64, 40};
    camera.draw = [](std::span<std::byte> memory, std::uint32_t, bool) { std::ranges::fill(memory, std::byte{1}); };
    const Content content = verified(request);
    EXPECT_EQ(content.result, Sameness::same) << content.reason;
    EXPECT_EQ(content.frames, 8U);
}

/// Of a compressed frame nobody knows which bytes count; to compare nothing is no proof.
TEST_F(VerificationTest, FramesWithoutRowsAreNotCompared)
{
    const auto compressed = [](v4l2_format& format) {
        format.fmt.pix.bytesperline = 0;
        format.fmt.pix.sizeimage = 4096;
    };
    machine.add_camera("video0", {.exports = true, .distort = compressed, .formats = {V4L2_PIX_FMT_MJPEG}});
    const auto device = v4l2::Device::open("/dev/video0");
    ASSERT_TRUE(device);
    const Content content =
        check(device->capture(), *opaque_layout({Format::v4l2(V4L2_PIX_FMT_MJPEG), 640, 480}, 0, 4096));
    EXPECT_EQ(content.result, Sameness::not_checked);
    EXPECT_NE(content.reason.find("which bytes"), std::string::npos) << content.reason;
}

/// Encoders read whole blocks. What lies beyond the picture is not the picture's, whatever was there before.
TEST_F(VerificationTest, WhatWasLeftBesideAPictureIsNoWorkOfItsMemory)
{
    // 30 rows of picture in 32 of luma, 15 in 16 of chroma.
    fake::CodecModel& codec = machine.add_codec("video0", {.row_step = 16, .exports = true});
    bool tells_apart = false;
    codec.convert = [&tells_apart, turn = 0U](std::span<const std::byte> from, std::span<std::byte> to) mutable {
        std::uint32_t sum = tells_apart ? ++turn : 0;
        for (const std::byte byte : from)
            sum = sum * 31 + std::to_integer<std::uint32_t>(byte);
        std::memcpy(to.data(), &sum, sizeof sum);
        return static_cast<std::uint32_t>(sizeof sum);
    };
    const auto device = v4l2::Device::open("/dev/video0");
    ASSERT_TRUE(device);
    const Layout layout = *linear_layout({DRM_FORMAT_NV12, 64, 30}, 64, Memories::single, 32);
    Content content = check(device->output(), layout);
    EXPECT_EQ(content.result, Sameness::same) << content.reason;
    EXPECT_EQ(content.frames, 8U);
    tells_apart = true;
    content = check(device->output(), layout);
    EXPECT_EQ(content.result, Sameness::different) << content.reason;
}

class TilesContent : public VerificationTest {
protected:
    static constexpr Modifier tiles = DRM_FORMAT_MOD_ALLWINNER_TILED;

    /// NV12 in tiles, as it would be if the rows were linear.
    static Layout layout()
    {
        Layout made = *linear_layout({DRM_FORMAT_NV12, 64, 32}, 64, Memories::single);
        made.modifier = tiles;
        return made;
    }

    static void expect_not_checked(const Content& content)
    {
        EXPECT_EQ(content.result, Sameness::not_checked);
        EXPECT_NE(content.reason.find("the CPU cannot read the tiles of " + to_string(tiles)), std::string::npos)
            << content.reason;
    }
};

TEST_F(TilesContent, OfADisplayAreNotDrawnAsRows)
{
    auto& card = machine.add_card("card0", {.formats = {DRM_FORMAT_NV12}, .tiles = {tiles.value}});
    card.display.present = true;
    const auto device = drm::Device::open("/dev/dri/card0");
    ASSERT_TRUE(device);
    expect_not_checked(check(device->scanout(), layout()));
    EXPECT_TRUE(card.display.commits.empty()) << "nothing was shown for it";
    Layout implicit = layout();
    implicit.modifier = implicit_modifier;
    const Content content = check(device->scanout(), implicit);
    EXPECT_EQ(content.result, Sameness::not_checked);
    EXPECT_NE(content.reason.find("only a driver knows where the pixels"), std::string::npos) << content.reason;
}

TEST_F(TilesContent, OfADecoderAreNotReadAsRows)
{
    machine.add_codec("video0", {.encodes = false, .raw = {V4L2_PIX_FMT_NV12_32L32}, .exports = true});
    const auto device = v4l2::Device::open("/dev/video0");
    ASSERT_TRUE(device);
    expect_not_checked(check(device->capture(), layout()));
}

/// To the CPU they are bytes, which is all that its check is about.
TEST_F(TilesContent, AreBytesToTheCpu)
{
    for (const Layout& each : {layout(), *opaque_layout({Format::v4l2(V4L2_PIX_FMT_FWHT), 64, 32}, 0, 8192)}) {
        const Content content = check(cpu(Access::read_write), each);
        EXPECT_EQ(content.result, Sameness::same) << content.reason;
        EXPECT_EQ(content.frames, 8U);
    }
}

TEST_F(TilesContent, ThatTheCpuDoesNotFindAgainAreDifferent)
{
    const Layout opaque = *opaque_layout({Format::v4l2(V4L2_PIX_FMT_FWHT), 64, 32}, 0, 8192);
    const auto buffers = make(opaque, std::byte{0});
    for (const Buffer& buffer : buffers) {
        fake::DmaBuf& memory = *machine.dma_buf(buffer.dma_buf_fd());
        memory.synced = [&memory](std::uint64_t flags) {
            if ((flags & DMA_BUF_SYNC_END) != 0)
                memory.content()[100] ^= std::byte{1};
        };
    }
    const auto content = verify(cpu(Access::read_write), buffers, 8, deadline_in(1s));
    ASSERT_TRUE(content) << content.error().message();
    EXPECT_EQ(content->result, Sameness::different);
    EXPECT_EQ(content->first->byte, 100U);
}

} // namespace
} // namespace commonbuf
