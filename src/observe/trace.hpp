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

/// Writes what happens to a file; see set_trace(). One file at a time. Thread-safe.
class Trace final : public watch::Watcher {
public:
    Trace();
    ~Trace() override;

    /// Ends the current file and begins another one.
    Status begin(const std::string& path);

    /// Begins a file at the first event. Errors go to the log.
    void begin_later(const std::string& path);

    /// Completes the file. Errors: those of all writes since it was begun.
    Status end();

    void cpu_began(watch::Subject& buffer, std::uint64_t number, const watch::Site& site) override;
    void cpu_ended(watch::Subject& buffer, std::uint64_t number) override;
    void cpu_touched_late(const Place&, const Place&) override {}
    void job_gathered(const watch::JobRun& run, const Fence& before) override;
    void job_published(const watch::JobRun& run, const Fence& done) override;
    void queued(watch::Subject& buffer, const void* queue, const watch::Site& site) override;
    void dequeued(watch::Subject& buffer, const void* queue, bool failed) override;
    // The trace has the display's jobs.
    void shown(watch::Subject&, const void*, const watch::Site&) override {}
    void replaced(watch::Subject&, const void*) override {}
    void released(watch::Subject& buffer, const Fence& until, const Place& where) override;
    void acquired(watch::Subject& buffer, const Place& where) override;
    void waited(const Fence& fence, std::chrono::steady_clock::time_point begun, bool good) override;
    void gone(watch::Subject& buffer) override;

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
