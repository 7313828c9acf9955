// SPDX-License-Identifier: MIT
#pragma once

#include "model.hpp"

#include <string>

namespace allocinfo {

/// Whether a document has terminal escapes for colour.
enum class Colour : bool { no, yes };

/// Writes a document for people, with a newline at its end.
std::string render(const Json& document, Colour colour);

/// Chooses colour for a terminal, unless NO_COLOR is set (no-color.org).
Colour colour_for(int fd);

} // namespace allocinfo
