// SPDX-License-Identifier: MIT
//
// allocinfo timeline: a trace as a table, as data, and as a picture.
#include "../output.hpp"
#include "../timeline/document.hpp"
#include "../timeline/svg.hpp"
#include "command.hpp"
#include "text.hpp"

#include <iostream>

namespace allocinfo {
namespace {

constexpr const char* name = "timeline";

void add_options(Options& options)
{
    Words& words = options.words();
    options.word("FILE", words.file, "", "what a program wrote under COMMONBUF_TRACE=FILE", Options::must);
    options.word("-o,--output", words.output, "FILE", "draw an SVG into this file; - is standard output");
    options.milliseconds("--from", words.from, "begin there (default: at the beginning)");
    options.milliseconds("--to", words.to,
                         "end there (default: a picture ends after about 12 frames, a table at the end)");
}

Exit run(const Words& words)
{
    if (words.json && words.output == "-")
        return give_up(name, wrong("--json and -o - both write to standard output", "name a file for -o"), words.json);
    if (const auto twice = named_twice({words.file, words.output}))
        return give_up(name, wrong(*twice, "name another file for -o"), words.json);
    const auto trace = timeline::read(words.file);
    if (!trace)
        return give_up(name, {trace.error(), trouble}, words.json);
    const timeline::Window whole{0, trace->length};
    const bool draws = !words.output.empty();
    const auto window =
        timeline::window_of(*trace, draws ? timeline::first_frames(*trace) : whole, words.from, words.to);
    if (!window)
        return give_up(name, {window.error(), usage}, words.json);
    if (words.output == "-") {
        std::cout << timeline::svg(*trace, *window, words.file);
        return done;
    }
    if (words.json || !draws)
        print(timeline::document(*trace, *window, words.file), words.json);
    if (!draws)
        return done;
    if (const auto written = write_file(words.output, timeline::svg(*trace, *window, words.file)); !written)
        return give_up(name, {written.error(), trouble}, false);
    if (!words.json)
        std::cout << commonbuf::text::format("{}: {:.3f} to {:.3f} ms of {:.3f}\n",
                                             commonbuf::text::printable(words.output), window->from, window->to,
                                             trace->length);
    return done;
}

} // namespace

const Command timeline_command{name, "show a trace as a table, or with -o as a picture", add_options, run};

} // namespace allocinfo
