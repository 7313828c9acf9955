// SPDX-License-Identifier: MIT
//
// allocinfo heaps: where dma-bufs come from on this machine.
#include "../device_heaps.hpp"
#include "command.hpp"

namespace allocinfo {
namespace {

void add_options(Options& options)
{
    options.added_heaps();
    options.explain_words();
}

Exit run(const Words& words)
{
    const auto heaps = heaps_with(words.added_heaps);
    if (!heaps)
        return give_up("heaps", heaps.error(), words.json);
    print(heaps_document(*heaps), words.json);
    return done;
}

} // namespace

const Command heaps_command{"heaps", "list the heaps, and what prevents the use of each", add_options, run};

} // namespace allocinfo
