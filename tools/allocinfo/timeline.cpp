// SPDX-License-Identifier: MIT
//
// allocinfo timeline: a trace as a table, as data, and as a picture.
#include "commands.hpp"
#include "output.hpp"
#include "text.hpp"
#include "timeline/document.hpp"
#include "timeline/svg.hpp"

#include <iostream>

namespace allocinfo {
namespace {

Exit give_up(const commonbuf::Error& error, Exit status, bool json)
{
    if (json)
        print(error_document("timeline", error), json);
    complain(error);
    return status;
}

} // namespace

Exit run_timeline(const TimelineOptions& options, bool json)
{
    const auto trace = timeline::read(options.file);
    if (!trace)
        return give_up(trace.error(), trouble, json);
    const timeline::Window whole{0, trace->length};
    const bool draws = !options.output.empty();
    const auto window =
        timeline::window_of(*trace, draws ? timeline::first_frames(*trace) : whole, options.from, options.to);
    if (!window)
        return give_up(window.error(), usage, json);
    if (options.output == "-") {
        std::cout << timeline::svg(*trace, *window, options.file);
        return done;
    }
    if (json || !draws)
        print(timeline::document(*trace, *window, options.file), json);
    if (!draws)
        return done;
    if (const auto written = write_file(options.output, timeline::svg(*trace, *window, options.file)); !written)
        return give_up(written.error(), trouble, false);
    if (!json)
        std::cout << commonbuf::text::format("{}: {:.3f} to {:.3f} ms of {:.3f}\n", options.output, window->from,
                                             window->to, trace->length);
    return done;
}

} // namespace allocinfo
