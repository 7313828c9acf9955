// SPDX-License-Identifier: MIT
//
// A Fence is a set of points, each a descriptor of its own:
//
//   Fence a ──► {p1}      Fence ab = merge(a, b) ──► {p1, p2}
//   Fence b ──► {p2}      ab.fd() ──► SYNC_IOC_MERGE(p1, p2), made when somebody asks
//
// The kernel's merge forgets what has signalled before, failed or not. The set does not: it
// asks p1 and p2 themselves. So merging costs nothing until a descriptor is needed, and no
// error is lost between the look and the merge.
#include "sync/fence_point.hpp"

#include "os/os.hpp"
#include "sync/watch.hpp"

#include <commonbuf/fence.hpp>

#include <linux/sync_file.h>
#include <linux/types.h>

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace commonbuf {
namespace {

#ifndef SYNC_IOC_SET_DEADLINE
// Of Linux 6.4; Debian 12 has older headers (linux/sync_file.h).
struct sync_set_deadline {
    __u64 deadline_ns;
    __u64 pad;
};
#define SYNC_IOC_SET_DEADLINE _IOW(SYNC_IOC_MAGIC, 5, struct sync_set_deadline)
#endif

using Points = std::vector<std::shared_ptr<FencePoint>>;

Error told(FencePoint& point)
{
    point.tell();
    return point.failure();
}

/// The first failure that is known, for the caller.
Status result_of(std::span<const std::shared_ptr<FencePoint>> points)
{
    for (const auto& point : points) {
        if (point->known() == FenceState::failed)
            return told(*point);
    }
    return {};
}

Result<UniqueFd> merge(int a, int b)
{
    sync_merge_data request{};
    constexpr const char* name = "commonbuf";
    std::memcpy(request.name, name, std::strlen(name) + 1);
    request.fd2 = b;
    if (const int error = os::ioctl(a, SYNC_IOC_MERGE, &request); error != 0)
        return Error::from_errno(error, "SYNC_IOC_MERGE");
    return UniqueFd(request.fence);
}

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

Result<int> FenceSet::merged() const
{
    if (points_.size() == 1)
        return points_.front()->fd();
    if (merged_)
        return merged_.get();
    int last = -1;
    UniqueFd sum;
    for (const auto& point : points_) {
        if (point->known() != FenceState::pending)
            continue;
        if (last >= 0) {
            auto both = merge(last, point->fd());
            if (!both)
                return both.error();
            sum = std::move(*both);
        }
        last = sum ? sum.get() : point->fd();
    }
    if (!sum)
        return last;
    merged_ = std::move(sum);
    return merged_.get();
}

Result<int> FenceSet::fd() const
{
    const std::lock_guard lock(mutex_);
    for (const auto& point : points_) {
        if (!point->is_sync_file() && point->known() == FenceState::pending)
            return Error::unsupported(
                "make a descriptor of a fence",
                "this kernel gives no sync_file for the implicit fences of a dma-buf (Linux before 6.0)",
                "wait for the fence instead");
    }
    const auto descriptor = merged();
    if (!descriptor)
        return descriptor.error();
    // Asked after merging: what failed before that is not in the descriptor, and what fails
    // after it is.
    for (const auto& point : points_) {
        if (const auto state = point->ask(); !state)
            return state.error();
    }
    if (const Status good = result_of(points_); !good)
        return good.error();
    const bool over = std::all_of(points_.begin(), points_.end(),
                                  [](const auto& point) { return point->known() == FenceState::signalled; });
    return over ? -1 : *descriptor;
}

Result<Fence> Fence::from_fd(UniqueFd sync_file)
{
    if (!sync_file)
        return Fence();
    const int number = sync_file.get();
    auto point = FencePoint::of_sync_file(std::move(sync_file));
    const auto state = point->ask();
    if (!state && state.error().sys_errno == ENOTTY)
        return Error::invalid_argument("take a fence", "descriptor " + std::to_string(number) + " is no sync_file");
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
            if (point->known() != FenceState::signalled && std::find(all.begin(), all.end(), point) == all.end())
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
    if (const Status good = result_of(points_of(*this)); !good)
        return good.error();
    return true;
}

namespace {

/// Waits until a point is over.
Status wait_for(FencePoint& point, Deadline deadline, int cancel)
{
    for (;;) {
        std::array<pollfd, 2> entries{{{point.fd(), point.events(), 0}, {cancel, POLLIN, 0}}};
        const auto ready = os::wait_any(entries, deadline, "a fence");
        if (!ready)
            return ready.error();
        // Somebody else may have learned meanwhile that it failed (a device that is lost).
        if (!*ready && point.known() != FenceState::pending)
            return {};
        if (!*ready)
            return Error::timed_out("wait for a fence", "it did not signal before the deadline");
        if ((entries[0].revents & point.events()) == 0)
            return Error::cancelled("wait for a fence", "the caller ended the wait");
        const auto state = point.ask();
        if (!state)
            return state.error();
        if (*state != FenceState::pending)
            return {};
    }
}

} // namespace

Status Fence::wait(Deadline deadline, int cancel) const
{
    // A fence that fails does not end the wait: others still work on the buffers.
    for (const auto& point : points_of(*this)) {
        const auto state = point->ask();
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
    return result_of(points_of(*this));
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

Result<int> Fence::fd() const { return set_ ? set_->fd() : -1; }

Result<UniqueFd> Fence::export_fd() const
{
    const auto borrowed = fd();
    if (!borrowed)
        return borrowed.error();
    return *borrowed >= 0 ? duplicate(*borrowed) : UniqueFd();
}

Status Fence::hint(Deadline deadline) const
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
