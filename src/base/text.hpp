// SPDX-License-Identifier: MIT
#pragma once

#include <fmt/core.h>

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

} // namespace commonbuf::text
