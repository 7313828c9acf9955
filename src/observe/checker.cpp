// SPDX-License-Identifier: MIT
//
// What is known of one buffer:
//
//   brackets   CPU accesses between START and END
//   works      work of devices: a V4L2 queue from QBUF to DQBUF, a job from publish() until its
//              fence has signalled
//   released   a pool has it
//
// A new access is compared with the active ones that conflict: two accesses conflict if one of them
// writes. A bracket waits for the fences of published jobs before it starts, so it conflicts only
// with a queue or with a job that was not published on this buffer. Two jobs are in order if the
// second one gathered after the first one published.
#include "observe/checker.hpp"

#include "base/log.hpp"
#include "base/text.hpp"
#include "os/page_guard.hpp"
#include "sync/fence_set.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace commonbuf {
namespace {

// The limit for jobs that gathered and never published.
constexpr std::size_t max_gathered = 1000;
// For each buffer: from here on, work that is over is forgotten, except for the last write.
constexpr std::size_t many_works = 16;

/// Of this thread, while it holds a lock of the library's.
thread_local std::vector<Finding> found_with_a_lock;

bool reads(Access access) { return access != Access::write; }
bool writes(Access access) { return access != Access::read; }
bool conflict(Access a, Access b) { return writes(a) || writes(b); }

std::string text_of(Access access)
{
    return !writes(access) ? "reads" : !reads(access) ? "writes" : "reads and writes";
}

/// Names an instruction for addr2line(1): " by code in ./program, 0x1234".
std::string text_of(const void* code)
{
    Dl_info info{};
    if (code == nullptr || ::dladdr(code, &info) == 0 || info.dli_fname == nullptr)
        return {};
    const auto offset = reinterpret_cast<std::uintptr_t>(code) - reinterpret_cast<std::uintptr_t>(info.dli_fbase);
    return text::format(" by code in {}, {:#x}", info.dli_fname, offset);
}

std::string text_of(const Place& place)
{
    if (*place.file == '\0')
        return {};
    return text::format("at {}:{} ({})", place.file, place.line, place.function);
}

std::string text_of(const CheckedAccess& access)
{
    const std::string where = text_of(access.where);
    return text::format("{} {}{}{}", access.who, access.what, where.empty() ? "" : " ", where);
}

/// What a bracket, a work or a site stands for.
CheckedAccess by(const auto& one) { return {std::string(one.who), text_of(one.access), one.where}; }

std::string describe(const watch::Subject& buffer)
{
    const Layout& layout = buffer.layout();
    const std::string from = buffer.heap().empty() ? "" : " from " + buffer.heap();
    const std::string image = text::format("{} {}x{}{}", to_string(layout.format), layout.width, layout.height, from);
    const auto id = buffer.dma_buf();
    return id ? text::format("buffer {} ({})", id->inode, image)
              : text::format("buffer of the program's own memory ({})", image);
}

} // namespace

std::string_view to_string(Mistake mistake) noexcept
{
    switch (mistake) {
    case Mistake::cpu_outside_bracket: return "cpu-outside-bracket";
    case Mistake::cpu_writes_in_read: return "cpu-writes-in-read";
    case Mistake::cpu_while_device: return "cpu-while-device";
    case Mistake::bracket_left_open: return "bracket-left-open";
    case Mistake::devices_without_order: return "devices-without-order";
    case Mistake::queued_too_early: return "queued-too-early";
    case Mistake::fence_error_ignored: return "fence-error-ignored";
    case Mistake::used_while_released: break;
    }
    return "used-while-released";
}

Checker::Key Checker::key_of(const watch::Subject& buffer)
{
    const auto id = buffer.dma_buf();
    return id ? Key{id->device, id->inode} : Key{~std::uint64_t{0}, reinterpret_cast<std::uintptr_t>(&buffer)};
}

Checker::Record& Checker::record_of(const watch::Subject& buffer)
{
    const Key key = key_of(buffer);
    Record& record = records_[key];
    record.handles.insert(&buffer);
    left_.erase(key);
    return record;
}

bool Checker::Work::is_active() const
{
    if (queue != nullptr)
        return true;
    return std::ranges::any_of(points_of(done), [](const auto& point) {
        const auto state = point->ask();
        return state && *state == FenceState::pending;
    });
}

const char* Checker::Work::how_to_end() const
{
    return on_screen ? "commit another buffer in its place first" : "dequeue it from the device first";
}

