// SPDX-License-Identifier: MIT
//
// What is known of a timeline beside the kernel's syncobj:
//
//   point      1   3   4   7
//   attached   a   b       c      kept until each has signalled well
//   held               k          the kernel's own fence behind point 4, a chain over all up to
//                                 there: kept since somebody waited for it
//
// The kernel drops from its chain what has signalled, failed or not. A failure at a point
// counts at all later ones, and at those between it and the point before it, which signal
// with it.
//
// A wait takes hold of the kernel's fence before it begins, as a sync_file: that says
// afterwards how the work ended, where a wait for the syncobj does not. With it go the kept
// fences up to the point. They are a Fence together, which knows how to wait for all and to
// lose no error.
#include "os/os.hpp"
#include "buffer/kept_fences.hpp"
#include "sync/syncobj.hpp"
#include "base/text.hpp"

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

/// Fences that count at a point and at those after it.
struct Kept {
    std::uint64_t after; ///< the last point that they do not count at
    std::uint64_t point;
    bool held; ///< the kernel's own, of all that was submitted up to there
    Fence fence;
};

Status numbered(std::uint64_t point)
{
    if (point == 0)
        return Error::invalid_argument(
            "use point 0 of a timeline",
            "points are numbered from 1 on; the kernel takes 0 for the one fence of a syncobj without a "
            "timeline");
    return {};
}

std::string wait_for(std::uint64_t point) { return text::format("wait for point {} of a timeline", point); }

} // namespace

/// What the copies of a Timeline share.
class TimelineState {
public:
    TimelineState(UniqueFd drm, Syncobj syncobj) noexcept : drm_(std::move(drm)), syncobj_(std::move(syncobj)) {}

    int drm_fd() const noexcept { return drm_.get(); }
    const Syncobj& syncobj() const noexcept { return syncobj_; }

    Status signal(std::uint64_t point);
    Status attach(std::uint64_t point, const Fence& fence);

    /// What is behind a point; nothing where it is not submitted.
    Result<std::optional<Fence>> fence(std::uint64_t point);
    /// The same, when it is submitted.
    Result<Fence> fence(std::uint64_t point, Deadline deadline, int cancel);
    Status wait_submitted(std::uint64_t point, Deadline deadline, int cancel);

    Error not_submitted(std::uint64_t point) const;

    /// The first point that is known to have failed, of those that count at `point`.
    std::optional<std::uint64_t> failed_at(std::uint64_t point);

    /// Looks at what is kept up to a point that is over: lets good fences go, and of failed
    /// ones the descriptors.
    void settle(std::uint64_t point);
    void forget_failures(std::uint64_t up_to);

private:
    Result<std::uint64_t> room_for(std::uint64_t point) const;
    Result<bool> hold(std::uint64_t point);
    void let_go();
    void settle_locked(std::uint64_t point);

    UniqueFd drm_;
    Syncobj syncobj_; // after the descriptor that it borrows
    std::mutex mutex_;
    std::vector<Kept> kept_;
    std::uint64_t forgotten_ = 0; ///< up to here the caller knows what has failed
};

/// The last submitted point, when `point` may follow it.
Result<std::uint64_t> TimelineState::room_for(std::uint64_t point) const
{
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
    let_go();
    Fence pending = fence;
    const auto fd = pending_fd(pending);
    if (!fd)
        return fd.error();
    if (*fd < 0) {
        if (Status signalled = syncobj_.signal(point); !signalled)
            return signalled;
    } else {
        // Not in one call, as Linux 6.16 could (DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_TIMELINE): it
        // takes the fence as it is, and warns in the log of a fence that came out of a
        // timeline. A transfer flattens it.
        const auto binary = Syncobj::create(drm_fd());
        if (!binary)
            return binary.error();
        if (Status taken = binary->take_sync_file(*fd); !taken)
            return taken;
        if (const int error = syncobj_.transfer(*binary, 0, point); error != 0)
            return Error::from_errno(error, "DRM_IOCTL_SYNCOBJ_TRANSFER");
    }
    if (fence.known() != FenceState::signalled)
        kept_.push_back({*last, point, false, fence});
    return {};
}

/// Keeps the kernel's fence behind a point, as a sync_file: the kernel itself drops it when
/// somebody looks at a later point. False where nothing is submitted there.
Result<bool> TimelineState::hold(std::uint64_t point)
{
    const auto known =
        std::ranges::find_if(kept_, [point](const Kept& kept) { return kept.held && kept.point == point; });
    if (known != kept_.end())
        return true;
    let_go();
    const auto binary = Syncobj::create(drm_fd());
    if (!binary)
        return binary.error();
    const int error = binary->transfer(syncobj_, point, 0);
    if (error == EINVAL)
        return false;
    if (error != 0)
        return Error::from_errno(error, "DRM_IOCTL_SYNCOBJ_TRANSFER");
    auto file = binary->sync_file();
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
    return Error::from_errno(EINVAL, text::format("use point {} of a timeline", point), std::move(detail),
                             "wait_submitted() waits for that");
}

