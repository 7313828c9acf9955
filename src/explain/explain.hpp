// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/verdict.hpp>

#include <string>

namespace commonbuf::negotiate {

/// Why no heap serves, in one line: every heap with what decided.
std::string summary(const Report& report);

} // namespace commonbuf::negotiate