/// Looks for mistakes under the lock, and reports them after it.
template <typename Look>
void Checker::check(Look look)
{
    Reports reports;
    {
        const std::lock_guard lock(mutex_);
        look(reports);
    }
    say(reports);
}

void Checker::used_while_released(const Record& record, const watch::Subject& buffer, const CheckedAccess& second,
                                  Reports& reports)
{
    if (record.released)
        reports.push_back({Mistake::used_while_released,
                           describe(buffer),
                           {"a pool", "got it back", *record.released},
                           second,
                           "acquire the buffer again before using it"});
}

void Checker::left_open(const Record& record, const watch::Subject& buffer, Access access, const CheckedAccess& second,
                        const char* advice, Reports& reports)
{
    for (const Bracket& bracket : record.brackets) {
        if (conflict(bracket.access, access))
            reports.push_back({Mistake::bracket_left_open, describe(buffer), by(bracket), second, advice});
    }
}

void Checker::cpu_began(watch::Subject& buffer, std::uint64_t number, const watch::Site& site)
{
    check([&](Reports& reports) {
        Record& record = record_of(buffer);
        used_while_released(record, buffer, by(site), reports);
        for (const Work& work : record.works) {
            if (conflict(work.access, site.access) && work.is_active())
                reports.push_back({Mistake::cpu_while_device, describe(buffer), by(work), by(site),
                                   work.queue != nullptr ? work.how_to_end()
                                                         : "the job's fence is pending: publish it on this buffer, "
                                                           "through the handle that the CPU uses"});
        }
        record.brackets.push_back({number, site.access, site.where});
    });
}

void Checker::cpu_ended(watch::Subject& buffer, std::uint64_t number)
{
    const std::lock_guard lock(mutex_);
    Record& record = record_of(buffer);
    const auto bracket = std::ranges::find(record.brackets, number, &Bracket::number);
    if (bracket == record.brackets.end())
        return; // begun before the checker was turned on
    record.last_bracket = bracket->where;
    record.brackets.erase(bracket);
}

void Checker::cpu_touched_late(const Place& begun, const Place& touched)
{
    say({{Mistake::cpu_outside_bracket,
          "a buffer",
          {"CPU", "had access", begun},
          {"CPU", "asks for the pixels after its end", touched},
          "begin another access"}});
}

void Checker::touched(watch::Subject& buffer, bool writes_pixels, const void* code)
{
    check([&](Reports& reports) {
        const Record& record = record_of(buffer);
        const CheckedAccess now{"CPU", (writes_pixels ? "writes" : "reads") + text_of(code), Place{}};
        if (!record.brackets.empty())
            reports.push_back({Mistake::cpu_writes_in_read, describe(buffer), by(record.brackets.back()), now,
                               "begin the access with write() or read_write()"});
        else
            reports.push_back({Mistake::cpu_outside_bracket,
                               describe(buffer),
                               {"CPU", "had access", record.last_bracket},
                               now,
                               "touch pixels only between read() or write() and end()"});
    });
}

void Checker::job_gathered(const watch::JobRun& run, const Fence&)
{
    const std::lock_guard lock(mutex_);
    if (gathered_.size() >= max_gathered)
        gathered_.erase(gathered_.begin());
    gathered_[run.number] = watch::next_number();
}

void Checker::publish(const watch::JobRun& run, const watch::JobRun::Part& part, std::optional<std::uint64_t> gathered,
                      Reports& reports)
{
    const Record& record = record_of(*part.buffer);
    const CheckedAccess now{std::string(run.name), text_of(part.access), run.where};
    used_while_released(record, *part.buffer, now, reports);
    left_open(record, *part.buffer, part.access, now, "end the CPU access before the device works on the buffer",
              reports);
    for (const Work& work : record.works) {
        if (!conflict(work.access, part.access) || work.concurrent || run.concurrent)
            continue;
        const bool in_order = work.queue == nullptr && gathered && work.published < *gathered;
        if (!in_order && work.is_active())
            reports.push_back({Mistake::devices_without_order, describe(*part.buffer), by(work), now,
                               work.queue != nullptr ? work.how_to_end()
                               : gathered            ? "it gathered before the other job was published: gather again"
                                                     : "call gather() and let the job wait for the result"});
        if (gathered && reads(part.access) && writes(work.access) && !work.is_active()) {
            const auto points = points_of(work.done);
            const auto bad =
                std::ranges::find_if(points, [](const auto& point) { return point->known() == FenceState::failed; });
            if (bad != points.end() && !(*bad)->told())
                reports.push_back(
                    {Mistake::fence_error_ignored, describe(*part.buffer), by(work), now,
                     "the first job failed: look at what Fence::wait() or sync_file_fd() says before using its "
                     "result"});
        }
    }
}

