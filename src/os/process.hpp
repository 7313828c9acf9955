// SPDX-License-Identifier: MIT
#pragma once

#include <string>

/// The identity of this process.
namespace commonbuf::os {

/// Asks getpid(2) every time, because a child of fork(2) has another.
int process_id() noexcept;

/// Asks gettid(2) once for each thread.
int thread_id() noexcept;

/// Returns the name that the program was started by, without its folder.
std::string process_name();

} // namespace commonbuf::os
