// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace commonbuf::trace {

/// CLOCK_MONOTONIC, the clock of fences and of std::chrono::steady_clock.
using Time = std::chrono::nanoseconds;

inline Time now() noexcept { return std::chrono::steady_clock::now().time_since_epoch(); }

/// Appends words as a JSON string with its quotes. Names come from drivers and callers: bytes that
/// are not UTF-8 become U+FFFD, so that the file stays JSON.
void append_string(std::string& to, std::string_view words);

/// One event as a line of JSON, in the words of the "Trace Event Format" that Chrome and
/// Perfetto read:
///
///     Event('X', pid, tid).name("blur").category("job").at(begin).lasts(length).arg("fence", 3).take()
///
/// All strings except names and values of arguments are the library's own.
class Event {
public:
    Event(char phase, int pid, int tid);

    Event& name(std::string_view words);
    Event& category(const char* word);
    Event& at(Time time);
    Event& lasts(Time time);
    /// Makes it an end of this arrow. The far end belongs to the slice around it.
    Event& arrow(std::uint64_t number, bool far_end);

    Event& arg(const char* key, std::string_view words);
    Event& arg(const char* key, std::int64_t number);
    /// A value that is JSON already.
    Event& arg_json(const char* key, std::string_view json);

    std::string take();

private:
    void key(const char* name);
    void arg_key(const char* name);
    Event& timed(const char* name, Time time);

    std::string text_;
    bool has_args_ = false;
};

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
