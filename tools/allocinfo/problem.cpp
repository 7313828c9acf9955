// SPDX-License-Identifier: MIT
#include "problem.hpp"

#include "text.hpp"

namespace allocinfo {
namespace {

using commonbuf::Category;
using commonbuf::Error;

constexpr const char* operation = "read the command line";

Exit status_of(Category category)
{
    switch (category) {
    case Category::invalid_argument: return usage;
    case Category::incompatible:
    case Category::out_of_memory: return no_heap;
    default: return trouble;
    }
}

} // namespace

Problem::Problem(Error error) : Error(std::move(error)), status(status_of(category)) {}

Problem wrong(std::string detail, std::string advice)
{
    return {Error::invalid_argument(operation, std::move(detail), std::move(advice)), usage};
}

Problem left_out(std::string_view backend)
{
    return {Error::unsupported(operation, commonbuf::text::format("this build of allocinfo has no {}", backend),
                               "build with the meson option enabled"),
            usage};
}

} // namespace allocinfo
