// SPDX-License-Identifier: MIT
#include "observe/trace_file.hpp"

#include "base/text.hpp"
#include "os/file.hpp"

#include <cstddef>
#include <utility>

namespace commonbuf::trace {
namespace {

// The most that is lost when the program is killed.
constexpr std::size_t max_held = 64U << 10U;
constexpr Time max_hold = std::chrono::milliseconds(500);

} // namespace

void append_string(std::string& to, std::string_view words)
{
    to += '"';
    while (!words.empty()) {
        const std::size_t length = text::utf8_length(words);
        const char first = words.front();
        if (length == 0) {
            to += "\xEF\xBF\xBD"; // U+FFFD
        } else if (length == 1 && (static_cast<unsigned char>(first) < 0x20 || first == 0x7f)) {
            to += text::format("\\u{:04x}", first);
        } else {
            if (first == '"' || first == '\\')
                to += '\\';
            to += words.substr(0, length);
        }
        words.remove_prefix(length == 0 ? 1 : length);
    }
    to += '"';
}

Event::Event(char phase, int pid, int tid)
{
    text_.reserve(384);
    text_ = R"({"ph":")";
    text_ += phase;
    text_ += R"(","pid":)" + std::to_string(pid);
    key("tid");
    text_ += std::to_string(tid);
}

void Event::key(const char* name) { text_.append(",\"").append(name).append("\":"); }

void Event::arg_key(const char* name)
{
    text_ += std::exchange(has_args_, true) ? ",\"" : R"(,"args":{")";
    text_.append(name).append("\":");
}

/// Adds a time in microseconds, the unit of the format, without losing nanoseconds.
Event& Event::timed(const char* name, Time time)
{
    key(name);
    text_ += text::format("{}.{:03}", time.count() / 1000, time.count() % 1000);
    return *this;
}

Event& Event::name(std::string_view words)
{
    key("name");
    append_string(text_, words);
    return *this;
}

Event& Event::category(const char* word)
{
    key("cat");
    append_string(text_, word);
    return *this;
}

Event& Event::at(Time time) { return timed("ts", time); }
Event& Event::lasts(Time time) { return timed("dur", time); }

Event& Event::arrow(std::uint64_t number, bool far_end)
{
    key("id");
    text_ += std::to_string(number);
    if (far_end)
        text_ += R"(,"bp":"e")";
    return *this;
}

Event& Event::arg(const char* key, std::string_view words)
{
    arg_key(key);
    append_string(text_, words);
    return *this;
}

Event& Event::arg(const char* key, std::int64_t number)
{
    arg_key(key);
    text_ += std::to_string(number);
    return *this;
}

Event& Event::arg_json(const char* key, std::string_view json)
{
    arg_key(key);
    text_ += json;
    return *this;
}

std::string Event::take()
{
    text_ += has_args_ ? "}}" : "}";
    return std::move(text_);
}

Result<File> File::create(const std::string& path)
{
    auto fd = os::create_file(path);
    if (!fd)
        return fd.error();
    File file;
    file.fd_ = std::move(*fd);
    file.path_ = path;
    file.held_.reserve(max_held + max_held / 4);
    file.held_ += "[";
    file.last_flush_ = now();
    return file;
}

void File::add(Event& event)
{
    // The comma comes first: flushed text ends with an event.
    held_ += std::exchange(empty_, false) ? "\n" : ",\n";
    held_ += event.take();
}

bool File::should_flush(Time now) const noexcept { return held_.size() >= max_held || now - last_flush_ >= max_hold; }

Status File::flush(Time now)
{
    last_flush_ = now;
    Status written = os::write_all(fd_.get(), held_, path_);
    held_.clear();
    return written;
}

Status File::end()
{
    held_ += "\n]\n";
    Status written = flush(now());
    abandon();
    return written;
}

void File::abandon() noexcept
{
    fd_.reset();
    held_.clear();
}

} // namespace commonbuf::trace
