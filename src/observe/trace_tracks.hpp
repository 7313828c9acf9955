// SPDX-License-Identifier: MIT
#pragma once

#include "observe/trace_file.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace commonbuf::trace {

enum class Kind : std::uint8_t { cpu, v4l2, job, pool };

/// A row of the viewer.
struct Lane {
    int tid = 0;
    Time free_from{0};
    bool open = false;
};

/// One access, wait or stay: a bar in the viewer.
struct Slice {
    std::string name;
    Kind kind = Kind::cpu;
    bool waits = false;   ///< for a fence: its arrow comes at its end
    Lane* lane = nullptr; ///< where it is drawn; none while its beginning is not known
    Time begin{0};
    Time end{0};
    bool over = false;  ///< it is in the file with its end
    int waited_for = 0; ///< the thread that waited for it last, and has its arrow
};
using SliceRef = std::shared_ptr<Slice>;

/// Chooses the row of each slice. Viewers want the slices of one row nested, but a device has
/// several buffers at a time that come and go in any order. So each device has as many rows as it
/// has slices at once, all under the device's name:
///
///     camera   |== buffer 1 ==|== buffer 3 ==|
///     camera      |== buffer 2 ==|== buffer 4 ==|
///
/// The first row of a thread has the thread's own number. All others have numbers above those of
/// Linux.
class Tracks {
public:
    Tracks(File& file, int pid) : file_(file), pid_(pid) {}

    /// Gives the slice a row, from its beginning until free().
    void place(Slice& slice, std::string_view device);
    static void free(Slice& slice, Time end);

    /// Gives the slice a row of the calling thread.
    void place_here(Slice& slice);

    /// Makes an event in the row of a slice.
    Event event(char phase, const Slice& slice) const { return {phase, pid_, slice.lane->tid}; }

    /// Makes the event that shows a slice, with the access to its buffers: all of it (X), or its beginning (B).
    Event shown(char phase, const Slice& slice, std::string_view buffers, std::string_view where) const;

    /// Connects a slice to one that came after it by an arrow, drawn as soon as both are over.
    void connect(const SliceRef& from, const SliceRef& to);
    void draw_arrows();

private:
    struct Track {
        std::size_t number = 0; ///< viewers show them in this order
        std::deque<Lane> lanes;
    };

    void place_in(Track& track, int first_tid, Slice& slice, std::string_view device);
    Track& track_of(Kind kind, std::string_view device);
    void draw_arrow(const Slice& from, const Slice& to);
    void name_row(const Track& track, const Lane& lane, std::string_view device);

    File& file_;
    int pid_;
    int next_tid_ = 1 << 23; // PID_MAX_LIMIT of Linux is 2^22
    std::uint64_t arrows_ = 0;
    std::size_t tracks_made_ = 0;
    std::vector<std::pair<SliceRef, SliceRef>> arrows_to_draw_;
    std::array<std::map<std::string, Track, std::less<>>, 4> tracks_;
};

} // namespace commonbuf::trace
