// SPDX-License-Identifier: MIT
#include "observe/trace_event.hpp"

#include <array>
#include <charconv>
#include <cstddef>
#include <utility>

namespace commonbuf::trace {
namespace {

/// Returns the size of the first character in bytes; 0 if the bytes are not UTF-8 (RFC 3629: only
/// the shortest form, no surrogates, nothing above U+10FFFF).
std::size_t utf8_length(std::string_view bytes)
{
    const auto byte = [bytes](std::size_t index) {
        return index < bytes.size() ? static_cast<unsigned char>(bytes[index]) : 0U;
    };
    const auto follows = [&byte](std::size_t index) { return (byte(index) & 0xc0U) == 0x80; };
    const unsigned first = byte(0);
    const unsigned second = byte(1);
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf)
        return follows(1) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        const bool wrong = (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f);
        return !wrong && follows(1) && follows(2) ? 3 : 0;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        const bool wrong = (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
        return !wrong && follows(1) && follows(2) && follows(3) ? 4 : 0;
    }
    return 0;
}

void append_control(std::string& to, unsigned char byte)
{
    constexpr std::array<char, 17> digits{"0123456789abcdef"};
    to += "\\u00";
    to += digits[byte >> 4U];
    to += digits[byte & 0xfU];
}

} // namespace

void append_string(std::string& to, std::string_view words)
{
    to += '"';
    while (!words.empty()) {
        const std::size_t length = utf8_length(words);
        const char first = words.front();
        if (length == 0) {
            to += "\xEF\xBF\xBD"; // U+FFFD
        } else if (length == 1 && (static_cast<unsigned char>(first) < 0x20 || first == 0x7f)) {
            append_control(to, static_cast<unsigned char>(first));
        } else {
            if (first == '"' || first == '\\')
                to += '\\';
            to += words.substr(0, length);
        }
        words.remove_prefix(length == 0 ? 1 : length);
    }
    to += '"';
}

void append_number(std::string& to, std::int64_t number)
{
    std::array<char, 24> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number);
    to.append(digits.data(), end.ptr);
}

Event::Event(char phase, int pid, int tid)
{
    text_.reserve(384);
    text_ = R"({"ph":")";
    text_ += phase;
    text_ += R"(","pid":)";
    append_number(text_, pid);
    key("tid");
    append_number(text_, tid);
}

void Event::key(const char* name)
{
    text_ += ",\"";
    text_ += name;
    text_ += "\":";
}

void Event::arg_key(const char* name)
{
    if (std::exchange(has_args_, true)) {
        key(name);
        return;
    }
    key("args");
    text_ += "{\"";
    text_ += name;
    text_ += "\":";
}

/// Appends a time in microseconds, the unit of the format, without losing nanoseconds.
void Event::append_time(Time time)
{
    const auto whole = time.count() / 1000;
    const auto rest = static_cast<unsigned>(time.count() % 1000);
    append_number(text_, whole);
    text_ += '.';
    text_ += static_cast<char>('0' + rest / 100);
    text_ += static_cast<char>('0' + rest / 10 % 10);
    text_ += static_cast<char>('0' + rest % 10);
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

Event& Event::at(Time time)
{
    key("ts");
    append_time(time);
    return *this;
}

Event& Event::lasts(Time time)
{
    key("dur");
    append_time(time);
    return *this;
}

Event& Event::arrow(std::uint64_t number, bool far_end)
{
    key("id");
    append_number(text_, static_cast<std::int64_t>(number));
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
    append_number(text_, number);
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

} // namespace commonbuf::trace
