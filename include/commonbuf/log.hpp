// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>

#include <functional>
#include <string_view>

namespace commonbuf {

/// Sets who is told what no return value says aloud: that a buffer came from a heap further
/// down the plan, that a verdict was thrown out because a device refused later what it took
/// before, that the file of verdicts cannot be written. One line a message, without its end.
///
/// Nobody is told at first, and with an empty handler. For the whole process; the handler
/// may be called from any thread that is inside the library, one at a time, and must not
/// call back into it.
COMMONBUF_API void set_log(std::function<void(std::string_view message)> handler);

} // namespace commonbuf
