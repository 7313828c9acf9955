// SPDX-License-Identifier: MIT
//
// A Fence is a set of points, each a descriptor of its own:
//
//   Fence a ──► {p1}      Fence ab = merge(a, b) ──► {p1, p2}
//   Fence b ──► {p2}      ab.sync_file_fd() ──► SYNC_IOC_MERGE(p1, p2), made when somebody asks
//
// The kernel's merge drops fences that have signalled, even failed ones. The set asks p1 and p2
// themselves. So merging costs nothing until a descriptor is needed, and no error is lost between
// the look and the merge.
#include "os/os.hpp"
#include "sync/fence_set.hpp"
#include "sync/watch.hpp"

#include <commonbuf/fence.hpp>

#include <linux/sync_file.h>
#include <linux/types.h>

#include <poll.h>

#include <algorithm>
#include <array>
#include <utility>

namespace commonbuf {
namespace {

#ifndef SYNC_IOC_SET_DEADLINE
// From Linux 6.4; Debian 12 has older headers (linux/sync_file.h).
struct sync_set_deadline {
    __u64 deadline_ns;
    __u64 pad;
};
#define SYNC_IOC_SET_DEADLINE _IOW(SYNC_IOC_MAGIC, 5, struct sync_set_deadline)
#endif

using Points = std::vector<std::shared_ptr<FencePoint>>;

Status failure_of(const Fence& fence) { return fence.set() ? fence.set()->failure() : Status(); }

} // namespace

std::string_view to_string(FenceState state) noexcept
{
    switch (state) {
    case FenceState::pending: return "pending";
    case FenceState::signalled: return "signalled";
    case FenceState::failed: break;
    }
    return "failed";
}

Result<Fence> Fence::from_fd(UniqueFd sync_file)
{
    if (!sync_file)
        return Fence();
    const int number = sync_file.get();
    auto point = FencePoint::of_sync_file(std::move(sync_file));
    // Not ask(): poll() answers for descriptors of every kind.
    const auto state = point->look();
    if (!state && state.error().category == Category::unsupported)
        return Error::invalid_argument("take a fence", "descriptor " + std::to_string(number) + " is not a sync_file");
    if (!state)
        return state.error();
    return *state == FenceState::signalled ? Fence() : Fence(std::make_shared<FenceSet>(Points{std::move(point)}));
}

Fence Fence::failed(Error error)
{
    return Fence(std::make_shared<FenceSet>(Points{FencePoint::failed(std::move(error))}));
}

Fence Fence::merge(std::span<const Fence> fences)
{
    Points all;
    for (const Fence& fence : fences) {
        for (const auto& point : points_of(fence)) {
            if (point->known() != FenceState::signalled && std::ranges::find(all, point) == all.end())
                all.push_back(point);
        }
    }
    if (all.empty())
        return {};
    // The same set again keeps the descriptor that was merged for it.
    for (const Fence& fence : fences) {
        if (std::ranges::equal(points_of(fence), all))
            return fence;
    }
    return Fence(std::make_shared<FenceSet>(std::move(all)));
}

FenceState Fence::known() const noexcept
{
    FenceState all = FenceState::signalled;
    for (const auto& point : points_of(*this)) {
        if (point->known() == FenceState::failed)
            return FenceState::failed;
        if (point->known() == FenceState::pending)
            all = FenceState::pending;
    }
    return all;
}

Result<bool> Fence::signalled() const
{
    bool all = true;
    for (const auto& point : points_of(*this)) {
        const auto state = point->ask();
        if (!state)
            return state.error();
        all = all && *state != FenceState::pending;
    }
    if (!all)
        return false;
    if (const Status good = failure_of(*this); !good)
        return good.error();
    return true;
}

namespace {

/// Waits until a point is over.
Status wait_for(FencePoint& point, Deadline deadline, int cancel)
{
    for (;;) {
        std::array<pollfd, 2> entries{{{point.fd(), point.events(), 0}, {cancel, os::cancel_events, 0}}};
        const auto ready = os::wait_any(entries, deadline, "a fence");
        if (!ready && (entries[1].revents & POLLNVAL) != 0)
            return Error::invalid_argument("wait for a fence", "the descriptor that cancels is not open");
        if (!ready)
            return ready.error();
        // Another thread may have made it fail meanwhile (a lost device).
        if (!*ready && point.known() != FenceState::pending)
            return {};
        if (!*ready)
            return Error::timed_out("wait for a fence", "it did not signal before the deadline");
        if ((entries[0].revents & point.events()) == 0)
            return Error::cancelled("wait for a fence", "the caller ended the wait");
        const auto state = point.look();
        if (!state)
            return state.error();
        if (*state != FenceState::pending)
            return {};
    }
}

} // namespace

Status Fence::wait(Deadline deadline, int cancel) const
{
    // A failed fence does not end the wait: other devices still work on the buffers.
    for (const auto& point : points_of(*this)) {
        // The wait itself asks. Only those who look on want to know whether it lasts.
        const auto state = watch::anybody() ? point->ask() : point->known();
        if (!state)
            return state.error();
        if (*state != FenceState::pending)
            continue;
        const auto begun = std::chrono::steady_clock::now();
        Status waited = wait_for(*point, deadline, cancel);
        watch::tell([&](watch::Watcher& watcher) { watcher.waited(*this, begun, waited.has_value()); });
        if (!waited)
            return waited;
    }
    return failure_of(*this);
}

Result<bool> wait_any(std::span<const Fence> fences, std::span<pollfd> entries, Deadline deadline)
{
    std::vector<pollfd> all;
    std::vector<FencePoint*> points; // of `all`, behind `entries`
    for (;;) {
        all.assign(entries.begin(), entries.end());
        points.clear();
        bool over = false;
        for (const Fence& fence : fences) {
            if (FencePoint* pending = first_pending(fence)) {
                all.push_back({pending->fd(), pending->events(), 0});
                points.push_back(pending);
            } else {
                over = true;
            }
        }
        auto ready = os::wait_any(all, over ? Deadline{} : deadline, "fences and devices");
        std::copy_n(all.begin(), entries.size(), entries.begin());
        // What poll(2) named is asked now: so nobody has to poll it once more to find out.
        for (std::size_t i = 0; i < points.size(); ++i) {
            const pollfd& entry = all[entries.size() + i];
            if ((entry.revents & entry.events) == 0)
                continue;
            if (const auto state = points[i]->look(); !state)
                return state.error();
        }
        if (over || std::ranges::any_of(fences, is_over) ||
            std::ranges::any_of(entries, [](const pollfd& entry) { return entry.revents != 0; }))
            return true;
        if (!ready || !*ready)
            return ready;
    }
}

Result<std::vector<FencePart>> Fence::parts() const
{
    std::vector<FencePart> all;
    for (const auto& point : points_of(*this)) {
        auto parts = point->parts();
        if (!parts)
            return parts.error();
        std::move(parts->begin(), parts->end(), std::back_inserter(all));
    }
    return all;
}

Result<int> Fence::sync_file_fd() const { return set_ ? set_->sync_file_fd() : -1; }

Result<UniqueFd> Fence::export_fd() const
{
    return sync_file_fd().and_then([](int borrowed) { return borrowed >= 0 ? duplicate(borrowed) : UniqueFd(); });
}

Status Fence::set_deadline(Deadline deadline) const
{
    for (const auto& point : points_of(*this)) {
        if (!point->is_sync_file() || point->known() != FenceState::pending)
            continue;
        sync_set_deadline request{};
        const auto time = std::chrono::duration_cast<std::chrono::nanoseconds>(deadline.time_since_epoch()).count();
        request.deadline_ns = static_cast<__u64>(std::max<decltype(time)>(time, 0));
        if (const int error = os::ioctl(point->fd(), SYNC_IOC_SET_DEADLINE, &request); error != 0)
            return Error::from_errno(error, "SYNC_IOC_SET_DEADLINE");
    }
    return {};
}

} // namespace commonbuf
