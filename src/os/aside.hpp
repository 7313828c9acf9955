// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/result.hpp>

#include <functional>

namespace commonbuf::os {

/// Runs `work` in a thread of its own and returns at once: for a system call that may hang, which
/// nothing but a signal could end. Threads are kept for a few seconds and used again; signals of
/// the program are blocked in them. `work` must not throw. Thread-safe, also in a child of fork().
///
/// Errors: out_of_memory (the system starts no thread).
Status run_aside(std::function<void()> work);

} // namespace commonbuf::os
