// SPDX-License-Identifier: MIT
//
// What is kept of a timeline beside the kernel's syncobj:
//
//   point      1   3   4   7
//   attached   a   b       c      kept until each has signalled well
//   held               k          the kernel's own fence behind point 4, a chain over all points up
//                                 to it: kept since somebody waited for it
//
// The kernel drops fences from its chain that have signalled, failed or not. A failure at a point
// counts at all later points, and also at those between it and the point before it, because they
// signal with it.
//
// Before a wait begins it takes the kernel's fence as a sync_file. Unlike a wait for the syncobj,
// the sync_file says how the work ended. Together with the kept fences up to the point it makes one
// Fence, which waits for all of them and loses no error.
#include "base/text.hpp"
#include "os/os.hpp"
#include "sync/fence_set.hpp"
#include "sync/syncobj.hpp"

#include <commonbuf/timeline.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace commonbuf {
namespace {

/// A fence that counts at a point and at all later ones.
struct Kept {
    std::uint64_t after; ///< the last point that it does not count at
    std::uint64_t point;
    bool held; ///< the kernel's own fence, for all work up to the point
    Fence fence;
};

Status numbered(std::uint64_t point)
{
    if (point == 0)
        return Error::invalid_argument(
            "use point 0 of a timeline",
            "points are numbered from 1; to the kernel, 0 is the single fence of a syncobj without a timeline");
    return {};
}

std::string wait_for(std::uint64_t point) { return text::format("wait for point {} of a timeline", point); }

} // namespace

/// The state that copies of a Timeline share.
class TimelineState {
public:
    TimelineState(UniqueFd drm, Syncobj syncobj) noexcept : drm_(std::move(drm)), syncobj_(std::move(syncobj)) {}

    int drm_fd() const noexcept { return drm_.get(); }
    const Syncobj& syncobj() const noexcept { return syncobj_; }

    Status signal(std::uint64_t point);
    Status attach(std::uint64_t point, const Fence& fence);

    /// Returns what is behind a point; nothing if it is not submitted.
    Result<std::optional<Fence>> fence(std::uint64_t point);
    /// Waits until the point is submitted, and returns what is behind it.
    Result<Fence> fence(std::uint64_t point, Deadline deadline, int cancel);
    Status wait_submitted(std::uint64_t point, Deadline deadline, int cancel);

    Error not_submitted(std::uint64_t point) const;

    /// Returns the first point that is known to have failed, of those that count at `point`.
    std::optional<std::uint64_t> failed_at(std::uint64_t point);

    /// Looks at what is kept up to a point that is over. Drops the good fences, and the descriptors
    /// of the failed ones.
    void settle(std::uint64_t point);
    void forget_failures(std::uint64_t up_to);

private:
    Result<std::uint64_t> room_for(std::uint64_t point) const;
    Result<bool> hold(std::uint64_t point);
    void drop_finished();
    void settle_locked(std::uint64_t point);

    UniqueFd drm_;
    Syncobj syncobj_; // after the descriptor that it borrows
    std::mutex mutex_;
    std::vector<Kept> kept_;
    std::uint64_t forgotten_ = 0; ///< failures up to this point do not count
};

/// Returns the last submitted point if `point` may follow it.
Result<std::uint64_t> TimelineState::room_for(std::uint64_t point) const
{
    if (const Status good = numbered(point); !good)
        return good.error();
    auto last = syncobj_.last_submitted();
    if (last && *last >= point)
        return Error::invalid_argument(
            text::format("submit point {} of a timeline", point),
            text::format("it is not above the last submitted one, {}: the kernel would lose the order", *last),
            text::format("submit a point from {} on", *last + 1));
    return last;
}

Status TimelineState::signal(std::uint64_t point)
{
    const std::lock_guard lock(mutex_);
    if (const auto last = room_for(point); !last)
        return last.error();
    return syncobj_.signal(point);
}

