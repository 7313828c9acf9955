// SPDX-License-Identifier: MIT
//
// allocinfo devices: the devices of this machine, and with --json a dump to replay it from.
#include "../dump.hpp"
#include "../uses.hpp"
#include "command.hpp"

namespace allocinfo {
namespace {

void add_options(Options& options)
{
    options.size(Options::may, "with --json: the image that devices are asked about (default 1280x720)");
}

Exit run(const Words& words)
{
    const auto size = parse_size(words.size);
    if (!size)
        return give_up("devices", size.error(), words.json);
    Json document = devices_document();
    // People read only the list.
    if (words.json)
        add_support(document, size->width, size->height);
    print(document, words.json);
    return done;
}

} // namespace

const Command devices_command{"devices", "list the V4L2, DRM and Vulkan devices", add_options, run};

} // namespace allocinfo
