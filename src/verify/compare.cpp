// SPDX-License-Identifier: MIT
#include "verify/compare.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

namespace commonbuf::content {
namespace {

/// Lengths count: a byte that is missing is wrong.
void compare_rows(Comparison& result, std::span<const std::byte> expected, std::span<const std::byte> found,
                  Difference where)
{
    if (expected.size() == found.size() && std::memcmp(expected.data(), found.data(), expected.size()) == 0)
        return;
    const auto at = [](std::span<const std::byte> bytes, std::size_t i) {
        return i < bytes.size() ? std::optional(std::to_integer<std::uint8_t>(bytes[i])) : std::nullopt;
    };
    for (std::size_t i = 0; i < std::max(expected.size(), found.size()); ++i) {
        if (at(expected, i) == at(found, i))
            continue;
        where.byte = i;
        where.expected = at(expected, i).value_or(0);
        where.found = at(found, i).value_or(0);
        if (!result.first)
            result.first = where;
        ++result.wrong_bytes;
    }
}

} // namespace

Comparison compare(const Picture& expected, const View& found)
{
    Comparison result = compare(expected, Picture(found));
    if (result.first)
        result.first->memory = found.layout.planes[result.first->plane].memory;
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
