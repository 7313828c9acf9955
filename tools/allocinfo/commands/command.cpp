// SPDX-License-Identifier: MIT
#include "command.hpp"

#include "../render.hpp"
#include "text.hpp"

#include <unistd.h>

#include <array>
#include <iostream>

namespace allocinfo {

std::span<const Command> commands()
{
    static const std::array all{heaps_command,       devices_command, plan_command,         verify_command,
                                constraints_command, doctor_command,  bench_access_command, timeline_command};
    return all;
}

std::string dump(const Json& document) { return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

void print(const Json& document, bool json)
{
    std::cout << (json ? dump(document) : render(document, colour_for(STDOUT_FILENO)));
}

void complain(const commonbuf::Error& error)
{
    // Arguments stand in it, and names of devices.
    std::cerr << "allocinfo: " << commonbuf::text::printable(error.message()) << '\n';
}

Exit give_up(const char* command, const Problem& problem, bool json)
{
    if (json)
        print(error_document(command, problem), json);
    complain(problem);
    return problem.status;
}

} // namespace allocinfo