Status TimelineState::attach(std::uint64_t point, const Fence& fence)
{
    const std::lock_guard lock(mutex_);
    const auto last = room_for(point);
    if (!last)
        return last.error();
    drop_finished();
    static_cast<void>(fence.signalled());        // what is over already is signalled, not attached
    const Fence pending = without_failed(fence); // holds the descriptor
    const auto fd = unasked_fd(pending);
    if (!fd)
        return fd.error();
    if (*fd < 0) {
        if (Status signalled = syncobj_.signal(point); !signalled)
            return signalled;
    } else {
        // Not in one call, as Linux 6.16 could do it (DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_TIMELINE): that
        // call takes the fence as it is, and the kernel warns of one that came from a timeline. A
        // transfer flattens the fence.
        const auto binary = Syncobj::create(drm_fd());
        if (!binary)
            return binary.error();
        if (Status taken = binary->import_sync_file(*fd); !taken)
            return taken;
        if (const int error = syncobj_.transfer(*binary, 0, point); error != 0)
            return Error::from_errno(error, "DRM_IOCTL_SYNCOBJ_TRANSFER");
    }
    if (fence.known() != FenceState::signalled)
        kept_.push_back({*last, point, false, fence});
    return {};
}

/// Keeps the kernel's fence behind a point as a sync_file, because the kernel drops it when somebody
/// looks at a later point. Returns false if nothing is submitted there.
Result<bool> TimelineState::hold(std::uint64_t point)
{
    const auto known =
        std::ranges::find_if(kept_, [point](const Kept& kept) { return kept.held && kept.point == point; });
    if (known != kept_.end())
        return true;
    drop_finished();
    const auto binary = Syncobj::create(drm_fd());
    if (!binary)
        return binary.error();
    const int error = binary->transfer(syncobj_, point, 0);
    if (error == EINVAL)
        return false;
    if (error != 0)
        return Error::from_errno(error, "DRM_IOCTL_SYNCOBJ_TRANSFER");
    auto file = binary->export_sync_file();
    if (!file)
        return file.error();
    auto fence = Fence::from_fd(std::move(*file));
    if (!fence)
        return fence.error();
    if (point <= forgotten_)
        *fence = without_failed(*fence);
    if (fence->known() != FenceState::signalled)
        kept_.push_back({point - 1, point, true, *fence});
    return true;
}

Result<std::optional<Fence>> TimelineState::fence(std::uint64_t point)
{
    if (const Status good = numbered(point); !good)
        return good.error();
    const std::lock_guard lock(mutex_);
    const auto there = hold(point);
    if (!there)
        return there.error();
    if (!*there)
        return std::nullopt;
    std::vector<Fence> all;
    for (const Kept& kept : kept_) {
        if (kept.after < point)
            all.push_back(kept.fence);
    }
    return Fence::merge(all);
}

Result<Fence> TimelineState::fence(std::uint64_t point, Deadline deadline, int cancel)
{
    auto found = fence(point);
    if (found && !*found) {
        if (Status there = wait_submitted(point, deadline, cancel); !there)
            return there.error();
        found = fence(point);
    }
    if (!found)
        return found.error();
    if (!*found)
        return not_submitted(point);
    return std::move(**found);
}

Status TimelineState::wait_submitted(std::uint64_t point, Deadline deadline, int cancel)
{
    if (Status good = numbered(point); !good)
        return good;
    const auto done =
        wait_any(drm_fd(), std::array{syncobj_.handle()}, std::array{point}, Until::submitted, deadline, cancel);
    if (done)
        return {};
    Error error = done.error();
    if (error.category == Category::timed_out)
        error.detail = not_submitted(point).detail + " before the deadline";
    if (error.category == Category::timed_out || error.category == Category::cancelled)
        error.operation = wait_for(point);
    return error;
}

Error TimelineState::not_submitted(std::uint64_t point) const
{
    const auto last = syncobj_.last_submitted();
    std::string detail = "nothing was submitted there";
    if (last && *last < point)
        detail = text::format("nothing was submitted there (the last point is {})", *last);
    return Error::invalid_state(text::format("use point {} of a timeline", point), std::move(detail),
                                "call wait_submitted() first")
        .with_errno(EINVAL);
}

