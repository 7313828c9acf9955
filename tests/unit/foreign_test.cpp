// SPDX-License-Identifier: MIT
//
// The door for what comes from another process: every lie with its reason, and honest buffers beside them.
#include "format/twins.hpp"
#include "fake/machine.hpp"
#include "os/os.hpp"

#include <commonbuf/commonbuf.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>

#include <cerrno>
#include <functional>
#include <string>
#include <vector>

namespace commonbuf {
namespace {

class ForeignTest : public testing::Test {
protected:
    fake::Machine machine;
    Layout nv12 = *linear_layout({DRM_FORMAT_NV12, 63, 31}, 64, Memories::single);

    /// dma-bufs as large as the layout says.
    std::vector<UniqueFd> memories(const Layout& layout)
    {
        std::vector<UniqueFd> all;
        for (const std::uint64_t size : layout.used_memories())
            all.emplace_back(machine.add_dma_buf(size));
        return all;
    }

    /// The layout with real memories for `truth`, after somebody lied about it.
    Result<Buffer> admit_lie(const Layout& truth, const std::function<void(Layout&)>& lie,
                             const ForeignLimits& limits = {})
    {
        Layout layout = truth;
        lie(layout);
        return admit({layout, memories(truth)}, limits);
    }

    void expect_refused(const Result<Buffer>& answer, const std::string& words,
                        Category category = Category::invalid_argument)
    {
        ASSERT_FALSE(answer) << words;
        EXPECT_EQ(answer.error().category, category) << answer.error().message();
        EXPECT_NE(answer.error().message().find(words), std::string::npos) << answer.error().message();
        EXPECT_EQ(machine.open_descriptors(), 0U) << "the descriptors of a lie are closed: " << words;
    }

    /// X-tiled, with room for 4 tiles of 512 bytes and 8 rows.
    static Layout tiled()
    {
        Layout layout;
        layout.format = DRM_FORMAT_XRGB8888;
        layout.modifier = I915_FORMAT_MOD_X_TILED;
        layout.width = 200;
        layout.height = 16;
        layout.plane_count = layout.memory_count = 1;
        layout.planes[0] = {0, 1024, 0, 16384};
        layout.memory_sizes[0] = 16384;
        return layout;
    }

    /// The same with the tables of its compression behind it.
    static Layout compressed()
    {
        Layout layout = tiled();
        layout.modifier = I915_FORMAT_MOD_Y_TILED_CCS;
        layout.plane_count = 2;
        layout.planes[1] = {0, 128, 16384, 4096};
        layout.memory_sizes[0] = 20480;
        return layout;
    }

