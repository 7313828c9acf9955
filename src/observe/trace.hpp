// SPDX-License-Identifier: MIT
#pragma once

#include "observe/trace_file.hpp"
#include "sync/watch.hpp"

#include <commonbuf/result.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

namespace commonbuf::trace {

/// Writes down what a watcher is told; see set_trace(). One file at a time. Thread-safe.
class Trace final : public watch::Watcher {
public:
    Trace();
    ~Trace() override;

    /// Ends what was there and begins a file.
    Status begin(const std::string& path);

    /// The same at the first thing that happens. Whether that works is told to the log.
    void begin_later(const std::string& path);

    /// Completes the file. Errors: of any write since it was begun.
    Status end();

    void cpu_began(BufferState& buffer, std::uint64_t number, const watch::Site& site) override;
    void cpu_ended(BufferState& buffer, std::uint64_t number) override;
    void cpu_touched_late(const Place&, const Place&) override {}
    void job_gathered(const watch::JobRun& run, const Fence& before) override;
    void job_published(const watch::JobRun& run, const Fence& done) override;
    void queued(BufferState& buffer, const void* queue, const watch::Site& site) override;
    void dequeued(BufferState& buffer, const void* queue, bool failed) override;
    // The display's jobs are in the trace.
    void shown(BufferState&, const void*, const watch::Site&) override {}
    void replaced(BufferState&, const void*) override {}
    void released(BufferState& buffer, const Fence& until, const Place& where) override;
    void acquired(BufferState& buffer, const Place& where) override;
    void waited(const Fence& fence, std::chrono::steady_clock::time_point begun, bool good) override;
    void gone(BufferState& buffer) override;

private:
    struct Session;

    Status begin_locked(const std::string& path);
    Status end_locked();
    template <typename Note>
    void note(Note note_down);
    void flush(Time time);

    std::mutex mutex_;
    std::unique_ptr<Session> session_; ///< while a file is open
    std::string later_;                ///< the file that is to be opened
    Status written_;
    std::atomic<int> pid_{0}; ///< of the process that opened the file
};

} // namespace commonbuf::trace