/// Drops fences that are over: those that nobody waits for would pile up, each with a descriptor.
void TimelineState::drop_finished()
{
    // It is also 0 if somebody submitted points out of order. Then each fence is asked.
    const auto over = syncobj_.last_signalled();
    settle_locked(over && *over != 0 ? *over : UINT64_MAX);
}

std::optional<std::uint64_t> TimelineState::failed_at(std::uint64_t point)
{
    const std::lock_guard lock(mutex_);
    std::optional<std::uint64_t> first;
    for (const Kept& kept : kept_) {
        if (kept.after < point && kept.fence.known() == FenceState::failed)
            first = std::min(first.value_or(kept.point), kept.point);
    }
    return first;
}

void TimelineState::settle(std::uint64_t point)
{
    const std::lock_guard lock(mutex_);
    settle_locked(point);
}

void TimelineState::settle_locked(std::uint64_t point)
{
    std::erase_if(kept_, [point](Kept& kept) {
        if (kept.after >= point)
            return false;
        const auto over = kept.fence.signalled();
        if (over)
            return *over;
        if (kept.fence.known() == FenceState::failed && without_failed(kept.fence).known() == FenceState::signalled)
            kept.fence = Fence::failed(over.error());
        return false;
    });
}

void TimelineState::forget_failures(std::uint64_t up_to)
{
    const std::lock_guard lock(mutex_);
    settle_locked(up_to);
    forgotten_ = std::max(forgotten_, up_to);
    for (Kept& kept : kept_) {
        if (kept.after < up_to)
            kept.fence = without_failed(kept.fence);
    }
    std::erase_if(kept_, [](const Kept& kept) { return kept.fence.known() == FenceState::signalled; });
}

namespace {

/// Says in the error that a point was waited for.
Status told(Status over, std::uint64_t point)
{
    if (over)
        return over;
    Error& error = over.error();
    if (error.category == Category::timed_out)
        error.detail = "it is submitted but did not signal before the deadline";
    if (error.category == Category::timed_out || error.category == Category::cancelled)
        error.operation = wait_for(point);
    return over;
}

/// Returns the handle of `guest` on the file of `home`: its own if that is the same file, or one
/// that lives in `borrowed`.
Result<std::uint32_t> handle_on(const TimelineState& home, const TimelineState& guest, std::vector<Syncobj>& borrowed)
{
    if (&home == &guest || os::kernel().kcmp_file(home.drm_fd(), guest.drm_fd()) == 0)
        return guest.syncobj().handle();
    const auto fd = guest.syncobj().export_fd();
    if (!fd)
        return fd.error();
    auto here = Syncobj::import(home.drm_fd(), fd->get());
    if (!here)
        return here.error();
    borrowed.push_back(std::move(*here));
    return borrowed.back().handle();
}

/// Makes a timeline of the syncobj that `get` makes or imports on a file of its own.
template <typename Get>
Result<std::shared_ptr<TimelineState>> make(int drm_fd, Get get)
{
    auto drm = duplicate(drm_fd);
    if (!drm)
        return drm.error();
    if (const Status can = require_timelines(drm->get()); !can)
        return can.error();
    auto syncobj = get(drm->get());
    if (!syncobj)
        return syncobj.error();
    return std::make_shared<TimelineState>(std::move(*drm), std::move(*syncobj));
}

} // namespace

Result<Timeline> Timeline::create(int drm_fd)
{
    return make(drm_fd, Syncobj::create).map([](auto state) { return Timeline(std::move(state)); });
}

Result<Timeline> Timeline::import(int drm_fd, UniqueFd syncobj)
{
    const auto get = [&syncobj](int drm) { return Syncobj::import(drm, syncobj.get()); };
    return make(drm_fd, get).map([](auto state) { return Timeline(std::move(state)); });
}

