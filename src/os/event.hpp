// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

namespace commonbuf::os {

/// Wakes threads that poll its descriptor for reading (eventfd(2)). Thread-safe.
class Event {
public:
    /// Makes one that is not set. Errors: too_many_files, out_of_memory.
    static Result<Event> create();

    int fd() const noexcept { return fd_.get(); }
    void set() const noexcept;
    void clear() const noexcept;

private:
    explicit Event(UniqueFd fd) noexcept : fd_(std::move(fd)) {}
    UniqueFd fd_;
};

} // namespace commonbuf::os
