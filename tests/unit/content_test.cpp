// SPDX-License-Identifier: MIT
//
// Differences between synthetic images, and what they are taken for.
#include "verify/compare.hpp"

#include <commonbuf/use.hpp>

#include <commonbuf/allocator.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

namespace commonbuf::content {
namespace {

constexpr std::byte old{0x5a};

/// An image with memory of its own, filled with the canary.
struct Image {
    explicit Image(const Layout& image_layout) : layout(image_layout)
    {
        for (std::size_t i = 0; i < layout.memory_count; ++i)
            memories[i].resize(layout.memory_sizes[i] + 8192, old);
    }

    View view()
    {
        View result{layout, {}};
        for (std::size_t i = 0; i < layout.memory_count; ++i)
            result.memories[i] = memories[i];
        return result;
    }

    /// The same memory, as another layout says.
    View as(const Layout& other)
    {
        View result = view();
        result.layout = other;
        return result;
    }

    Layout layout;
    std::array<std::vector<std::byte>, max_planes> memories;
};

class ContentTest : public testing::Test {
protected:
    static constexpr Request request{DRM_FORMAT_NV12, 320, 240};
    Layout layout = *linear_layout(request, 384, Memories::single);
    Image image{layout};
    Picture expected = picture(layout, 0);

    static Picture picture(const Layout& of, std::uint32_t frame)
    {
        Image scratch(of);
        draw(scratch.view(), frame);
        return Picture(scratch.view());
    }