/// A buffer that is only read, for example a font, would collect readers without end.
void Checker::forget_what_is_over(std::vector<Work>& works)
{
    const auto last_write =
        std::find_if(works.rbegin(), works.rend(), [](const Work& work) { return writes(work.access); });
    const std::uint64_t kept = last_write != works.rend() ? last_write->published : 0;
    std::erase_if(works, [kept](const Work& work) { return work.published != kept && !work.is_active(); });
}

void Checker::job_published(const watch::JobRun& run, const Fence& done)
{
    check([&](Reports& reports) {
        std::optional<std::uint64_t> gathered;
        if (const auto found = gathered_.find(run.number); found != gathered_.end()) {
            gathered = found->second;
            gathered_.erase(found);
        }
        for (const auto& part : run.parts)
            publish(run, part, gathered, reports);
        const std::uint64_t now = watch::next_number();
        for (const auto& part : run.parts) {
            auto& works = record_of(*part.buffer).works;
            // Work that is over matters only as the last write.
            if (writes(part.access))
                std::erase_if(works, [](const Work& work) { return !work.is_active(); });
            if (works.size() >= many_works)
                forget_what_is_over(works);
            works.push_back({.who = std::string(run.name),
                             .access = part.access,
                             .where = run.where,
                             .published = now,
                             .concurrent = run.concurrent,
                             .done = done});
        }
    });
}

void Checker::device_begins(const Record& record, const watch::Subject& buffer, const watch::Site& site,
                            Reports& reports)
{
    used_while_released(record, buffer, by(site), reports);
    left_open(record, buffer, site.access, by(site), "end the CPU access before the device gets the buffer", reports);
}

void Checker::queued(watch::Subject& buffer, const void* queue, const watch::Site& site)
{
    check([&](Reports& reports) {
        Record& record = record_of(buffer);
        device_begins(record, buffer, site, reports);
        for (const Work& work : record.works) {
            if (!conflict(work.access, site.access) || !work.is_active())
                continue;
            if (work.queue == nullptr)
                reports.push_back({Mistake::queued_too_early, describe(buffer), by(work), by(site),
                                   "wait for the job's fence, or use queue_when_ready()"});
            else
                reports.push_back(
                    {Mistake::devices_without_order, describe(buffer), by(work), by(site), work.how_to_end()});
        }
        record.works.push_back({std::string(site.who), site.access, site.where, queue});
    });
}

void Checker::dequeued(watch::Subject& buffer, const void* queue, bool)
{
    const std::lock_guard lock(mutex_);
    auto& works = record_of(buffer).works;
    if (const auto work = std::ranges::find(works, queue, &Work::queue); work != works.end())
        works.erase(work);
}

void Checker::shown(watch::Subject& buffer, const void* display, const watch::Site& site)
{
    check([&](Reports& reports) {
        Record& record = record_of(buffer);
        device_begins(record, buffer, site, reports);
        record.works.push_back({std::string(site.who), site.access, site.where, display, true});
    });
}

void Checker::replaced(watch::Subject& buffer, const void* display) { dequeued(buffer, display, false); }

void Checker::released(watch::Subject& buffer, const Fence&, const Place& where)
{
    check([&](Reports& reports) {
        Record& record = record_of(buffer);
        const CheckedAccess now{"a pool", "gets it back", where};
        left_open(record, buffer, Access::write, now, "end the CPU access before the buffer goes back", reports);
        for (const Work& work : record.works) {
            if (work.queue != nullptr)
                reports.push_back({Mistake::used_while_released, describe(buffer), by(work), now, work.how_to_end()});
        }
        record.released = where;
    });
}

void Checker::acquired(watch::Subject& buffer, const Place&)
{
    const std::lock_guard lock(mutex_);
    record_of(buffer).released.reset();
}

void Checker::waited(const Fence&, std::chrono::steady_clock::time_point, bool) {}

void Checker::gone(watch::Subject& buffer)
{
    const std::lock_guard lock(mutex_);
    const Key key = key_of(buffer);
    const auto record = records_.find(key);
    if (record == records_.end())
        return;
    // Another buffer over the same dma-buf may be in use, and devices may work on it.
    if (record->second.handles.erase(&buffer) != 0 && record->second.handles.empty())
        left_.insert(key);
    forget_what_is_left();
}

