// SPDX-License-Identifier: MIT
//
// The trace: what happens to buffers, for chrome://tracing, ui.perfetto.dev and "allocinfo
// timeline". Each device has rows (trace_tracks.hpp) of slices:
//
//   CPU       |wait|= read 3 =|          B and E, an access between its begin and end
//   camera    |=== capture 4 ====|      B and E, between queue and dequeue
//   blur         |=== blur ==|           X, from publish() until its fence has signalled
//   pool      |== in the pool ==|        B and E, between release and acquire
//
// Arrows (s and f) lead from a slice to those that had to come after it.
#include "observe/trace.hpp"

#include "base/log.hpp"
#include "base/text.hpp"
#include "observe/trace_buffers.hpp"
#include "observe/trace_jobs.hpp"
#include "os/process.hpp"

#include <commonbuf/trace.hpp>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <utility>
#include <vector>

namespace commonbuf::trace {
namespace {

const char* words_for(Access access)
{
    switch (access) {
    case Access::read: return "read";
    case Access::write: return "write";
    case Access::read_write: break;
    }
    return "read and write";
}

/// Replaces %p by the process number, for several programs at once.
std::string expanded(std::string path, int pid)
{
    for (auto at = path.find("%p"); at != std::string::npos; at = path.find("%p", at))
        path.replace(at, 2, std::to_string(pid));
    return path;
}

} // namespace

/// Everything that belongs to one file.
struct Trace::Session {
    struct Open {
        SliceRef slice;
        Access access = Access::read;
    };

    Session(File opened, int pid) : file(std::move(opened)), tracks(file, pid), jobs(file, tracks, records) {}

    /// Begins a slice now, in a row of the device or, without one, of the calling thread.
    void open(Open& made, Slice what, std::string_view device, const watch::Subject& buffer, const Place& where)
    {
        what.begin = now();
        made.slice = std::make_shared<Slice>(std::move(what));
        if (device.empty())
            tracks.place_here(*made.slice);
        else
            tracks.place(*made.slice, device);
        std::string buffers = "[";
        records.of(buffer).describe(buffers, made.access);
        Event event = tracks.shown('B', *made.slice, buffers + "]", to_text(where));
        file.add(event);
    }

    void close(const Open& made, const char* why = nullptr)
    {
        Tracks::free(*made.slice, now());
        Event event = tracks.event('E', *made.slice);
        event.at(made.slice->end);
        if (why != nullptr)
            event.arg("end", why);
        file.add(event);
    }

    template <typename Map, typename Key>
    void close_if_open(Map& map, const Key& key)
    {
        const auto found = map.find(key);
        if (found == map.end())
            return;
        close(found->second);
        map.erase(found);
    }

    /// Draws arrows from the earlier users of the buffer, except those that a wait has already.
    void connect(const watch::Subject& buffer, const Open& to, int waiter)
    {
        Record& record = records.of(buffer);
        std::vector<SliceRef> before;
        record.add_before(to.access, before);
        for (const SliceRef& slice : before) {
            if (waiter == 0 || slice->waited_for != waiter)
                tracks.connect(slice, to.slice);
        }
        if (to.access != Access::read)
            record.overwritten();
    }

