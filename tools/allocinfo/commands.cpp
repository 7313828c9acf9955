// SPDX-License-Identifier: MIT
#include "commands.hpp"

#include "device_heaps.hpp"
#include "dump.hpp"
#include "render.hpp"
#include "uses.hpp"

#include <iostream>
#include <unistd.h>

namespace allocinfo {

using commonbuf::Category;
using commonbuf::Error;

void print(const Json& document, bool json)
{
    if (json)
        std::cout << document.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
    else
        std::cout << render(document, colour_for(STDOUT_FILENO));
}

void complain(const Error& error) { std::cerr << "allocinfo: " << error.message() << '\n'; }

Exit status_of(const Error& error)
{
    if (is_usage_error(error))
        return usage;
    switch (error.category) {
    case Category::incompatible:
    case Category::out_of_memory: return no_heap;
    case Category::invalid_argument:
    case Category::unsupported: return error.sys_errno == 0 ? usage : trouble;
    default: return trouble;
    }
}

Exit list_heaps(const std::vector<std::string>& added, bool json)
{
    const auto heaps = heaps_with(added);
    if (!heaps) {
        if (json)
            print(error_document("heaps", heaps.error()), json);
        complain(heaps.error());
        return status_of(heaps.error());
    }
    print(heaps_document(*heaps), json);
    return done;
}

Exit list_devices(const std::string& size, bool json)
{
    const auto pixels = parse_size(size);
    if (!pixels) {
        if (json)
            print(error_document("devices", pixels.error()), json);
        complain(pixels.error());
        return usage;
    }
    Json document = devices_document();
    // What people read is the list alone.
    if (json)
        add_support(document, pixels->width, pixels->height);
    print(document, json);
    return done;
}

Exit run_verify(const VerifyWords& words, bool json)
{
    const Verified verified = verify(words);
    if (!verified.error) {
        if (json)
            print(verified.document, json);
        else
            std::cout << render_verification(verified.document);
        return verified.wrong ? no_heap : done;
    }
    if (json || verified.document.contains("request"))
        print(verified.document, json);
    complain(*verified.error);
    return status_of(*verified.error);
}

} // namespace allocinfo
