// SPDX-License-Identifier: MIT
#include "law.hpp"

#include <commonbuf/layout.hpp>

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace commonbuf {
namespace {

const FormatInfo& any_format() { return all_formats()[*rc::gen::inRange<std::size_t>(0, all_formats().size())]; }

/// A layout as commonbuf makes them; sometimes none, where the stride is too small.
Result<Layout> any_layout(const FormatInfo& info)
{
    Request request{info.format, *rc::gen::inRange<std::uint32_t>(1, 200), *rc::gen::inRange<std::uint32_t>(1, 200)};
    request.lines_before = *rc::gen::element<std::uint32_t>(0, 0, 1, 2, 6);
    request.lines_after = *rc::gen::element<std::uint32_t>(0, 0, 1, 5);
    const auto memories = *rc::gen::element(Memories::single, Memories::per_plane);
    const auto extra = *rc::gen::inRange<std::uint32_t>(0, 300);
    const auto rows = *rc::gen::element<std::uint32_t>(0, request.height, request.height + 7);
    const auto stride = static_cast<std::uint32_t>(min_stride(info, 0, request.width)) + extra;
    return linear_layout(request, stride, memories, rows);
}

template <typename Number>
void disturb(Number& value)
{
    const auto small = *rc::gen::inRange(-70, 70);
    value = *rc::gen::weightedOneOf<Number>({
        {4, rc::gen::just(static_cast<Number>(value + static_cast<Number>(small)))},
        {1, rc::gen::arbitrary<Number>()},
    });
}

TEST(LayoutLaws, WhatIsMadePassesTheCheckAndOneByteLessDoesNot)
{
    law::holds("made layouts are valid", [] {
        const auto layout = any_layout(any_format());
        if (!layout)
            return;
        RC_ASSERT(validate(*layout).has_value());
        // Planes of one memory follow each other without a gap, unless there are lines between them.
        const bool has_lines = layout->lines_before != 0 || layout->lines_after != 0;
        for (std::uint32_t i = 1; i < (has_lines ? 0 : layout->plane_count); ++i) {
            const Plane& before = layout->planes[i - 1];
            if (layout->planes[i].memory == before.memory)
                RC_ASSERT(layout->planes[i].offset == before.offset + before.size);
        }
        std::array<std::uint64_t, max_planes> sizes = layout->memory_sizes;
        --sizes[layout->memory_count - 1];
        RC_ASSERT(!validate(*layout, std::span(sizes).first(layout->memory_count)).has_value());
    });
}

/// Every pixel of every plane, and the lines around them, has bytes of its own: those that it would have in an
/// image with the lines in it, which is what a camera writes.
TEST(LayoutLaws, LinesAreRowsOfALargerImage)
{
    law::holds("lines are rows of a larger image", [] {
        const FormatInfo& info = any_format();
        Request request{info.format, *rc::gen::inRange<std::uint32_t>(1, 200),
                        *rc::gen::inRange<std::uint32_t>(1, 200)};
        request.lines_before = *rc::gen::inRange<std::uint32_t>(0, 9);
        request.lines_after = *rc::gen::inRange<std::uint32_t>(0, 9);
        const auto memories = *rc::gen::element(Memories::single, Memories::per_plane);
        const auto padding = *rc::gen::element<std::uint32_t>(0, 0, 1, 7);
        const auto stride =
            static_cast<std::uint32_t>(min_stride(info, 0, request.width)) + *rc::gen::inRange<std::uint32_t>(0, 3);
        const auto with = linear_layout(request, stride, memories, request.height + padding);
        Request larger = request;
        larger.lines_before = larger.lines_after = 0;
        larger.height += request.lines_before + padding + request.lines_after;
        const auto whole = linear_layout(larger, stride, memories);
        bool in_rows = true;
        for (const PlaneInfo& plane : std::span(info.planes).first(info.plane_count))
            in_rows = in_rows && request.lines_before % plane.vsub == 0;
        RC_ASSERT(with.has_value() == (whole.has_value() && in_rows));
        if (!with)
            return;
        RC_ASSERT(validate(*with).has_value());
        RC_ASSERT(with->memory_sizes == whole->memory_sizes);
        for (std::uint32_t i = 0; i < with->plane_count; ++i) {
            Plane picture = whole->planes[i];
            picture.offset += std::uint64_t{request.lines_before / info.planes[i].vsub} * picture.stride;
            picture.size = std::uint64_t{picture.stride} * plane_rows(info, i, request.height + padding);
            RC_ASSERT(with->planes[i] == picture);
            RC_ASSERT(picture.offset + picture.size <= whole->planes[i].offset + whole->planes[i].size);
        }
    });
}

/// Rows hold their samples: the bits of a row never exceed its bytes, and a row of one
/// block less would not do.
TEST(LayoutLaws, RowsHoldTheirSamplesAndNotABlockMore)
{
    law::holds("rows are as long as their samples", [] {
        const FormatInfo& info = any_format();
        const std::size_t plane = *rc::gen::inRange<std::size_t>(0, info.plane_count);
        const auto width = *rc::gen::weightedOneOf<std::uint32_t>(
            {{4, rc::gen::inRange<std::uint32_t>(1, 70000)}, {1, rc::gen::arbitrary<std::uint32_t>()}});
        const PlaneInfo& samples = info.planes[plane];
        const std::uint64_t count = (std::uint64_t{width} + samples.hsub - 1) / samples.hsub;
        const std::uint64_t blocks = min_stride(info, plane, width) / samples.block_bytes;
        RC_ASSERT(min_stride(info, plane, width) % samples.block_bytes == 0U);
        RC_ASSERT(blocks * samples.block_width >= count);
        RC_ASSERT(blocks == 0 || (blocks - 1) * samples.block_width < count);
    });
}

TEST(LayoutLaws, NothingThatPassesLiesOutside)
{
    std::size_t passed = 0;
    law::holds("the door keeps its promise", [&passed] {
        const FormatInfo& info = any_format();
        const auto made = any_layout(info);
        if (!made)
            return;
        Layout layout = *made;
        const int changes = *rc::gen::inRange(1, 4);
        for (int i = 0; i < changes; ++i) {
            Plane& plane = layout.planes[*rc::gen::inRange<std::size_t>(0, layout.plane_count)];
            switch (*rc::gen::inRange(0, 7)) {
            case 0: disturb(plane.offset); break;
            case 1: disturb(plane.size); break;
            case 2: disturb(plane.stride); break;
            case 3: plane.memory = *rc::gen::inRange<std::uint32_t>(0, 5); break;
            case 4: disturb(layout.memory_sizes[*rc::gen::inRange<std::size_t>(0, max_planes)]); break;
            case 5: layout.memory_count = *rc::gen::inRange<std::uint32_t>(0, 6); break;
            default: layout.height = *rc::gen::inRange<std::uint32_t>(0, 300); break;
            }
        }
        if (!validate(layout))
            return;
        ++passed;
        RC_ASSERT(layout.plane_count <= max_planes);
        RC_ASSERT(layout.memory_count <= max_planes);
        for (std::size_t i = 0; i < layout.plane_count; ++i) {
            const Plane& plane = layout.planes[i];
            RC_ASSERT(plane.memory < layout.memory_count);
            RC_ASSERT(plane.offset <= layout.memory_sizes[plane.memory]);
            RC_ASSERT(plane.size <= layout.memory_sizes[plane.memory] - plane.offset);
            RC_ASSERT(plane.stride >= min_stride(info, i, layout.width));
            const std::uint64_t rows = plane_rows(info, i, layout.height);
            RC_ASSERT(plane.stride * (rows - 1) + min_stride(info, i, layout.width) <= plane.size);
        }
    });
    std::printf("%zu of %d disturbed layouts passed\n", passed, law::cases());
    // Otherwise the law was asked about nothing.
    EXPECT_GT(passed, static_cast<std::size_t>(law::cases()) / 20U);
}

} // namespace
} // namespace commonbuf