Result<UniqueFd> Timeline::export_fd() const { return state_->syncobj().export_fd(); }

std::uint32_t Timeline::handle() const noexcept { return state_->syncobj().handle(); }

Result<std::uint64_t> Timeline::last_signalled() const { return state_->syncobj().last_signalled(); }

Result<std::uint64_t> Timeline::last_submitted() const { return state_->syncobj().last_submitted(); }

Status Timeline::signal(std::uint64_t point) const { return state_->signal(point); }

Status Timeline::attach(std::uint64_t point, const Fence& fence) const { return state_->attach(point, fence); }

Result<Fence> Timeline::fence(std::uint64_t point) const
{
    auto found = state_->fence(point);
    if (!found)
        return found.error();
    if (!*found)
        return state_->not_submitted(point);
    return std::move(**found);
}

Status Timeline::transfer(std::uint64_t point, const Timeline& to, std::uint64_t to_point) const
{
    // By way of a fence, which can go to another device and takes the failures along.
    const auto source = fence(point);
    if (!source)
        return source.error();
    return to.attach(to_point, *source);
}

Status Timeline::wait(std::uint64_t point, Deadline deadline, int cancel) const
{
    return wait_all(std::array{TimelinePoint{*this, point}}, deadline, cancel);
}

Status Timeline::wait_submitted(std::uint64_t point, Deadline deadline, int cancel) const
{
    return state_->wait_submitted(point, deadline, cancel);
}

Status Timeline::wait_all(std::span<const TimelinePoint> points, Deadline deadline, int cancel)
{
    // First take what is there: the kernel may drop it when another point is submitted.
    for (const auto& [timeline, point] : points) {
        if (const auto held = timeline.state_->fence(point); !held)
            return held.error();
    }
    Status all;
    for (const auto& [timeline, point] : points) {
        const auto fence = timeline.state_->fence(point, deadline, cancel);
        if (!fence)
            return fence.error();
        Status over = fence->wait(deadline, cancel);
        if (!over && !is_over(*fence))
            return told(std::move(over), point);
        timeline.state_->settle(point);
        if (over || !all)
            continue;
        all = std::move(over);
        if (const auto where = timeline.state_->failed_at(point))
            all.error().detail = text::format("at point {}, {}", *where, all.error().detail);
    }
    return all;
}

Result<std::size_t> Timeline::wait_any(std::span<const TimelinePoint> points, Deadline deadline, int cancel)
{
    if (points.empty())
        return Error::invalid_argument("wait for any point", "there are no points");
    const TimelineState& home = *points.front().timeline.state_;
    std::vector<Syncobj> borrowed;
    std::vector<std::uint32_t> handles;
    std::vector<std::uint64_t> numbers;
    for (const auto& [timeline, point] : points) {
        if (const auto fence = timeline.state_->fence(point); !fence)
            return fence.error();
        const auto handle = handle_on(home, *timeline.state_, borrowed);
        if (!handle)
            return handle.error();
        handles.push_back(*handle);
        numbers.push_back(point);
    }
    const auto first = commonbuf::wait_any(home.drm_fd(), handles, numbers, Until::signalled, deadline, cancel);
    if (!first) {
        Error error = first.error();
        if (error.category == Category::timed_out) {
            error.operation = text::format("wait for any of {} points", points.size());
            error.detail = "none of them signalled before the deadline";
        }
        return error;
    }
    const auto& [timeline, point] = points[*first];
    Status over = timeline.wait(point, deadline, cancel);
    if (over)
        return *first;
    if (timeline.state_->failed_at(point))
        over.error().detail = text::format("index {} of the points waited for: {}", *first, over.error().detail);
    return over.error();
}

Status Timeline::notify(std::uint64_t point, int eventfd, When when) const
{
    if (Status good = numbered(point); !good)
        return good;
    return state_->syncobj().notify(point, eventfd, when == When::submitted);
}

void Timeline::forget_failures(std::uint64_t up_to) const { state_->forget_failures(up_to); }

} // namespace commonbuf
