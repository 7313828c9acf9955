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

} // namespace commonbuf::text
