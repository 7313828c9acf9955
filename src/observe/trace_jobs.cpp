// SPDX-License-Identifier: MIT
#include "observe/trace_jobs.hpp"

#include "sync/fence_set.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace commonbuf::trace {
namespace {

// Each run holds a descriptor. No pipeline has so many at once.
constexpr std::size_t many_runs = 64;
constexpr std::size_t max_runs = 256;
// The limit for jobs that gathered and were never published.
constexpr std::size_t max_gathered = 256;
// A job that takes longer may never end.
constexpr Time long_time = std::chrono::milliseconds(500);

} // namespace

std::string to_text(const Place& where)
{
    const std::string_view path = where.file;
    std::string text(path.substr(path.find_last_of('/') + 1));
    if (!text.empty())
        text += ':' + std::to_string(where.line);
    return text;
}

void Jobs::gathered(const watch::JobRun& run)
{
    if (gathered_.size() == max_gathered)
        gathered_.erase(gathered_.begin());
    Gathered& entry = gathered_[run.number];
    entry.at = now();
    if (run.concurrent)
        return;
    for (const auto& [buffer, access] : run.parts)
        records_.of(*buffer).add_before(access, entry.after);
}

void Jobs::published(const watch::JobRun& run, const Fence& done)
{
    Run made;
    made.published = made.gathered = now();
    if (const auto entry = gathered_.find(run.number); entry != gathered_.end()) {
        made.gathered = entry->second.at;
        made.after = std::move(entry->second.after);
        gathered_.erase(entry);
    }
    made.slice = std::make_shared<Slice>(Slice{.name = std::string(run.name), .kind = Kind::job});
    made.where = to_text(run.where);
    made.done = done;
    for (const auto& [buffer, access] : run.parts) {
        Record& record = records_.of(*buffer);
        if (made.buffers.size() > 1)
            made.buffers += ',';
        record.describe(made.buffers, access);
        // As in Job::publish(): others who work on it at the same time still count.
        record.used(run.concurrent ? Access::read : access, made.slice);
    }
    made.buffers += ']';
    for (const auto& point : points_of(done))
        by_point_[point] = made.slice;
    for (const SliceRef& before : made.after)
        tracks_.connect(before, made.slice);
    runs_.push_back(std::move(made));

    if (runs_.size() % many_runs == 0)
        settle();
    while (!runs_.empty() && draw_if_over(runs_.front()))
        runs_.pop_front();
}

std::vector<SliceRef> Jobs::waited_for(const Fence& fence, Time since)
{
    settle();
    std::vector<SliceRef> jobs;
    for (const auto& point : points_of(fence)) {
        const auto known = by_point_.find(point);
        if (known == by_point_.end() || point->known() == FenceState::pending)
            continue;
        const SliceRef& slice = known->second;
        if ((!slice->over || slice->end >= since) && std::find(jobs.begin(), jobs.end(), slice) == jobs.end())
            jobs.push_back(slice);
    }
    return jobs;
}

void Jobs::settle()
{
    std::erase_if(runs_, [this](Run& run) { return draw_if_over(run); });
    // Drop many at once, or all the others would be asked each time.
    const bool too_many = runs_.size() >= max_runs;
    while (too_many && runs_.size() > max_runs - many_runs) {
        draw(runs_.front(), {.at = now(), .pending = true});
        runs_.pop_front();
    }
    const Time old = now() - long_time;
    for (Run& run : runs_) {
        if (!run.begun && run.published < old)
            begin(run);
    }
    std::erase_if(by_point_, [](const auto& entry) { return entry.first.expired(); });
}

void Jobs::end()
{
    settle();
    for (Run& run : runs_)
        draw(run, {.at = now(), .pending = true});
    runs_.clear();
}

/// Returns when its fence signalled; nothing while it is pending.
std::optional<Jobs::End> Jobs::end_of(const Run& run)
{
    End end{.at = run.published};
    if (points_of(run.done).empty())
        return end; // the work was over when it was published
    const auto parts = run.done.parts();
    if (!parts)
        return End{.at = now(), .exact = false};
    Time last{0};
    for (const FencePart& part : *parts) {
        if (part.state == FenceState::pending)
            return std::nullopt;
        if (part.state == FenceState::failed)
            end.sys_errno = part.sys_errno;
        // Fence::failed() has no time; neither has a fence that is known only by poll().
        end.exact = end.exact && (part.signalled_at > Time(0) || part.state == FenceState::failed);
        last = std::max(last, part.signalled_at);
    }
    if (!end.exact)
        end.at = now();
    else if (last > Time(0))
        end.at = last;
    // The fence of earlier work does not end a later job, and drivers may give the time of a picture
    // that is about to be shown.
    end.at = std::clamp(end.at, run.gathered, std::max(run.gathered, now()));
    return end;
}

bool Jobs::draw_if_over(Run& run)
{
    const auto end = end_of(run);
    if (end)
        draw(run, *end);
    return end.has_value();
}

void Jobs::begin(Run& run)
{
    Slice& slice = *run.slice;
    slice.begin = run.published;
    tracks_.place(slice, slice.name);
    Event event = tracks_.shown('B', slice, run.buffers, run.where);
    file_.add(event);
    run.begun = true;
}

void Jobs::draw(Run& run, const End& end)
{
    Slice& slice = *run.slice;
    if (!run.begun) {
        // A short job may be over before it is published.
        slice.begin = run.published < end.at ? run.published : run.gathered;
        for (const SliceRef& before : run.after) {
            if (before->over && before->end < end.at)
                slice.begin = std::max(slice.begin, before->end);
        }
        tracks_.place(slice, slice.name);
    }
    Tracks::free(slice, end.at);
    Event event = run.begun ? tracks_.event('E', slice) : tracks_.shown('X', slice, run.buffers, run.where);
    if (run.begun)
        event.at(slice.end);
    if (end.sys_errno != 0)
        event.arg("errno", end.sys_errno);
    if (end.pending)
        event.arg("end", "its fence has not signalled");
    else if (!end.exact)
        event.arg("end", "at the latest");
    file_.add(event);
}

} // namespace commonbuf::trace