/// Fences that nobody waits for would pile up, each with a descriptor.
void TimelineState::let_go()
{
    // 0 also where somebody lost the order for the kernel: then each is asked.
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

/// How a wait for a point ended, in its words.
Status told(Status over, std::uint64_t point)
{
    if (over)
        return over;
    Error& error = over.error();
    if (error.category == Category::timed_out)
        error.detail = "it is submitted and did not signal before the deadline";
    if (error.category == Category::timed_out || error.category == Category::cancelled)
        error.operation = wait_for(point);
    return over;
}

/// Its handle on the file of another timeline: its own where that is the same file, or one
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

} // namespace

Result<Timeline> Timeline::create(int drm_fd)
{
    auto drm = duplicate(drm_fd);
    if (!drm)
        return drm.error();
    if (Status can = has_timelines(drm->get()); !can)
        return can.error();
    auto syncobj = Syncobj::create(drm->get());
    if (!syncobj)
        return syncobj.error();
    return Timeline(std::make_shared<TimelineState>(std::move(*drm), std::move(*syncobj)));
}

Result<Timeline> Timeline::import(int drm_fd, UniqueFd syncobj)
{
    auto drm = duplicate(drm_fd);
    if (!drm)
        return drm.error();
    if (Status can = has_timelines(drm->get()); !can)
        return can.error();
    auto here = Syncobj::import(drm->get(), syncobj.get());
    if (!here)
        return here.error();
    return Timeline(std::make_shared<TimelineState>(std::move(*drm), std::move(*here)));
}

Result<UniqueFd> Timeline::export_fd() const { return state_->syncobj().export_fd(); }

std::uint32_t Timeline::handle() const noexcept { return state_->syncobj().handle(); }

Result<std::uint64_t> Timeline::last_signalled() const { return state_->syncobj().last_signalled(); }

Result<std::uint64_t> Timeline::last_submitted() const { return state_->syncobj().last_submitted(); }

Status Timeline::signal(std::uint64_t point) const
{
    if (Status good = numbered(point); !good)
        return good;
    return state_->signal(point);
}

Status Timeline::attach(std::uint64_t point, const Fence& fence) const
{
    if (Status good = numbered(point); !good)
        return good;
    return state_->attach(point, fence);
}

Result<Fence> Timeline::fence(std::uint64_t point) const
{
    if (Status good = numbered(point); !good)
        return good.error();
    auto found = state_->fence(point);
    if (!found)
        return found.error();
    if (!*found)
        return state_->not_submitted(point);
    return std::move(**found);
}

Status Timeline::transfer(std::uint64_t point, const Timeline& to, std::uint64_t to_point) const
{
    // By way of a fence, which may go to another device, and takes the failures along.
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
    if (Status good = numbered(point); !good)
        return good;
    return state_->wait_submitted(point, deadline, cancel);
}

Status Timeline::wait_all(std::span<const TimelinePoint> points, Deadline deadline, int cancel)
{
    // First of all, hold what is there: it may be gone when another one is submitted.
    for (const auto& [timeline, point] : points) {
        if (Status good = numbered(point); !good)
            return good;
        if (const auto held = timeline.state_->fence(point); !held)
            return held.error();
    }
    Status all;
    for (const auto& [timeline, point] : points) {
        const auto fence = timeline.state_->fence(point, deadline, cancel);
        if (!fence)
            return fence.error();
        Status over = fence->wait(deadline, cancel);
        if (!over && over.error().category != Category::device_gone)
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
        return Error::invalid_argument("wait for any point", "there are none to wait for");
    const TimelineState& home = *points.front().timeline.state_;
    std::vector<Syncobj> borrowed;
    std::vector<std::uint32_t> handles;
    std::vector<std::uint64_t> numbers;
    for (const auto& [timeline, point] : points) {
        if (Status good = numbered(point); !good)
            return good.error();
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
            error.detail = "none has signalled before the deadline";
        }
        return error;
    }
    const auto& [timeline, point] = points[*first];
    Status over = timeline.wait(point, deadline, cancel);
    if (!over && over.error().category == Category::device_gone)
        over.error().detail = text::format("place {} of those waited for: {}", *first, over.error().detail);
    if (!over)
        return over.error();
    return *first;
}

Status Timeline::notify(std::uint64_t point, int eventfd, When when) const
{
    if (Status good = numbered(point); !good)
        return good;
    return state_->syncobj().notify(point, eventfd, when == When::submitted);
}

void Timeline::forget_failures(std::uint64_t up_to) const { state_->forget_failures(up_to); }

} // namespace commonbuf
