// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

#include <chrono>

namespace commonbuf::os {

/// Wakes whoever polls its descriptor for reading, after a while (timerfd_create(2)).
class Timer {
public:
    /// Errors: exhausted.
    static Result<Timer> create();

    int fd() const noexcept { return fd_.get(); }
    /// Once, from now on. None stops it.
    void start(std::chrono::nanoseconds after) const noexcept;
    void stop() const noexcept { start({}); }

private:
    explicit Timer(UniqueFd fd) noexcept : fd_(std::move(fd)) {}
    UniqueFd fd_;
};

} // namespace commonbuf::os
