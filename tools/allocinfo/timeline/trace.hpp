// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/result.hpp>

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Traces that the library wrote (COMMONBUF_TRACE), read back.
namespace allocinfo::timeline {

/// How to get a trace.
inline constexpr const char* how_to_get_one =
    "COMMONBUF_TRACE=FILE in the environment of a program makes it write a trace";

/// Milliseconds since the trace's first slice.
using Time = double;

/// What a slice did to one buffer. The words are those of the file, which may hold anything.
struct BufferUse {
    std::string id;
    std::string format;
    std::string size;
    std::string access;
};

enum class Kind { access, wait, pool, other };

/// One access, wait or stay in a pool.
struct Slice {
    std::size_t row = 0;
    Time begin = 0;
    Time end = 0;
    std::string name;
    Kind kind = Kind::other;
    bool reads = false;
    bool writes = false;
    bool failed = false;
    bool open = false; ///< it had not ended when the trace did
    std::vector<BufferUse> buffers;
    std::string where;
    std::string note; ///< how it ended, if that was unusual
};

/// From a piece of work to one that waited for it.
struct Arrow {
    std::size_t from_row = 0;
    Time from = 0;
    std::size_t to_row = 0;
    Time to = 0;
    std::string name; ///< "fence" or "frame"
};

struct Device {
    std::string name;
    std::vector<std::size_t> rows;
};

struct Trace {
    std::vector<Device> devices;        ///< in the order in which they are shown
    std::vector<std::size_t> device_of; ///< of each row
    std::vector<Slice> slices;          ///< by their begin
    std::vector<Arrow> arrows;
    Time length = 0;
    std::size_t events = 0;
    std::size_t ignored = 0; ///< events that make no sense
    bool complete = true;    ///< it has its end
};

/// A trace in the JSON format of Chrome and Perfetto: the array, with or without its end, or
/// the object with "traceEvents". The content is not trusted.
///
/// `progress`, if there is any, is called now and then with the number of events so far.
///
/// Errors: invalid_argument (not JSON, other JSON, no events, more than 2,000,000 of them), with `name` for the
/// file.
using Progress = std::function<void(std::size_t events)>;
commonbuf::Result<Trace> parse(std::string_view text, const std::string& name, const Progress& progress = {});

/// The same from a file. Errors: what the system answers too.
commonbuf::Result<Trace> read(const std::string& path);

struct Window {
    Time from = 0;
    Time to = 0;
};

/// The part with about the first twelve frames of the device that has the most, or all of a short
/// trace.
Window first_frames(const Trace& trace);

/// The part that was asked for, with the ends of the trace as defaults. Errors: invalid_argument
/// (it is empty).
commonbuf::Result<Window> window_of(const Trace& trace, const Window& otherwise, std::optional<Time> from,
                                    std::optional<Time> to);

/// Whether any part of a slice is inside.
inline bool overlaps(const Window& window, const Slice& slice)
{
    return slice.end >= window.from && slice.begin <= window.to;
}

/// The device with the most accesses in a window, and these accesses: the frames.
struct Busiest {
    std::size_t device = 0;
    std::vector<const Slice*> frames;
};
Busiest busiest(const Trace& trace, const Window& window);

} // namespace allocinfo::timeline
