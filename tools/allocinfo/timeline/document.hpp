// SPDX-License-Identifier: MIT
#pragma once

#include "trace.hpp"

#include "../model.hpp"

namespace allocinfo::timeline {

/// What each device did in a part of a trace: how often, how long, what was longest.
Json document(const Trace& trace, const Window& window, const std::string& path);

} // namespace allocinfo::timeline