    /// A device that writes by a layout of its own, and a reader that goes by ours.
    Guess written_as(const Layout& device)
    {
        Image scratch(device);
        scratch.memories[0].resize(std::max(device.total_size(), layout.total_size()) + 8192, old);
        draw(scratch.view(), 0);
        EXPECT_TRUE(compare(expected, scratch.as(layout)).first);
        return guess(expected, scratch.as(layout), old);
    }
};

TEST_F(ContentTest, TheSamePictureInTwoLayoutsIsTheSame)
{
    draw(image.view(), 0);
    EXPECT_EQ(compare(expected, image.view()).wrong_bytes, 0U);
    for (const Memories memories : {Memories::single, Memories::per_plane}) {
        Image other(*linear_layout(request, 512, memories));
        draw(other.view(), 0);
        const auto comparison = compare(expected, other.view());
        EXPECT_FALSE(comparison.first);
        EXPECT_EQ(comparison.wrong_bytes, 0U);
    }
}

TEST_F(ContentTest, EveryFrameIsAnotherPicture)
{
    EXPECT_NE(picture(layout, 0), picture(layout, 1));
    EXPECT_EQ(picture(layout, 1), picture(layout, 1));
    std::set<std::byte> values;
    for (std::uint32_t i = 0; i < 256; ++i)
        values.insert(canary(i));
    EXPECT_EQ(values.size(), 256U);
}

TEST_F(ContentTest, TheFirstWrongByteIsNamed)
{
    draw(image.view(), 0);
    image.view().row(1, 17)[33] ^= std::byte{1};
    image.view().row(1, 18)[0] ^= std::byte{1};
    const auto comparison = compare(expected, image.view());
    ASSERT_TRUE(comparison.first);
    EXPECT_EQ(comparison.wrong_bytes, 2U);
    EXPECT_EQ(comparison.first->plane, 1U);
    EXPECT_EQ(comparison.first->row, 17U);
    EXPECT_EQ(comparison.first->byte, 33U);
    EXPECT_EQ(comparison.first->expected ^ comparison.first->found, 1);
    EXPECT_EQ(guess(expected, image.view(), old).cause, Cause::unknown);

    Content content;
    add(content, 0, {});
    EXPECT_EQ(content.result, Sameness::not_checked);
    add(content, 1, comparison);
    add(content, 2, comparison);
    EXPECT_EQ(content.result, Sameness::different);
    EXPECT_EQ(content.frames, 3U);
    EXPECT_EQ(content.wrong_bytes, 4U);
    EXPECT_EQ(content.first->frame, 1U);
}

TEST_F(ContentTest, PaddingIsNotCompared)
{
    draw(image.view(), 0);
    for (std::uint32_t r = 0; r < 240; ++r)
        std::fill_n(image.memories[0].begin() + r * 384 + 320, 64, std::byte(r));
    EXPECT_EQ(compare(expected, image.view()).wrong_bytes, 0U);
}

TEST_F(ContentTest, BitsWithoutMeaningAreNotCompared)
{
    const auto text = [](Format format) {
        std::string digits;
        for (const std::uint8_t byte : meaningful_bits(format))
            digits += "0123456789abcdef"[byte >> 4U], digits += "0123456789abcdef"[byte & 15U];
        return digits;
    };
    EXPECT_EQ(text(DRM_FORMAT_XRGB8888), "ffffff00ffffff00");
    EXPECT_EQ(text(DRM_FORMAT_XBGR8888), "ffffff00ffffff00");
    EXPECT_EQ(text(DRM_FORMAT_RGBX8888), "00ffffff00ffffff");
    EXPECT_EQ(text(DRM_FORMAT_XRGB1555), "ff7fff7fff7fff7f");
    EXPECT_EQ(text(DRM_FORMAT_XRGB4444), "ff0fff0fff0fff0f");
    EXPECT_EQ(text(DRM_FORMAT_XRGB2101010), "ffffff3fffffff3f");
    EXPECT_EQ(text(DRM_FORMAT_XRGB16161616F), "ffffffffffff0000");
    EXPECT_EQ(text(DRM_FORMAT_XYUV8888), "ffffff00ffffff00");
    for (const std::uint32_t whole : {DRM_FORMAT_ARGB8888, DRM_FORMAT_RGB565, DRM_FORMAT_RGB888, DRM_FORMAT_NV12,
                                      DRM_FORMAT_YUYV, DRM_FORMAT_R8, DRM_FORMAT_P010})
        EXPECT_EQ(text(whole), "ffffffffffffffff") << to_string(Format(whole));

    const Layout packed = *linear_layout({DRM_FORMAT_XRGB8888, 64, 4}, 256, Memories::single);
    Image other(packed);
    draw(other.view(), 0);
    other.memories[0][3] ^= std::byte{0xff};
    EXPECT_EQ(compare(picture(packed, 0), other.view()).wrong_bytes, 0U);
    other.memories[0][4] ^= std::byte{0xff};
    EXPECT_EQ(compare(picture(packed, 0), other.view()).wrong_bytes, 1U);
}

TEST_F(ContentTest, AWrongStride)
{
    for (const std::uint32_t stride : {320U, 352U, 400U, 512U}) {
        const auto found = written_as(*linear_layout(request, stride, Memories::single));
        EXPECT_EQ(found.cause, Cause::stride) << stride;
        EXPECT_NE(found.reason.find(std::to_string(stride) + " bytes from row to row"), std::string::npos)
            << found.reason;
    }
}

TEST_F(ContentTest, AWrongStrideOfRowsThatAreAlike)
{
    // Bars: all rows are one.
    const auto bars = [](const View& view) {
        for (std::uint32_t plane = 0; plane < 2; ++plane)
            for (std::uint32_t r = 0; r < (plane == 0 ? 240U : 120U); ++r)
                for (std::size_t i = 0; i < 320; ++i)
                    view.row(plane, r)[i] = std::byte(16 + i / 40 * 20);
    };
    Image right(layout);
    bars(right.view());
    Image wrong(*linear_layout(request, 320, Memories::single));
    bars(wrong.view());
    wrong.memories[0].resize(right.memories[0].size(), old);
    const auto found = guess(Picture(right.view()), wrong.as(layout), old);
    EXPECT_EQ(found.cause, Cause::stride) << found.reason;
}

TEST_F(ContentTest, AWrongOffset)
{
    Layout lower = layout;
    lower.planes[1].offset += 384 * 16; // a padded height that we do not know of
    lower.memory_sizes[0] += 384 * 16;
    auto found = written_as(lower);
    EXPECT_EQ(found.cause, Cause::offset);
    EXPECT_NE(found.reason.find("plane 1 at byte 98304"), std::string::npos) << found.reason;

    lower = layout;
    lower.planes[0].offset += 64;
    lower.planes[1].offset += 64;
    lower.memory_sizes[0] += 64;
    EXPECT_EQ(written_as(lower).cause, Cause::offset);
}

TEST_F(ContentTest, ADeviceThatReadsWithAWrongStride)
{
    // What it made of our memory is what stands there at its own stride.
    draw(image.view(), 0);
    Layout device = *linear_layout(request, 320, Memories::single);
    device.planes[1].offset = layout.planes[1].offset;
    const Picture seen(image.as(device));
    const auto found = guess(seen, image.view(), std::nullopt);
    EXPECT_EQ(found.cause, Cause::stride);
    EXPECT_NE(found.reason.find("320 bytes from row to row"), std::string::npos) << found.reason;
}

TEST_F(ContentTest, NothingWritten)
{
    EXPECT_EQ(compare(expected, image.view()).first->row, 0U);
    EXPECT_EQ(guess(expected, image.view(), old).cause, Cause::nothing_written);
}

TEST_F(ContentTest, AnAddressLimit)
{
    draw(image.view(), 0);
    std::fill(image.memories[0].begin() + 5 * 4096, image.memories[0].end(), old);
    const auto found = guess(expected, image.view(), old);
    EXPECT_EQ(found.cause, Cause::address_limit);
    EXPECT_NE(found.reason.find("the page at 20480"), std::string::npos) << found.reason;
}

TEST_F(ContentTest, StaleCacheLines)
{
    draw(image.view(), 0);
    for (std::size_t line : {3U, 40U, 41U, 700U, 1100U})
        std::fill_n(image.memories[0].begin() + static_cast<std::ptrdiff_t>(line * 64), 64, old);
    EXPECT_EQ(guess(expected, image.view(), old).cause, Cause::stale_cache);

    // Read by a device that still saw the picture before this one.
    Image source(layout);
    draw(source.view(), 0);
    Image seen(layout);
    draw(seen.view(), 0);
    Image before(layout);
    draw(before.view(), 7);
    for (std::size_t line : {6U, 90U, 500U})
        std::copy_n(before.memories[0].begin() + static_cast<std::ptrdiff_t>(line * 64), 64,
                    seen.memories[0].begin() + static_cast<std::ptrdiff_t>(line * 64));
    EXPECT_EQ(guess(Picture(seen.view()), source.view(), std::nullopt).cause, Cause::stale_cache);
}

TEST_F(ContentTest, SingleBytesThatAreOldAreNoCacheLines)
{
    draw(image.view(), 0);
    for (std::size_t byte : {300U, 5000U, 70000U})
        image.memories[0][byte] = old;
    EXPECT_EQ(guess(expected, image.view(), old).cause, Cause::unknown);
}

TEST_F(ContentTest, SwappedPlanes)
{
    const Layout planar = *linear_layout({DRM_FORMAT_YUV420, 320, 240}, 320, Memories::single);
    Image other(planar);
    draw(other.view(), 0);
    Layout crossed = planar;
    std::swap(crossed.planes[1], crossed.planes[2]);
    EXPECT_EQ(guess(picture(planar, 0), other.as(crossed), old).cause, Cause::swapped_planes);
}

TEST_F(ContentTest, BytesThatAreNoImage)
{
    const std::array<std::byte, 3> a{std::byte{1}, std::byte{2}, std::byte{3}};
    const std::array<std::byte, 3> b{std::byte{1}, std::byte{9}, std::byte{3}};
    EXPECT_FALSE(compare(a, a).first);
    EXPECT_EQ(compare(a, b).first->byte, 1U);
    EXPECT_EQ(compare(a, std::span(a).first(2)).wrong_bytes, 1U);
}

TEST_F(ContentTest, AMemoryThatIsTooShortIsDifferentAndNotRead)
{
    View view = image.view();
    draw(view, 0);
    view.memories[0] = view.memories[0].first(1000);
    const auto comparison = compare(expected, view);
    ASSERT_TRUE(comparison.first);
    EXPECT_EQ(comparison.first->row, 2U);
    static_cast<void>(guess(expected, view, old));
}

/// A use that knows no way to compare.
class Silent final : public Importer {
public:
    const std::string& name() const noexcept override { return name_; }
    Result<std::shared_ptr<const Support>> support(const Request&) override
    {
        return std::make_shared<const Support>();
    }
    Result<std::unique_ptr<Trial>> begin_trial(const Layout&) override { return std::unique_ptr<Trial>(); }

private:
    std::string name_ = "silent";
};

/// A use that compares by itself.
class Comparing final : public Importer, public Verifiable {
public:
    const std::string& name() const noexcept override { return name_; }
    Result<std::shared_ptr<const Support>> support(const Request&) override
    {
        return std::make_shared<const Support>();
    }
    Result<std::unique_ptr<Trial>> begin_trial(const Layout&) override { return std::unique_ptr<Trial>(); }
    Result<Content> verify(std::span<const Buffer> buffers, std::uint32_t frames, Deadline) override
    {
        Content content;
        content.result = Sameness::same;
        content.frames = frames + static_cast<std::uint32_t>(buffers.size());
        return content;
    }

private:
    std::string name_ = "comparing";
};

class Verification : public testing::Test {
protected:
    const Layout layout_ = *linear_layout({DRM_FORMAT_XRGB8888, 16, 4}, 64, Memories::single);
    std::vector<std::byte> bytes_ = std::vector<std::byte>(layout_.total_size());
    const std::vector<Buffer> one_{Buffer::from_memory(layout_, bytes_).value()};
};

TEST_F(Verification, WithoutAWayToKnowNothingIsClaimed)
{
    const auto content = verify(Use(std::make_shared<Silent>()), one_, 30, Deadline{});
    ASSERT_TRUE(content);
    EXPECT_EQ(content->result, Sameness::not_checked);
    EXPECT_FALSE(content->reason.empty());
}

TEST_F(Verification, AUseThatComparesByItselfIsAsked)
{
    const auto content = verify(Use(std::make_shared<Comparing>()), one_, 30, Deadline{});
    ASSERT_TRUE(content);
    EXPECT_EQ(content->result, Sameness::same);
    EXPECT_EQ(content->frames, 31U);
}

TEST_F(Verification, WithoutBuffersOrFramesThereIsNothingToDo)
{
    const Use use(std::make_shared<Comparing>());
    EXPECT_EQ(verify(use, {}, 30, Deadline{}).error().category, Category::invalid_argument);
    EXPECT_EQ(verify(use, one_, 0, Deadline{}).error().category, Category::invalid_argument);
}

} // namespace
} // namespace commonbuf::content
