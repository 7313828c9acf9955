// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

#include <chrono>

namespace commonbuf::os {

/// Wakes threads that poll its descriptor for reading after some time (timerfd_create(2)).
class Timer {
public:
    /// Makes one that is stopped. Errors: too_many_files, out_of_memory.
    static Result<Timer> create();

    int fd() const noexcept { return fd_.get(); }
    /// Starts it for one expiry, counted from now. A time of 0 stops it.
    void start(std::chrono::nanoseconds after) const noexcept;
    void stop() const noexcept { start({}); }

private:
    explicit Timer(UniqueFd fd) noexcept : fd_(std::move(fd)) {}
    UniqueFd fd_;
};

} // namespace commonbuf::os
