// SPDX-License-Identifier: MIT
#include "words.hpp"

namespace allocinfo {

std::optional<Parts> split(std::string_view word)
{
    const auto first = word.find(':');
    const auto last = word.rfind(':');
    if (first == std::string_view::npos || last == first)
        return std::nullopt;
    Parts parts{word.substr(0, first), word.substr(first + 1, last - first - 1), word.substr(last + 1)};
    if (parts.target.empty() || parts.target == "@")
        return std::nullopt;
    return parts;
}

} // namespace allocinfo
