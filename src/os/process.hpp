// SPDX-License-Identifier: MIT
#pragma once

#include <string>

/// Who we are.
namespace commonbuf::os {

/// getpid(2): another one in a child of fork(2).
int process_id() noexcept;

/// gettid(2), asked once for each thread.
int thread_id() noexcept;

/// The name that the program was started by, without its folder.
std::string process_name();

} // namespace commonbuf::os
