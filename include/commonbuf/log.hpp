// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>

#include <functional>
#include <string_view>

namespace commonbuf {

/// Sets the handler for messages that no return value carries: a buffer came from a heap further
/// down the plan; a verdict was dropped because a device refused memory that it had accepted
/// before; the file of verdicts cannot be written. Each message is one line without its newline.
///
/// Without a handler (the default, or an empty one) messages are dropped. There is one handler for
/// the whole process. It is called from any thread that is inside the library, one call at a time,
/// and must not call the library.
COMMONBUF_API void set_log(std::function<void(std::string_view message)> handler);

} // namespace commonbuf