    void TearDown() override { EXPECT_EQ(machine.leaks(), ""); }
};

TEST_F(ForeignTest, HonestBuffersComeIn)
{
    for (const Layout& layout : {nv12, *linear_layout({DRM_FORMAT_NV12, 63, 31}, 64, Memories::per_plane), tiled(),
                                 compressed(), *opaque_layout({Format::v4l2(V4L2_PIX_FMT_MJPEG), 64, 32}, 0, 9000)}) {
        const auto buffer = admit({layout, memories(layout)});
        ASSERT_TRUE(buffer) << to_string(layout) << ": " << buffer.error().message();
        EXPECT_EQ(buffer->layout(), layout);
    }
}

TEST_F(ForeignTest, ColumnsHoldTheRowsOfBothPlanes)
{
    const Arrangement way{DRM_FORMAT_NV12, DRM_FORMAT_MOD_BROADCOM_SAND128, Memories::single};
    const Layout sand = *tiled_layout(*tiled_twin(way), {DRM_FORMAT_NV12, 300, 32}, 48, 32);
    EXPECT_TRUE(admit({sand, memories(sand)}));
    const std::vector<std::pair<std::string, std::function<void(Layout&)>>> lies{
        {"on top of each other", [](Layout& l) { l.planes[1].offset -= 128; }},
        {"on top of each other", [](Layout& l) { l.planes[0].offset = 128; }},
        // 32 rows of luma and 16 of chroma, and the columns are 48 rows high.
        {"does not fit into its columns", [](Layout& l) { l.modifier = l.modifier.value - (std::uint64_t{1} << 8U); }},
        {"does not fit into its columns", [](Layout& l) { l.planes[1].size -= 128; }},
    };
    for (const auto& [words, lie] : lies)
        expect_refused(admit_lie(sand, lie), words);
}

TEST_F(ForeignTest, EachLieAboutRowsHasItsReason)
{
    const std::vector<std::pair<std::string, std::function<void(Layout&)>>> lies{
        {"no pixels", [](Layout& l) { l.width = 0; }},
        {"no pixels", [](Layout& l) { l.height = 0; }},
        {"stride", [](Layout& l) { l.planes[0].stride = 62; }},
        // 63 columns of chroma in pairs are 32 pairs of 2 bytes: rounded down they would pass.
        {"stride of 63, and a row needs 64", [](Layout& l) { l.planes[1].stride = 63; }},
        // And 31 rows are 16 rows of chroma.
        {"16 rows", [](Layout& l) { l.planes[1].size = 64 * 15; }},
        {"goes past", [](Layout& l) { l.planes[0].offset = l.memory_sizes[0]; }},
        {"goes past", [](Layout& l) { l.planes[1].offset = UINT64_MAX - 10; }},
        {"goes past", [](Layout& l) { l.planes[1].size = UINT64_MAX; }},
        {"goes past", [](Layout& l) { l.planes[0].offset = std::uint64_t{1} << 63; }},
        {"need more", [](Layout& l) { l.planes[0].stride = UINT32_MAX; }},
        {"on top of each other", [](Layout& l) { l.planes[1].offset = 64; }},
        {"on top of each other", [](Layout& l) { l.planes[1].offset = 0; }},
        {"memory 1 of 1", [](Layout& l) { l.planes[1].memory = 1; }},
        {"memory 4294967295 of 1", [](Layout& l) { l.planes[0].memory = UINT32_MAX; }},
        {"1 planes, and the format has 2", [](Layout& l) { l.plane_count = 1; }},
        {"3 planes, and the format has 2", [](Layout& l) { l.plane_count = 3; }},
        {"4294967295 planes", [](Layout& l) { l.plane_count = UINT32_MAX; }},
        {"2 memories, and 1 descriptors", [](Layout& l) { l.memory_count = 2; }},
        {"0 memories, and 1 descriptors", [](Layout& l) { l.memory_count = 0; }},
        {"are needed", [](Layout& l) { ++l.memory_sizes[0]; }},
        {"are needed", [](Layout& l) { l.memory_sizes[0] = UINT64_MAX; }},
        {"before the picture", [](Layout& l) { l.lines_before = 1; }},
        {"before the picture", [](Layout& l) { l.lines_before = UINT32_MAX; }},
        {"behind the picture", [](Layout& l) { l.lines_after = 1; }},
        {"behind the picture", [](Layout& l) { l.lines_after = UINT32_MAX; }},
        {"padded rows", [](Layout& l) { l.rows = 30; }},
        {"padded rows", [](Layout& l) { l.rows = UINT32_MAX; }},
        {"more than the 16384x16384", [](Layout& l) { l.width = 16385; }},
        {"more than the 16384x16384", [](Layout& l) { l.height = UINT32_MAX; }},
    };
    for (const auto& [words, lie] : lies)
        expect_refused(admit_lie(nv12, lie), words);
    expect_refused(admit_lie(nv12, [](Layout& l) { l.format = Format(0x01020304); }), "does not know",
                   Category::unsupported);
}

TEST_F(ForeignTest, EachLieAboutTilesHasItsReason)
{
    const std::vector<std::pair<std::string, std::function<void(Layout&)>>> lies{
        {"0 bytes", [](Layout& l) { l.planes[0].size = 0; }},
        {"a stride of 0", [](Layout& l) { l.planes[0].stride = 0; }},
        // 200 pixels of 4 bytes in 16 rows, however they are arranged.
        {"its pixels alone need 12800", [](Layout& l) { l.planes[0].size = 12799; }},
        {"goes past", [](Layout& l) { l.planes[0].offset = 1; }},
        {"does not lie in rows", [](Layout& l) { l.lines_after = 1; }},
        {"does not lie in rows", [](Layout& l) { l.rows = 16; }},
    };
    for (const auto& [words, lie] : lies)
        expect_refused(admit_lie(tiled(), lie), words);
    expect_refused(admit_lie(compressed(), [](Layout& l) { l.planes[1].size = 0; }), "plane 1 has 0 bytes");
    expect_refused(admit_lie(compressed(), [](Layout& l) { l.planes[1].offset = 16383; }), "on top of each other");
    expect_refused(admit_lie(compressed(), [](Layout& l) { l.planes[1].offset = 0; }), "on top of each other");
}

TEST_F(ForeignTest, TilesOfTwoDescriptorsThatAreOneMemoryMustNotOverlap)
{
    Layout layout = compressed();
    layout.memory_count = 2;
    layout.memory_sizes = {16384, 20480};
    layout.planes[1].memory = 1;
    const auto twice = [&] {
        std::vector<UniqueFd> both;
        both.emplace_back(machine.add_dma_buf(20480));
        both.push_back(duplicate(both.front().get()).value());
        return admit({layout, std::move(both)});
    };
    EXPECT_TRUE(twice());
    layout.planes[1].offset = 8192;
    expect_refused(twice(), "on top of each other");
}

TEST_F(ForeignTest, DescriptorsAreDmaBufsAndNoMoreThanAnnounced)
{
    auto more = memories(nv12);
    more.emplace_back(machine.add_dma_buf(4096));
    expect_refused(admit({nv12, std::move(more)}), "1 memories, and 2 descriptors");
    expect_refused(admit({nv12, {}}), "1 memories, and 0 descriptors");

    const std::vector<std::function<UniqueFd()>> others{
        [&] { return UniqueFd(machine.memfd_create("x", 0)); },
        [&] { return UniqueFd(machine.eventfd(0)); },
        [&] { return UniqueFd(machine.sync_file(fake::Machine::add_fence("t"))); },
        [] { return UniqueFd(); },
    };
    for (const auto& other : others) {
        std::vector<UniqueFd> one;
        one.push_back(other());
        expect_refused(admit({nv12, std::move(one)}), "is not a dma-buf");
    }
}

/// An anonymous file that answers as old kernels' dma-bufs did.
class Anonymous final : public fake::File {
public:
    int ioctl(fake::Machine&, unsigned long, void*) override
    {
        errno = EINVAL;
        return -1;
    }
    std::int64_t size() const override { return 1 << 20; }
    bool is_anonymous() const override { return true; }
};

TEST_F(ForeignTest, AnAnonymousFileIsADmaBufOnlyBeforeTheyHadAFileSystem)
{
    const auto wrap = [&] {
        std::vector<UniqueFd> one;
        one.emplace_back(machine.new_descriptor(std::make_shared<Anonymous>()));
        return admit({nv12, std::move(one)});
    };
    expect_refused(wrap(), "is not a dma-buf"); // nobody says how old the kernel is
    for (const char* recent : {"5.3.0", "6.1.0-18-amd64", "10.0"}) {
        machine.add_text("/proc/sys/kernel/osrelease", recent);
        expect_refused(wrap(), "is not a dma-buf");
    }
    for (const char* old : {"5.2.21", "4.19.0-26-amd64"}) {
        machine.add_text("/proc/sys/kernel/osrelease", old);
        EXPECT_TRUE(wrap()) << old;
    }
}

TEST_F(ForeignTest, LimitsAreTheReceivers)
{
    const auto honest = [](Layout&) {};
    expect_refused(admit_lie(nv12, honest, {.max_width = 62}), "more than the 62x16384");
    expect_refused(admit_lie(nv12, honest, {.max_height = 30}), "more than the 16384x30");
    const auto large = admit_lie(nv12, honest, {.max_bytes = 100});
    expect_refused(large, "larger than allowed");
    EXPECT_EQ(large.error().needed, nv12.memory_sizes[0]);
    EXPECT_EQ(large.error().offered, 100U);

    const ForeignLimits tiles{.accepted = {{DRM_FORMAT_XRGB8888, I915_FORMAT_MOD_X_TILED}}};
    EXPECT_TRUE(admit_lie(tiled(), honest, tiles));
    expect_refused(admit_lie(nv12, honest, tiles), "no device here accepts NV12", Category::unsupported);
    expect_refused(admit_lie(
                       tiled(), [](Layout& l) { l.modifier = I915_FORMAT_MOD_Y_TILED; }, tiles),
                   "no device here accepts", Category::unsupported);
    // A program that wraps its own has none of them.
    Layout wide = *linear_layout({DRM_FORMAT_R8, 20000, 1}, 20000, Memories::single);
    EXPECT_TRUE(Buffer::wrap(wide, memories(wide)));
}

TEST_F(ForeignTest, MemoryThatComesTwiceCountsOnce)
{
    Layout layout = *linear_layout({DRM_FORMAT_NV12, 64, 32}, 64, Memories::per_plane);
    layout.planes[1].offset = 2048;
    layout.memory_sizes[1] = 3072;
    std::vector<UniqueFd> both;
    both.emplace_back(machine.add_dma_buf(4096));
    both.push_back(duplicate(both.front().get()).value());
    EXPECT_TRUE(admit({layout, std::move(both)}, {.max_bytes = 4096}));
}

TEST_F(ForeignTest, FencesAreSyncFiles)
{
    const auto work = fake::Machine::add_fence("t");
    const auto fence = admit_fence(UniqueFd(machine.sync_file(work)));
    ASSERT_TRUE(fence) << fence.error().message();
    EXPECT_EQ(fence->known(), FenceState::pending);
    work->status = 1;
    EXPECT_TRUE(fence->signalled().value());

    const std::vector<std::function<UniqueFd()>> others{
        [&] { return UniqueFd(machine.memfd_create("x", 0)); },
        [&] { return UniqueFd(machine.add_dma_buf(4096)); },
        [&] { return UniqueFd(machine.eventfd(0)); },
        [&] { return UniqueFd(machine.new_descriptor(std::make_shared<Anonymous>())); },
        [] { return UniqueFd(); },
    };
    for (const auto& other : others) {
        const auto refused = admit_fence(other());
        ASSERT_FALSE(refused);
        EXPECT_NE(refused.error().category, Category::timed_out) << refused.error().message();
    }
    const std::size_t before = machine.count("SYNC_IOC_FILE_INFO");
    EXPECT_FALSE(admit_fence(UniqueFd(machine.memfd_create("x", 0))));
    EXPECT_EQ(machine.count("SYNC_IOC_FILE_INFO"), before) << "a file of another process could answer, or hang";
}

TEST_F(ForeignTest, AFenceThatNeverSignalsHoldsUpOnlyItsBuffer)
{
    const auto endless = admit_fence(UniqueFd(machine.sync_file(fake::Machine::add_fence("t"))));
    ASSERT_TRUE(endless);
    const Buffer theirs = admit({nv12, memories(nv12)}).value();
    const Buffer ours = admit({nv12, memories(nv12)}).value();
    ASSERT_TRUE(theirs.import_fence(*endless, Access::write));
    EXPECT_EQ(theirs.read(Deadline{}).error().category, Category::timed_out);
    EXPECT_TRUE(ours.read(Deadline{}));
}

TEST_F(ForeignTest, LayoutsAreMadeOfWhatProtocolsSay)
{
    const std::vector<std::uint64_t> sizes{65536};
    const std::vector<ForeignPlane> planes{{0, 64, 0, linear}, {0, 64, 64 * 32, linear}};
    const auto made = foreign_layout(DRM_FORMAT_NV12, 63, 31, planes, sizes);
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(made->planes[0].size, 64U * 31);
    EXPECT_EQ(made->planes[1].size, 64U * 16);
    EXPECT_EQ(made->memory_sizes[0], 64U * 48);
    std::vector<UniqueFd> one;
    one.emplace_back(machine.add_dma_buf(65536));
    EXPECT_TRUE(admit({*made, std::move(one)}));

    // Planes of tiles reach to the next one, or to the end.
    const std::vector<ForeignPlane> tiles{{0, 1024, 0, I915_FORMAT_MOD_Y_TILED_CCS},
                                          {0, 128, 16384, I915_FORMAT_MOD_Y_TILED_CCS}};
    const auto of_tiles = foreign_layout(DRM_FORMAT_XRGB8888, 200, 16, tiles, sizes);
    ASSERT_TRUE(of_tiles);
    EXPECT_EQ(of_tiles->planes[0].size, 16384U);
    EXPECT_EQ(of_tiles->planes[1].size, 65536U - 16384);

    const auto refused = [&](const std::vector<ForeignPlane>& wrong, Format format = DRM_FORMAT_NV12) {
        const auto answer = foreign_layout(format, 63, 31, wrong, sizes);
        return answer ? std::string() : answer.error().message();
    };
    EXPECT_NE(refused({{0, 64, 0, linear}, {0, 64, 2048, I915_FORMAT_MOD_X_TILED}}).find("plane 1 has the modifier"),
              std::string::npos);
    EXPECT_NE(refused({{1, 64, 0, linear}}).find("memory 1 of 1"), std::string::npos);
    EXPECT_NE(refused({{0, 64, UINT64_MAX, linear}}).find("overflows"), std::string::npos);
    EXPECT_NE(refused({}).find("0 planes"), std::string::npos);
    EXPECT_NE(refused(std::vector<ForeignPlane>(5)).find("5 planes"), std::string::npos);
    EXPECT_NE(refused(planes, Format(0x01020304)).find("does not know"), std::string::npos);
}

TEST_F(ForeignTest, WhatAllUsesAcceptIsAList)
{
    machine.add_heap("system");
    machine.add_card("card0", {.formats = {DRM_FORMAT_XRGB8888, DRM_FORMAT_NV12}});
    machine.add_camera("video0", {.formats = {V4L2_PIX_FMT_XBGR32}});
    const Use display = drm::Device::open("/dev/dri/card0")->scanout();
    const Use camera = v4l2::Device::open("/dev/video0")->capture();
    Request request{DRM_FORMAT_NV12, 64, 32};
    request.alternatives = {DRM_FORMAT_XRGB8888};
    const auto common = common_formats(std::vector{display, camera}, request);
    ASSERT_TRUE(common) << common.error().message();
    EXPECT_EQ(*common, (std::vector<FormatModifier>{{DRM_FORMAT_XRGB8888, linear}}));
    EXPECT_EQ(common_formats({}, request).error().category, Category::invalid_argument);
    EXPECT_FALSE(common_formats(std::vector{camera}, {DRM_FORMAT_NV12, 64, 32}));
}

} // namespace
} // namespace commonbuf
