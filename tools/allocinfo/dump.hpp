// SPDX-License-Identifier: MIT
#pragma once

#include "model.hpp"

#include <cstdint>

/// A dump: the list of devices with the heaps and with what each use answers. Tests replay the
/// machine from it elsewhere (tests/replay).
namespace allocinfo {

/// Adds to a document of `devices`: `heaps`, the size in pixels, and for each device its `uses`.
/// The calls change and show nothing. Nothing is tried, so what memory a use takes stays null.
void add_support(Json& devices, std::uint32_t width, std::uint32_t height);

} // namespace allocinfo
