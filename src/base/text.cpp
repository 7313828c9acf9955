// SPDX-License-Identifier: MIT
#define FMT_HEADER_ONLY
#include "base/text.hpp"

#include <fmt/ranges.h>

namespace commonbuf::text {

std::string vformat(fmt::string_view pattern, fmt::format_args arguments) { return fmt::vformat(pattern, arguments); }

std::string join(const std::vector<std::string>& parts, std::string_view separator)
{
    return fmt::format("{}", fmt::join(parts, separator));
}

std::size_t utf8_length(std::string_view bytes) noexcept
{
    const auto byte = [bytes](std::size_t index) {
        return index < bytes.size() ? static_cast<unsigned char>(bytes[index]) : 0U;
    };
    const auto follows = [&byte](std::size_t index) { return (byte(index) & 0xc0U) == 0x80; };
    const unsigned first = byte(0);
    const unsigned second = byte(1);
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf)
        return follows(1) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        const bool wrong = (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f);
        return !wrong && follows(1) && follows(2) ? 3 : 0;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        const bool wrong = (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
        return !wrong && follows(1) && follows(2) && follows(3) ? 4 : 0;
    }
    return 0;
}

std::string printable(std::string_view words)
{
    std::string clean;
    while (!words.empty()) {
        const std::size_t length = utf8_length(words);
        const auto first = static_cast<unsigned char>(words.front());
        // U+0080 to U+009F are C2 80 to C2 9F.
        const bool acts = length == 0 || (length == 1 && (first < 0x20 || first == 0x7f)) ||
                          (length == 2 && first == 0xc2 && static_cast<unsigned char>(words[1]) < 0xa0);
        if (acts)
            clean += '.';
        else
            clean += words.substr(0, length);
        words.remove_prefix(length == 0 ? 1 : length);
    }
    return clean;
}

} // namespace commonbuf::text
