// SPDX-License-Identifier: MIT
#include "format/table.hpp"

#include <algorithm>
#include <cctype>

namespace commonbuf {
namespace {

constexpr std::string_view v4l2_prefix = "v4l2:";
// The highest bit of a code, in both headers: the same format in big-endian order.
constexpr std::string_view big_endian_suffix = "-BE";
constexpr std::uint32_t big_endian = 1U << 31U;

template <typename Predicate>
const FormatInfo* find(Predicate matches) noexcept
{
    const auto rows = all_formats();
    const auto row = std::find_if(rows.begin(), rows.end(), matches);
    return row != rows.end() ? &*row : nullptr;
}

std::string characters(std::uint32_t code, std::size_t at_least = 1)
{
    std::string text(4, '.');
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(code >> (8 * i));
        if (std::isprint(byte) != 0)
            text[i] = static_cast<char>(byte);
    }
    while (text.size() > at_least && text.back() == ' ')
        text.pop_back();
    return text;
}

/// One to four characters; 0 for anything else.
std::uint32_t parse_code(std::string_view text) noexcept
{
    const bool printable = std::all_of(text.begin(), text.end(),
                                       [](char each) { return std::isprint(static_cast<unsigned char>(each)) != 0; });
    return text.size() <= 4 && printable ? table::code(text) : 0;
}

std::optional<Format> parse_v4l2(std::string_view text) noexcept
{
    std::uint32_t flag = 0;
    if (text.size() > 4 && text.ends_with(big_endian_suffix)) {
        text.remove_suffix(big_endian_suffix.size());
        flag = big_endian;
    }
    const std::uint32_t code = parse_code(text);
    return code != 0 ? std::optional(Format::v4l2(code | flag)) : std::nullopt;
}

} // namespace

Format Format::v4l2(std::uint32_t code) noexcept
{
    if (const FormatInfo* known = format_from_v4l2(code); known != nullptr)
        return known->format;
    Format own(code);
    own.is_v4l2 = true;
    return own;
}

const FormatInfo* format_info(Format format) noexcept
{
    return find([format](const FormatInfo& row) { return row.format == format; });
}

const FormatInfo* format_from_v4l2(std::uint32_t v4l2_fourcc) noexcept
{
    if (v4l2_fourcc == 0)
        return nullptr;
    return find([v4l2_fourcc](const FormatInfo& row) {
        return row.v4l2_single == v4l2_fourcc || row.v4l2_multi == v4l2_fourcc;
    });
}

bool is_opaque(Format format) noexcept
{
    return format.is_v4l2 && format.fourcc != 0 && format_info(format) == nullptr;
}

std::string to_string(Format format)
{
    if (!format.is_v4l2)
        return characters(format.fourcc);
    std::string text(v4l2_prefix);
    // With a suffix to more than four characters: those without can be no suffix then.
    if ((format.fourcc & big_endian) != 0)
        return text.append(characters(format.fourcc & ~big_endian, 2)).append(big_endian_suffix);
    return text + characters(format.fourcc);
}

std::optional<Format> parse_format(std::string_view text) noexcept
{
    if (text.starts_with(v4l2_prefix))
        return parse_v4l2(text.substr(v4l2_prefix.size()));
    const auto* row = find([text](const FormatInfo& info) { return info.name == text; });
    if (row == nullptr)
        row = format_info(parse_code(text));
    return row != nullptr ? std::optional(row->format) : std::nullopt;
}

} // namespace commonbuf
