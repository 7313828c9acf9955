// SPDX-License-Identifier: MIT
#pragma once

#include "model.hpp"

#include <cstdint>

/// What turns the list of devices into a dump from which the machine can be replayed
/// elsewhere (tests/replay): its heaps, and what each use answers.
namespace allocinfo {

/// Adds to a document of `devices`: `heaps`, the size in pixels that was asked for, and for
/// each device its `uses`. Asks with calls that change and show nothing; nothing is tried,
/// so what memory a use takes stays null.
void add_support(Json& devices, std::uint32_t width, std::uint32_t height);

} // namespace allocinfo
