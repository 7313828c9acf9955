// SPDX-License-Identifier: MIT
#include "os/process.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace commonbuf::os {

int process_id() noexcept { return ::getpid(); }

int thread_id() noexcept
{
    static thread_local const int id = static_cast<int>(::syscall(SYS_gettid));
    return id;
}

std::string process_name() { return program_invocation_short_name; }

} // namespace commonbuf::os
