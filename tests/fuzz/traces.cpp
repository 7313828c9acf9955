// SPDX-License-Identifier: MIT
//
// Traces that somebody sent: any bytes, and events that look like some and hold anything.
#include "input.hpp"

#include "render.hpp"
#include "timeline/document.hpp"
#include "timeline/svg.hpp"
#include "timeline/trace.hpp"

#include <array>
#include <cstdlib>
#include <string>

namespace {

namespace timeline = allocinfo::timeline;
using allocinfo::Json;

Json number(fuzz::Input& input)
{
    switch (input.take<std::uint8_t>() % 4) {
    case 0: return input.take<std::uint16_t>();
    case 1: return input.take<double>();
    case 2: return input.take<std::int64_t>();
    default: return "7";
    }
}

std::string events(fuzz::Input& input)
{
    constexpr std::array phases{"X", "B", "E", "M", "s", "f", "i", ""};
    constexpr std::array kinds{"cpu", "v4l2", "job", "wait", "pool", ""};
    constexpr std::array names{"thread_name", "frame", "fence", "read", "<&\"\xff"};
    Json all = Json::array();
    while (!input.rest().empty()) {
        const auto word = input.take<std::uint32_t>();
        Json event{{"ph", phases[word % phases.size()]},
                   {"cat", kinds[(word >> 4U) % kinds.size()]},
                   {"name", names[(word >> 8U) % names.size()]},
                   {"pid", 1},
                   {"tid", (word >> 12U) % 8U},
                   {"id", (word >> 16U) % 4U},
                   {"ts", number(input)}};
        if ((word & (1U << 20U)) != 0)
            event["dur"] = number(input);
        if ((word & (1U << 21U)) != 0)
            event["args"] = {{"name", "camera"},
                             {"where", "a.cpp:1"},
                             {"buffers", Json::array({{{"id", number(input)}, {"access", "write"}}})}};
        all.push_back(std::move(event));
    }
    std::string text = all.dump(-1, ' ', false, Json::error_handler_t::replace);
    // A program that was killed left it without an end.
    if (text.size() % 2 == 0)
        text.pop_back();
    return text;
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz::Input input(data, size);
    const bool raw = input.take<std::uint8_t>() % 4 == 0;
    const std::string text = raw ? std::string(input.rest().begin(), input.rest().end()) : events(input);
    const auto trace = timeline::parse(text, "trace");
    if (!trace) {
        if (trace.error().message().empty())
            std::abort();
        return 0;
    }
    const auto window = timeline::window_of(*trace, timeline::first_frames(*trace), std::nullopt, std::nullopt);
    if (!window)
        return 0;
    const auto document = timeline::document(*trace, *window, "trace");
    if (allocinfo::render(document, allocinfo::Colour::no).empty())
        std::abort();
    if (!timeline::svg(*trace, *window, "trace").starts_with("<?xml"))
        std::abort();
    return 0;
}
