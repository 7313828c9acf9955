// SPDX-License-Identifier: MIT
#pragma once

#include "observe/trace_buffers.hpp"
#include "observe/trace_tracks.hpp"
#include "sync/watch.hpp"

#include <commonbuf/fence.hpp>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace commonbuf {
class FencePoint;
}

namespace commonbuf::trace {

/// The published jobs whose end is not known yet. The kernel remembers when a fence signalled
/// (Fence::parts()), so there is no need to look at once: the kernel is asked when the next job is
/// published, and about all jobs when the file is written.
///
///     gather()  publish()                 signalled            asked
///        |          |=========== blur ==========|                 |
///                   ^ or when the last job before it was done
class Jobs {
public:
    Jobs(File& file, Tracks& tracks, Records& records) : file_(file), tracks_(tracks), records_(records) {}

    void gathered(const watch::JobRun& run);
    void published(const watch::JobRun& run, const Fence& done);

    /// Returns the jobs that ended with these fences, but not before this time.
    std::vector<SliceRef> waited_for(const Fence& fence, Time since);

    /// Writes the jobs that are over, and the beginning of those that may never end.
    void settle();

    /// Writes all jobs, over or not.
    void end();

private:
    struct Gathered {
        Time at{0};
        std::vector<SliceRef> after;
    };
    struct Run {
        SliceRef slice;
        std::string buffers = "["; ///< JSON
        std::string where;
        Time gathered{0};
        Time published{0};
        std::vector<SliceRef> after;
        Fence done;
        bool begun = false; ///< its beginning is in the file
    };
    struct End {
        Time at{0};
        int sys_errno = 0;
        bool exact = true; ///< otherwise it was over by then
        bool pending = false;
    };

    static std::optional<End> end_of(const Run& run);
    bool draw_if_over(Run& run);
    void draw(Run& run, const End& end);
    void begin(Run& run);

    File& file_;
    Tracks& tracks_;
    Records& records_;
    std::map<std::uint64_t, Gathered> gathered_; ///< by the run's number
    std::deque<Run> runs_;                       ///< in the order in which they were published
    std::map<std::weak_ptr<FencePoint>, SliceRef, std::owner_less<>> by_point_;
};

/// "pipeline.cpp:42".
std::string to_text(const Place& where);

} // namespace commonbuf::trace
