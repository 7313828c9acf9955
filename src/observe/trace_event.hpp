// SPDX-License-Identifier: MIT
#pragma once

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

void append_number(std::string& to, std::int64_t number);

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
    void append_time(Time time);

    std::string text_;
    bool has_args_ = false;
};

} // namespace commonbuf::trace