std::uint64_t Checker::findings()
{
    const std::lock_guard lock(mutex_);
    forget_what_is_left();
    return findings_.load(std::memory_order_relaxed);
}

void Checker::forget_what_is_left()
{
    for (const Key& each : std::set(left_))
        forget_if_over(each);
}

/// Forgets a dma-buf without a handle when nobody works on it any more.
void Checker::forget_if_over(const Key& key)
{
    const auto record = records_.find(key);
    const auto active = [](const Work& work) { return work.is_active(); };
    if (record == records_.end() ||
        (record->second.brackets.empty() && std::ranges::none_of(record->second.works, active))) {
        left_.erase(key);
        records_.erase(key);
    }
}

void Checker::at_end()
{
    check([&](Reports& reports) {
        for (const auto& [key, record] : records_) {
            for (const Bracket& bracket : record.brackets)
                reports.push_back({Mistake::bracket_left_open,
                                   text::format("buffer {}", key.second),
                                   by(bracket),
                                   {"the program", "ends", Place{}},
                                   "end every CPU access"});
        }
    });
}

void Checker::say(const Reports& reports)
{
    for (const Report& report : reports) {
        Finding finding{report.mistake, report.buffer, report.first, report.second, {}};
        {
            const std::lock_guard lock(mutex_);
            if (!said_.insert({report.mistake, text_of(report.first), text_of(report.second)}).second)
                continue;
        }
        findings_.fetch_add(1, std::memory_order_relaxed);
        finding.message = text::format("access checker: {}: {}: {}; {}; {}", to_string(finding.mistake), finding.buffer,
                                       text_of(finding.first), text_of(finding.second), report.advice);
        if (watch::is_held_back())
            found_with_a_lock.push_back(std::move(finding));
        else
            tell(finding);
    }
}

void Checker::report()
{
    for (const Finding& finding : std::exchange(found_with_a_lock, {}))
        tell(finding);
}

void Checker::tell(const Finding& finding)
{
    std::shared_ptr<const Listener> listener;
    {
        const std::lock_guard lock(listener_mutex_);
        listener = listener_;
    }
    listener->tell(finding);
}

void Checker::Listener::tell(const Finding& finding) const
{
    if (mode == CheckerMode::off)
        return;
    if (handler) {
        handler(finding);
    } else {
        log(finding.message);
        std::fprintf(stderr, "%s\n", text::printable(finding.message).c_str());
    }
    if (mode == CheckerMode::abort)
        std::abort();
}

void Checker::set(CheckerMode mode, std::function<void(const Finding&)> handler)
{
    auto listener = std::make_shared<const Listener>(Listener{mode, std::move(handler)});
    {
        const std::lock_guard lock(listener_mutex_);
        listener_.swap(listener); // what the old handler holds goes after the lock
    }
    const std::lock_guard lock(mutex_);
    said_.clear();
    if (mode == CheckerMode::off) {
        records_.clear();
        left_.clear();
        gathered_.clear();
    }
}

namespace {

/// Never destroyed: buffers may be used until the very end of the program.
Checker& checker()
{
    static auto* const instance = new Checker;
    return *instance;
}

void from_environment()
{
    const char* wanted = ::secure_getenv("COMMONBUF_CHECK");
    if (wanted == nullptr || *wanted == '\0' || std::string_view(wanted) == "off")
        return;
    const std::string_view word = wanted;
    if (word != "log" && word != "abort")
        std::fprintf(stderr, "commonbuf: COMMONBUF_CHECK=%s is not log, abort or off; using log\n",
                     text::printable(wanted).c_str());
    set_checker_mode(word == "abort" ? CheckerMode::abort : CheckerMode::log);
}

[[maybe_unused]] const bool started = (from_environment(), true);

} // namespace

void set_checker_mode(CheckerMode mode, std::function<void(const Finding&)> handler)
{
    checker().set(mode, std::move(handler));
    if (mode == CheckerMode::off) {
        watch::sit(watch::Seat::checker, nullptr);
        return;
    }
    static const bool once = (std::atexit([] { checker().at_end(); }), true);
    static_cast<void>(once);
    os::page_guard::install([](void* owner, bool writes, const void* code) {
        checker().touched(*static_cast<watch::Subject*>(owner), writes, code);
    });
    watch::sit(watch::Seat::checker, &checker());
}

std::uint64_t checker_findings() noexcept { return checker().findings(); }

} // namespace commonbuf
