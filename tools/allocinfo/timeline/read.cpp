// SPDX-License-Identifier: MIT
#include "../input.hpp"
#include "text.hpp"
#include "trace.hpp"

#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <iostream>

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
    // Progress for people, once a long file takes its time: each line replaces the one before.
    if (::isatty(STDERR_FILENO) == 0)
        return parse(*text, path);
    constexpr auto patience = std::chrono::milliseconds(300);
    auto last = std::chrono::steady_clock::now();
    bool shown = false;
    auto trace = parse(*text, path, [&](std::size_t events) {
        const auto now = std::chrono::steady_clock::now();
        if (now - last < patience)
            return;
        last = now;
        shown = true;
        std::cerr << commonbuf::text::format("\r\033[Kreading {}: {} events", commonbuf::text::printable(path), events)
                  << std::flush;
    });
    if (shown)
        std::cerr << "\r\033[K" << std::flush;
    return trace;
}

} // namespace allocinfo::timeline
