// SPDX-License-Identifier: MIT
#include "verify/picture.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string_view>

namespace commonbuf::content {
namespace {

constexpr unsigned bits_of_byte = 8;

constexpr Mask all_bits{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/// Returns how many bits each channel of a packed RGB or YUV pixel has, from the highest bit down:
/// "XRGB2101010" is X:2 R:10 G:10 B:10. Empty if the name does not say it of at most four.
std::vector<unsigned> channel_bits(std::string_view name, unsigned pixel_bits)
{
    constexpr std::string_view numerals = "0123456789";
    const auto letters = std::min(name.find_first_of(numerals), name.size());
    const auto end = std::min(name.find_first_not_of(numerals, letters), name.size());
    std::vector<unsigned> bits;
    for (std::size_t i = letters; i < end; ++i) {
        bits.push_back(static_cast<unsigned>(name[i] - '0'));
        // Widths of two digits are even; a width of 1 stands last or before a 5.
        if (name[i] == '1' && i + 1 < end && (name[i + 1] - '0') % 2 == 0)
            bits.back() = 10 + static_cast<unsigned>(name[++i] - '0');
    }
    const bool whole = end == name.size() || name.substr(end) == "F";
    const bool agrees =
        letters <= 4 && bits.size() == letters && std::accumulate(bits.begin(), bits.end(), 0U) == pixel_bits;
    return whole && agrees ? bits : std::vector<unsigned>();
}

/// xorshift64*: fast, and no two rows are alike.
std::uint64_t next_noise(std::uint64_t& state) noexcept
{
    state ^= state >> 12U;
    state ^= state << 25U;
    state ^= state >> 27U;
    return state * 0x2545f4914f6cdd1dULL;
}

} // namespace

Mask meaningful_bits(Format format)
{
    const FormatInfo* info = format_info(format);
    if (info == nullptr || info->plane_count != 1)
        return all_bits;
    const unsigned bytes = info->planes[0].block_bytes;
    const auto unused = info->name.find('X');
    if (unused == std::string_view::npos || info->planes[0].block_width != 1 || bytes == 0 ||
        all_bits.size() % bytes != 0)
        return all_bits;
    const auto channels = channel_bits(info->name, bytes * bits_of_byte);
    if (unused >= channels.size())
        return all_bits;
    const auto x = channels.begin() + static_cast<std::ptrdiff_t>(unused);
    const unsigned low = std::accumulate(x + 1, channels.end(), 0U);
    Mask mask = all_bits;
    for (unsigned bit = low; bit < low + *x; ++bit) {
        for (unsigned pixel = 0; pixel < mask.size(); pixel += bytes)
            mask[pixel + bit / bits_of_byte] &= static_cast<std::uint8_t>(~(1U << (bit % bits_of_byte)));
    }
    return mask;
}

void keep_meaning(const Mask& mask, std::span<std::byte> row) noexcept
{
    if (mask == all_bits)
        return;
    for (std::size_t i = 0; i < row.size(); ++i)
        row[i] &= std::byte{mask[i % mask.size()]};
}

std::span<std::byte> View::row(std::size_t plane, std::uint32_t row) const noexcept
{
    const FormatInfo* info = format_info(layout.format);
    const Plane& place = layout.planes[plane];
    const std::uint64_t start = place.offset + std::uint64_t{row} * place.stride;
    const std::uint64_t bytes = info != nullptr ? min_stride(*info, plane, layout.width) : 0;
    const auto memory = memories[place.memory];
    if (start > memory.size() || bytes > memory.size() - start)
        return {};
    return memory.subspan(start, bytes);
}

Picture::Picture(const View& view)
    : format_(view.layout.format),
      width_(view.layout.width),
      height_(view.layout.height),
      plane_count_(view.layout.plane_count)
{
    const FormatInfo* info = format_info(format_);
    const Mask mask = meaningful_bits(format_);
    for (std::uint32_t i = 0; info != nullptr && i < plane_count_; ++i) {
        Rows& rows = planes_[i];
        rows.rows = plane_rows(*info, i, height_);
        rows.bytes = min_stride(*info, i, width_);
        rows.content.resize(rows.bytes * rows.rows);
        for (std::uint32_t r = 0; r < rows.rows; ++r) {
            const auto from = view.row(i, r);
            const std::span to(rows.content.data() + r * rows.bytes, rows.bytes);
            std::copy(from.begin(), from.end(), to.begin());
            keep_meaning(mask, to);
        }
    }
}

std::span<const std::byte> Picture::row(std::size_t plane, std::uint32_t row) const noexcept
{
    const Rows& rows = planes_[plane];
    return {rows.content.data() + row * rows.bytes, rows.bytes};
}

void fill_with_noise(std::span<std::byte> bytes, std::uint64_t seed) noexcept
{
    // Not 0, from which no noise comes.
    std::uint64_t noise = (seed + 1) * 0x9e3779b97f4a7c15ULL + 0x632be59bd9b4e019ULL;
    for (std::size_t at = 0; at < bytes.size(); at += sizeof(std::uint64_t)) {
        const std::uint64_t word = next_noise(noise);
        std::memcpy(bytes.data() + at, &word, std::min(sizeof word, bytes.size() - at));
    }
}

void draw(const View& view, std::uint32_t frame) noexcept
{
    const FormatInfo* info = format_info(view.layout.format);
    for (std::uint32_t i = 0; info != nullptr && i < view.layout.plane_count; ++i) {
        const std::uint32_t rows = plane_rows(*info, i, view.layout.height);
        for (std::uint32_t r = 0; r < rows; ++r) {
            fill_with_noise(view.row(i, r), (std::uint64_t{frame} << 40U) + (std::uint64_t{i} << 32U) + r);
        }
    }
}

void fill(const View& view, std::byte value) noexcept
{
    for (const Plane& plane : view.layout.used_planes()) {
        const auto memory = view.memories[plane.memory];
        const std::uint64_t start = std::min<std::uint64_t>(plane.offset, memory.size());
        const std::uint64_t bytes = std::min<std::uint64_t>(plane.size, memory.size() - start);
        std::memset(memory.data() + start, std::to_integer<int>(value), bytes);
    }
}

std::byte canary(std::uint32_t frame) noexcept
{
    // Odd, so that all 256 values come before one is repeated.
    constexpr std::uint32_t step = 59;
    constexpr std::uint32_t first = 0xa5;
    return static_cast<std::byte>((first + frame * step) & 0xffU);
}

} // namespace commonbuf::content
