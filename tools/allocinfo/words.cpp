// SPDX-License-Identifier: MIT
#include "words.hpp"

#include "text.hpp"

#include <utility>

namespace allocinfo {
namespace {

using commonbuf::Category;
using commonbuf::Error;

constexpr std::string_view usage_operation = "read the command line";

} // namespace

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

Error wrong(std::string detail, std::string advice)
{
    return Error::invalid_argument(std::string(usage_operation), std::move(detail), std::move(advice));
}

Error left_out(std::string_view backend)
{
    return Error::unsupported(std::string(usage_operation),
                              commonbuf::text::format("this build of allocinfo has no {}", backend),
                              "build with the meson option enabled");
}

bool is_usage_error(const Error& error) { return error.operation == usage_operation; }

} // namespace allocinfo
