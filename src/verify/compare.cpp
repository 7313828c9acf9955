// SPDX-License-Identifier: MIT
#include "verify/compare.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

namespace commonbuf::content {
namespace {

void note(Comparison& result, const Difference& difference)
{
    if (!result.first)
        result.first = difference;
    ++result.wrong_bytes;
}

/// Lengths count: a byte that is missing is wrong.
void compare_rows(Comparison& result, std::span<const std::byte> expected, std::span<const std::byte> found,
                  Difference where)
{
    if (expected.size() == found.size() && std::memcmp(expected.data(), found.data(), expected.size()) == 0)
        return;
    const auto at = [](std::span<const std::byte> bytes, std::size_t i) {
        return i < bytes.size() ? std::to_integer<std::uint8_t>(bytes[i]) : std::uint8_t{0};
    };
    const std::size_t both = std::min(expected.size(), found.size());
    for (std::size_t i = 0; i < std::max(expected.size(), found.size()); ++i) {
        if (i < both && expected[i] == found[i])
            continue;
        where.byte = i;
        where.expected = at(expected, i);
        where.found = at(found, i);
        note(result, where);
    }
}

} // namespace

Comparison compare(const Picture& expected, const View& found)
{
    const Mask mask = meaningful_bits(expected.format());
    Comparison result;
    std::vector<std::byte> copy;
    for (std::uint32_t plane = 0; plane < expected.plane_count(); ++plane) {
        for (std::uint32_t r = 0; r < expected.rows(plane); ++r) {
            const auto left = expected.row(plane, r);
            const auto right = found.row(plane, r);
            if (left.size() == right.size() && std::memcmp(left.data(), right.data(), left.size()) == 0)
                continue;
            copy.assign(right.begin(), right.end());
            keep_meaning(mask, copy);
            compare_rows(result, left, copy, {0, plane, found.layout.planes[plane].memory, r, 0, 0, 0});
        }
    }
    return result;
}

Comparison compare(const Picture& expected, const Picture& found)
{
    Comparison result;
    for (std::uint32_t plane = 0; plane < expected.plane_count(); ++plane) {
        for (std::uint32_t r = 0; r < expected.rows(plane); ++r)
            compare_rows(result, expected.row(plane, r), found.row(plane, r), {0, plane, 0, r, 0, 0, 0});
    }
    return result;
}

Comparison compare(std::span<const std::byte> expected, std::span<const std::byte> found)
{
    Comparison result;
    compare_rows(result, expected, found, {});
    return result;
}

void add(Content& content, std::uint32_t frame, const Comparison& comparison)
{
    ++content.frames;
    content.wrong_bytes += comparison.wrong_bytes;
    if (comparison.first && !content.first) {
        content.first = comparison.first;
        content.first->frame = frame;
    }
    if (content.wrong_bytes != 0)
        content.result = Sameness::different;
}

void add(Content& content, std::uint32_t frame, const Picture& expected, const View& found,
         std::optional<std::byte> canary)
{
    const auto comparison = compare(expected, found);
    if (comparison.first && !content.first)
        note(content, guess(expected, found, canary));
    add(content, frame, comparison);
}

void note(Content& content, const Guess& guess)
{
    content.cause = guess.cause;
    content.reason = guess.reason;
}

Content finished(Content content)
{
    if (content.result == Sameness::not_checked)
        content.result = Sameness::same;
    return content;
}

} // namespace commonbuf::content
