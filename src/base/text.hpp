// SPDX-License-Identifier: MIT
#pragma once

#include <fmt/core.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Text for people. fmt does the work; it is compiled once, into text.cpp, because its
/// headers alone would cost every file some seconds and its shared library is a
/// different one on each Debian.
namespace commonbuf::text {

std::string vformat(fmt::string_view pattern, fmt::format_args arguments);

/// As fmt::format: the pattern is checked when it is compiled.
///
/// An object, since a function would compete with std::format (g++ 13 and newer) wherever a
/// file says `using commonbuf::text::format` and passes a string.
struct Format {
    template <typename... Arguments>
    std::string operator()(fmt::format_string<Arguments...> pattern, Arguments&&... arguments) const
    {
        return text::vformat(pattern, fmt::make_format_args(arguments...));
    }
};
inline constexpr Format format{};

/// "a, b, c".
std::string join(const std::vector<std::string>& parts, std::string_view separator);

/// The same words without anything that a terminal acts on: control characters, also those of 8 bits (C1), and
/// bytes that are not UTF-8 become '.'. Names come from devices, files and command lines.
std::string printable(std::string_view words);

/// The bytes of the first character; 0 if they are not UTF-8 (RFC 3629: only the shortest form, no surrogates,
/// nothing above U+10FFFF).
std::size_t utf8_length(std::string_view bytes) noexcept;

} // namespace commonbuf::text
