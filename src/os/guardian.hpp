// SPDX-License-Identifier: MIT
#pragma once

#include "os/kernel.hpp"

#include <commonbuf/unique_fd.hpp>

#include <sys/types.h>

#include <span>
#include <utility>

namespace commonbuf::os {

/// Restores a device even if the program is killed: while this object lives, some last ioctls are
/// made when the process ends, whatever ends it. The destructor does nothing to the device.
///
/// This is a help, not a promise: if all processes of a container or control group are killed at
/// once, the guardian is killed too.
class Guardian {
public:
    Guardian() noexcept = default;
    Guardian(Guardian&& other) noexcept = default;
    Guardian& operator=(Guardian&& other) noexcept
    {
        Guardian taken(std::move(other)); // afterwards it dismisses what this object had
        std::swap(line_, taken.line_);
        std::swap(child_, taken.child_);
        return *this;
    }
    ~Guardian();

    /// Starts one that makes `calls` in their order on the file behind `fd`, whatever each of them
    /// returns. It uses the arguments as they are now. If the system allows no child, it guards
    /// nothing.
    static Guardian start(int fd, std::span<const Ioctl> calls) noexcept;

    /// Whether anything is guarded.
    explicit operator bool() const noexcept { return static_cast<bool>(line_); }

private:
    Guardian(UniqueFd line, pid_t child) noexcept : line_(std::move(line)), child_(child) {}

    UniqueFd line_;
    pid_t child_ = -1;
};

} // namespace commonbuf::os
