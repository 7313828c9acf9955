// SPDX-License-Identifier: MIT
//
// allocinfo constraints: what one device asks for.
#include "../uses.hpp"
#include "command.hpp"

namespace allocinfo {
namespace {

using commonbuf::Category;
using commonbuf::Error;

constexpr const char* name = "constraints";

void add_options(Options& options)
{
    options.use();
    options.format(Options::may, "one format (default: all that the device takes)");
    options.size(Options::may, "the image in pixels (default 1280x720)");
    options.explain_words();
}

Exit run(const Words& words)
{
    const auto size = parse_size(words.size);
    if (!size)
        return give_up(name, size.error(), words.json);
    std::optional<commonbuf::Format> format;
    if (!words.format.empty()) {
        const auto known = parse_format_word(words.format);
        if (!known)
            return give_up(name, known.error(), words.json);
        format = *known;
    }
    const auto use = parse_use(words.uses.front());
    if (!use)
        return give_up(name, use.error(), words.json);

    std::optional<Error> error;
    print(constraints_document(*use, format, size->width, size->height, error), words.json);
    if (!error)
        return done;
    complain(*error);
    // The device answered, and the answer is no.
    const bool answered = error->category == Category::unsupported || error->category == Category::invalid_argument ||
                          error->category == Category::incompatible;
    return answered ? no_heap : trouble;
}

} // namespace

const Command constraints_command{name, "show what one device asks of the layout and the memory", add_options, run};

} // namespace allocinfo
