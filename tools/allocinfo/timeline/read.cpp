// SPDX-License-Identifier: MIT
#include "../input.hpp"
#include "trace.hpp"

#include <cstddef>

namespace allocinfo::timeline {
namespace {

using commonbuf::Result;

constexpr std::size_t largest_file = std::size_t{1} << 30U;

} // namespace

Result<Trace> read(const std::string& path)
{
    auto text = read_file(path, largest_file);
    if (!text) {
        if (text.error().category == commonbuf::Category::not_present)
            text.error().advice = how_to_get_one;
        else if (text.error().category == commonbuf::Category::invalid_argument)
            text.error().advice = "trace a shorter run";
        return text.error();
    }
    return parse(*text, path);
}

} // namespace allocinfo::timeline
