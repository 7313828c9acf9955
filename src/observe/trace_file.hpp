// SPDX-License-Identifier: MIT
#pragma once

#include "observe/trace_event.hpp"

#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

#include <string>

namespace commonbuf::trace {

/// The file of a trace: a JSON array with one event on each line. Viewers do not need its end, so
/// the file of a killed program can be read. Not thread-safe.
class File {
public:
    /// Makes no file.
    File() = default;

    /// Creates a file. Errors: those of os::create_file().
    static Result<File> create(const std::string& path);

    explicit operator bool() const noexcept { return static_cast<bool>(fd_); }

    void add(Event& event);

    /// Returns whether enough text, or old enough text, is held back to be written now.
    bool should_flush(Time now) const noexcept;

    /// Writes the text that was held back. Errors: those of write(2).
    Status flush(Time now);

    /// Writes the end and closes the file, even if the write fails.
    Status end();

    /// Closes the file as it is: the text that is held back belongs to another process.
    void abandon() noexcept;

private:
    UniqueFd fd_;
    std::string path_;
    std::string held_;
    Time last_flush_{0};
    bool empty_ = true;
};

} // namespace commonbuf::trace
