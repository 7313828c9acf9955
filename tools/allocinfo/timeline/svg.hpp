// SPDX-License-Identifier: MIT
#pragma once

#include "trace.hpp"

#include <string>

namespace allocinfo::timeline {

/// A part of a trace as one picture. It loads nothing and runs nothing.
std::string svg(const Trace& trace, const Window& window, const std::string& path);

} // namespace allocinfo::timeline
