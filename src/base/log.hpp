// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace commonbuf {

/// Passes a message to the handler that set_log() set, if there is one.
void log(std::string_view message);

} // namespace commonbuf
