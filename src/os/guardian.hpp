// SPDX-License-Identifier: MIT
#pragma once

#include "os/kernel.hpp"

#include <commonbuf/unique_fd.hpp>

#include <sys/types.h>

#include <span>
#include <utility>

namespace commonbuf::os {

/// Puts a device back as it was even when the program is killed: while this lives, the
/// end of the process makes the kernel do some last ioctls, however it comes. In the
/// destructor nothing is done to the device.
///
/// It is a help and no promise: whoever kills every process of a container or a control
/// group at once kills the guardian too.
class Guardian {
public:
    Guardian() noexcept = default;
    Guardian(Guardian&& other) noexcept = default;
    Guardian& operator=(Guardian&& other) noexcept
    {
        std::swap(line_, other.line_);
        std::swap(child_, other.child_);
        return *this;
    }
    Guardian(const Guardian&) = delete;
    Guardian& operator=(const Guardian&) = delete;
    ~Guardian();

    /// One that does `calls` in their order on what `fd` refers to, whatever each answers.
    /// The arguments are taken as they stand now. Where the system allows no child it
    /// guards nothing.
    static Guardian start(int fd, std::span<const Ioctl> calls) noexcept;

    /// Whether anything is guarded.
    explicit operator bool() const noexcept { return static_cast<bool>(line_); }

private:
    Guardian(UniqueFd line, pid_t child) noexcept : line_(std::move(line)), child_(child) {}

    UniqueFd line_;
    pid_t child_ = -1;
};

} // namespace commonbuf::os
