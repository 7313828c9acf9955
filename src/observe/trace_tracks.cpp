// SPDX-License-Identifier: MIT
#include "observe/trace_tracks.hpp"

#include "os/process.hpp"

#include <algorithm>

namespace commonbuf::trace {
namespace {

/// Viewers look for a slice around the end of an arrow, so the end must not be on the very edge.
Time inside(const Slice& slice) { return std::min((slice.end - slice.begin) / 2, Time(std::chrono::microseconds(1))); }

const char* category(Kind kind) noexcept
{
    switch (kind) {
    case Kind::cpu: return "cpu";
    case Kind::v4l2: return "v4l2";
    case Kind::job: return "job";
    case Kind::pool: break;
    }
    return "pool";
}

} // namespace

Event Tracks::shown(char phase, const Slice& slice, std::string_view buffers, std::string_view where) const
{
    Event made = event(phase, slice);
    made.name(slice.name).category(category(slice.kind)).at(slice.begin);
    if (phase == 'X')
        made.lasts(slice.end - slice.begin);
    made.arg_json("buffers", buffers).arg("where", where);
    return made;
}

void Tracks::place(Slice& slice, std::string_view device) { place_in(track_of(slice.kind, device), 0, slice, device); }

void Tracks::place_here(Slice& slice)
{
    const int tid = os::thread_id();
    const std::string name = tid == pid_ ? "CPU" : "CPU (thread " + std::to_string(tid) + ")";
    place_in(track_of(Kind::cpu, name), tid, slice, name);
}

void Tracks::free(Slice& slice, Time end)
{
    // Two threads may read the clock in one order and report in the other.
    slice.end = std::max(end, slice.begin);
    slice.over = true;
    slice.lane->open = false;
    slice.lane->free_from = slice.end;
}

Tracks::Track& Tracks::track_of(Kind kind, std::string_view device)
{
    auto& all = tracks_[static_cast<std::size_t>(kind)];
    if (const auto known = all.find(device); known != all.end())
        return known->second;
    Track& track = all[std::string(device)];
    track.number = ++tracks_made_;
    return track;
}

void Tracks::place_in(Track& track, int first_tid, Slice& slice, std::string_view device)
{
    const auto is_free = [&slice](const Lane& lane) { return !lane.open && lane.free_from <= slice.begin; };
    auto lane = std::find_if(track.lanes.begin(), track.lanes.end(), is_free);
    if (lane == track.lanes.end()) {
        const bool first = track.lanes.empty() && first_tid != 0;
        lane = track.lanes.insert(lane, Lane{first ? first_tid : next_tid_++});
        name_row(track, *lane, device);
    }
    lane->open = true;
    slice.lane = &*lane;
}

void Tracks::name_row(const Track& track, const Lane& lane, std::string_view device)
{
    file_.add(Event('M', pid_, lane.tid).name("thread_name").arg("name", device));
    constexpr std::size_t max_rows = 1000;
    const std::size_t index = track.number * max_rows + track.lanes.size();
    file_.add(Event('M', pid_, lane.tid).name("thread_sort_index").arg("sort_index", static_cast<std::int64_t>(index)));
}

void Tracks::connect(const SliceRef& from, const SliceRef& to)
{
    if (from->over && to->over)
        draw_arrow(*from, *to);
    else
        arrows_to_draw_.emplace_back(from, to);
}

void Tracks::draw_arrows()
{
    std::erase_if(arrows_to_draw_, [this](const auto& arrow) {
        const auto& [from, to] = arrow;
        if (!from->over || !to->over)
            return false;
        draw_arrow(*from, *to);
        return true;
    });
}

void Tracks::draw_arrow(const Slice& from, const Slice& to)
{
    // A job ends with a fence; a dequeued frame needs none.
    const char* name = from.kind == Kind::job ? "fence" : "frame";
    const std::uint64_t number = ++arrows_;
    const auto end = [&](char phase, const Slice& slice, Time at) {
        file_.add(event(phase, slice).name(name).category("flow").at(at).arrow(number, phase == 'f'));
    };
    end('s', from, from.end - inside(from));
    end('f', to, to.waits ? to.end - inside(to) : to.begin + inside(to));
}

} // namespace commonbuf::trace
