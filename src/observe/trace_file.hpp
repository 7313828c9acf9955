// SPDX-License-Identifier: MIT
#pragma once

#include "observe/trace_event.hpp"

#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

#include <string>

namespace commonbuf::trace {

/// The file of a trace: a JSON array with one event a line. Viewers do without its end, so
/// that what a killed program leaves behind can be read. Not thread-safe.
class File {
public:
    /// Nothing that is written to.
    File() = default;

    /// Errors: those of os::create_file().
    static Result<File> create(const std::string& path);

    explicit operator bool() const noexcept { return static_cast<bool>(fd_); }

    void add(Event& event);

    /// Whether so much or so old is held back that it should be written now.
    bool should_flush(Time now) const noexcept;

    /// Writes what was held back. Errors: those of write(2).
    Status flush(Time now);

    /// Writes the end, and closes the file also when that fails.
    Status end();

    /// Closes the file as it is: what is held back belongs to somebody else.
    void abandon() noexcept;

private:
    UniqueFd fd_;
    std::string path_;
    std::string held_;
    Time last_flush_{0};
    bool empty_ = true;
};

} // namespace commonbuf::trace
