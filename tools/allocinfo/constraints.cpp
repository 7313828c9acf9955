// SPDX-License-Identifier: MIT
//
// allocinfo constraints: what one device asks for.
#include "commands.hpp"
#include "uses.hpp"

namespace allocinfo {
namespace {

using commonbuf::Category;
using commonbuf::Error;

Exit give_up(const Error& error, bool json)
{
    if (json)
        print(error_document("constraints", error), json);
    complain(error);
    return is_usage_error(error) ? usage : trouble;
}

} // namespace

Exit run_constraints(const ConstraintsOptions& options, bool json)
{
    const auto size = parse_size(options.size);
    if (!size)
        return give_up(size.error(), json);
    std::optional<commonbuf::Format> format;
    if (!options.format.empty()) {
        const auto known = parse_format_word(options.format);
        if (!known)
            return give_up(known.error(), json);
        format = *known;
    }
    const auto use = parse_use(options.use);
    if (!use)
        return give_up(use.error(), json);

    std::optional<Error> error;
    print(constraints_document(*use, format, size->width, size->height, error), json);
    if (!error)
        return done;
    complain(*error);
    // The device answered, and what it answered is no.
    const bool answered = error->category == Category::unsupported || error->category == Category::invalid_argument ||
                          error->category == Category::incompatible;
    return answered ? no_heap : trouble;
}

} // namespace allocinfo
