// SPDX-License-Identifier: MIT
#pragma once

#include "model.hpp"

#include <string>

namespace allocinfo {

/// Whether a document is coloured with terminal escapes.
enum class Colour : bool { no, yes };

/// A document for people, ended by a newline.
std::string render(const Json& document, Colour colour);

/// Colour for a terminal, unless NO_COLOR says otherwise (no-color.org).
Colour colour_for(int fd);

} // namespace allocinfo