    File file;
    Tracks tracks;
    Records records;
    Jobs jobs;
    std::map<std::uint64_t, Open> on_cpu;                                        ///< by the access's number
    std::map<std::pair<const void*, const watch::Subject*>, Open> with_a_device; ///< by queue
    std::map<const watch::Subject*, Open> in_a_pool;
};

Trace::Trace() = default;
Trace::~Trace() = default;

Status Trace::begin(const std::string& path)
{
    const std::lock_guard lock(mutex_);
    if (const Status ended = end_locked(); !ended)
        log("the trace is not complete: " + ended.error().message());
    if (Status begun = begin_locked(path); !begun)
        return begun;
    watch::sit(watch::Seat::trace, this);
    return {};
}

void Trace::begin_later(const std::string& path)
{
    const std::lock_guard lock(mutex_);
    later_ = path;
    watch::sit(watch::Seat::trace, this);
}

Status Trace::begin_locked(const std::string& path)
{
    later_.clear();
    const int pid = os::process_id();
    auto file = File::create(expanded(path, pid));
    if (!file)
        return file.error();
    pid_ = pid;
    session_ = std::make_unique<Session>(std::move(*file), pid);
    session_->file.add(Event('M', pid, pid).name("process_name").arg("name", os::process_name()));
    return {};
}

Status Trace::end()
{
    // A child of fork() has a copy of the lock, perhaps a locked one.
    if (const int owner = pid_; owner != 0 && owner != os::process_id())
        return {};
    const std::lock_guard lock(mutex_);
    return end_locked();
}

Status Trace::end_locked()
{
    watch::sit(watch::Seat::trace, nullptr);
    later_.clear();
    if (session_ == nullptr)
        return std::exchange(written_, {});
    const auto session = std::exchange(session_, nullptr);
    if (pid_ != os::process_id()) {
        session->file.abandon();
        return {};
    }
    session->jobs.end();
    const auto close_all = [&session](const auto& slices) {
        for (const auto& [key, open] : slices)
            session->close(open, "the trace ended before");
    };
    close_all(session->on_cpu);
    close_all(session->with_a_device);
    close_all(session->in_a_pool);
    session->tracks.draw_arrows();
    return session->file.end();
}

/// Every event goes through here.
template <typename Note>
void Trace::note(Note note_down)
{
    const std::lock_guard lock(mutex_);
    if (!later_.empty()) {
        const Status begun = begin_locked(std::exchange(later_, {}));
        if (!begun) {
            // The environment asked for it, and the program may have no handler for the log.
            watch::sit(watch::Seat::trace, nullptr);
            log("no trace: " + begun.error().message());
            std::fprintf(stderr, "commonbuf: no trace: %s\n", text::printable(begun.error().message()).c_str());
        }
    }
    if (session_ == nullptr)
        return;
    note_down(*session_);
    // A failed flush in there has ended the session.
    if (const Time time = now(); session_ != nullptr && session_->file.should_flush(time))
        flush(time);
}

void Trace::flush(Time time)
{
    // In a child of fork() the file is its parent's.
    const bool ours = pid_ == os::process_id();
    if (ours) {
        session_->jobs.settle();
        session_->tracks.draw_arrows();
        written_ = session_->file.flush(time);
        if (written_)
            return;
    }
    session_->file.abandon();
    session_.reset();
    watch::sit(watch::Seat::trace, nullptr);
    if (ours)
        log("the trace ends here: " + written_.error().message());
}

void Trace::cpu_began(watch::Subject& buffer, std::uint64_t number, const watch::Site& site)
{
    note([&](Session& session) {
        Session::Open& open = session.on_cpu[number];
        open.access = site.access;
        session.open(open, {.name = words_for(site.access), .kind = Kind::cpu}, {}, buffer, site.where);
        session.connect(buffer, open, os::thread_id());
    });
}

void Trace::cpu_ended(watch::Subject&, std::uint64_t number)
{
    note([&](Session& session) { session.close_if_open(session.on_cpu, number); });
}

void Trace::job_gathered(const watch::JobRun& run, const Fence&)
{
    note([&](Session& session) { session.jobs.gathered(run); });
}

void Trace::job_published(const watch::JobRun& run, const Fence& done)
{
    note([&](Session& session) { session.jobs.published(run, done); });
}

void Trace::queued(watch::Subject& buffer, const void* queue, const watch::Site& site)
{
    note([&](Session& session) {
        Session::Open& open = session.with_a_device[{queue, &buffer}];
        open.access = site.access;
        const char* name = site.access == Access::read ? "output" : "capture";
        session.open(open, {.name = name, .kind = Kind::v4l2}, site.who, buffer, site.where);
        session.connect(buffer, open, 0);
    });
}

void Trace::dequeued(watch::Subject& buffer, const void* queue, bool failed)
{
    note([&](Session& session) {
        const auto found = session.with_a_device.find({queue, &buffer});
        if (found == session.with_a_device.end())
            return; // it was queued before the trace began
        const Session::Open open = found->second;
        session.with_a_device.erase(found);
        session.close(open, failed ? "failed" : nullptr);
        if (open.access != Access::read && !failed)
            session.records.of(buffer).used(open.access, open.slice);
    });
}

void Trace::released(watch::Subject& buffer, const Fence&, const Place& where)
{
    note([&](Session& session) {
        session.close_if_open(session.in_a_pool, &buffer);
        session.open(session.in_a_pool[&buffer], {.name = "in the pool", .kind = Kind::pool}, "pool", buffer, where);
    });
}

void Trace::acquired(watch::Subject& buffer, const Place&)
{
    note([&](Session& session) { session.close_if_open(session.in_a_pool, &buffer); });
}

void Trace::waited(const Fence& fence, std::chrono::steady_clock::time_point begun, bool good)
{
    note([&](Session& session) {
        const auto slice = std::make_shared<Slice>(
            Slice{.name = "wait", .kind = Kind::cpu, .waits = true, .begin = begun.time_since_epoch()});
        for (const SliceRef& job : session.jobs.waited_for(fence, slice->begin)) {
            slice->name += slice->name == "wait" ? " for " : ", ";
            slice->name += job->name;
            if (good) {
                job->waited_for = os::thread_id();
                session.tracks.connect(job, slice);
            }
        }
        session.tracks.place_here(*slice);
        Tracks::free(*slice, now());
        Event event = session.tracks.event('X', *slice);
        event.name(slice->name).category("wait").at(slice->begin).lasts(slice->end - slice->begin);
        if (!good)
            event.arg("end", "in vain");
        session.file.add(event);
        // A program that waits in vain is often killed next.
        if (!good)
            flush(now());
    });
}

void Trace::gone(watch::Subject& buffer)
{
    note([&](Session& session) {
        session.close_if_open(session.in_a_pool, &buffer);
        session.records.forget(buffer);
    });
}

namespace {

/// Never destroyed: buffers may be used until the very end of the program.
Trace& instance()
{
    static auto* const trace = new Trace;
    return *trace;
}

/// Completes the file when the program ends.
void end_at_exit()
{
    static const bool once =
        (std::atexit([] {
             // The log may be gone already.
             if (const Status ended = instance().end(); !ended)
                 std::fprintf(stderr, "commonbuf: trace: %s\n", text::printable(ended.error().message()).c_str());
         }),
         true);
    static_cast<void>(once);
}

[[maybe_unused]] const bool from_environment = [] {
    // A program with more rights than its caller writes no files where the caller says.
    const char* path = ::secure_getenv("COMMONBUF_TRACE");
    if (path == nullptr || *path == '\0')
        return false;
    instance().begin_later(path);
    end_at_exit();
    return true;
}();

} // namespace
} // namespace commonbuf::trace

namespace commonbuf {

Status set_trace(const std::string& path)
{
    if (path.empty())
        return trace::instance().end();
    Status begun = trace::instance().begin(path);
    if (begun)
        trace::end_at_exit();
    return begun;
}

} // namespace commonbuf
