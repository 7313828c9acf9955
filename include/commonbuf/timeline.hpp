// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/deadline.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/fence.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace commonbuf {

class TimelineState; // the library's own
struct TimelinePoint;

/// Work in an order, each piece with a number: a DRM syncobj timeline (drm/drm.h,
/// DRM_IOCTL_SYNCOBJ_*). What a timeline semaphore is to Vulkan, and to Wayland's
/// linux-drm-syncobj protocol.
///
/// A point is *submitted* when work stands behind it, and *signalled* when that work and all
/// the work before it is over. Points may be waited for before they are submitted. They are
/// numbers from 1 on, and each is above the last submitted one.
///
/// A handle, as Fence is: copies refer to the same timeline. Thread-safe. It works on a
/// duplicate of the DRM descriptor that it is made with, and so keeps that open file alive;
/// beside that it holds a descriptor for each point that was attached or waited for, until it
/// is known to be over.
///
/// **An error stays an error, where the kernel lets it.** A wait for a syncobj never says
/// that work failed, and a point that has signalled is forgotten. So a timeline keeps the
/// fences that were attached through it or its copies until they have signalled well; and it
/// takes hold of the fence behind a point before it waits for it, to ask that fence
/// afterwards. A failure at one point counts at all later ones, and its error is kept, one
/// for each point that failed, until forget_failures().
///
/// - What came by attach() or transfer(), to this timeline or a copy of it, is always heard of.
/// - What anybody else submitted (a driver, another process, another import()) is heard of
///   where fence() or a wait for its point began while it was pending, or the last one
///   submitted.
///
/// The rest is lost. A process that passes a timeline on passes failures on by other means.
class COMMONBUF_API Timeline {
public:
    enum class When : std::uint8_t {
        submitted,
        signalled,
    };

    /// A new timeline, at point 0, on the device of a borrowed DRM descriptor; any node does.
    ///
    /// Errors: unsupported (the driver has no timelines: DRM_CAP_SYNCOBJ_TIMELINE);
    /// invalid_argument (the descriptor is no DRM device); exhausted.
    static Result<Timeline> create(int drm_fd);

    /// The timeline of somebody else, from a descriptor that export_fd() or another program
    /// gave. Takes it, also when this fails. Also on another device than it was made on.
    ///
    /// Errors: those of create(); invalid_argument (the descriptor is no syncobj).
    static Result<Timeline> import(int drm_fd, UniqueFd syncobj);

    /// A descriptor for another process, or another device. The failures that this side
    /// keeps do not go with it.
    Result<UniqueFd> export_fd() const;

    /// The handle on the open DRM file that it was made with, for the submissions of a
    /// driver; as long as a copy of this timeline lives. What a driver submits itself is
    /// work of somebody else, as said above.
    std::uint32_t handle() const noexcept;

    /// The last point that has signalled; 0 for none. Where somebody added points out of
    /// order the kernel may say 0 for good.
    Result<std::uint64_t> last_signalled() const;

    /// The last point that has work behind it (DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED).
    Result<std::uint64_t> last_submitted() const;

    /// Submits a point whose work is over already. It signals when the points before it have.
    ///
    /// Errors: invalid_argument (the point is not above the last submitted one: the kernel
    /// would take it and lose the order). Between processes that submit to one timeline this
    /// is a race that they have to settle: the kernel has no call for both.
    Status signal(std::uint64_t point) const;

    /// Submits a point with the work of a fence behind it. A fence that has failed is
    /// attached too: others see the point signal, and this timeline knows better.
    ///
    /// Errors: those of signal(), and those of Fence::fd() but for failures.
    Status attach(std::uint64_t point, const Fence& fence) const;

    /// What a point that is submitted waits for, with its failures, as a fence to wait for, to
    /// merge and to hand to drivers.
    ///
    /// Errors: invalid_argument (nothing is submitted there: see wait_submitted());
    /// exhausted.
    Result<Fence> fence(std::uint64_t point) const;

    /// Submits `to_point` of another timeline with the work of a submitted point behind it
    /// (DRM_IOCTL_SYNCOBJ_TRANSFER). Failures go with it, those to come too.
    ///
    /// Errors: those of fence() and attach().
    Status transfer(std::uint64_t point, const Timeline& to, std::uint64_t to_point) const;

    /// Waits until a point has signalled, and before that until it is submitted. Afterwards
    /// nobody works on what is behind it any more, unless the deadline passed.
    ///
    /// `cancel` is a borrowed descriptor that ends the wait when it becomes readable; -1 for
    /// none. It is noticed at once while work is pending, and within 20 ms while nothing is
    /// submitted.
    /// Errors: timed_out (says whether it was submitted); cancelled; device_lost (this work
    /// or work before it failed: says at which point, with the errno that the driver gave).
    Status wait(std::uint64_t point, Deadline deadline, int cancel = -1) const;

    /// Waits until a point is submitted; its work may go on.
    /// Errors: timed_out, cancelled (as wait()).
    Status wait_submitted(std::uint64_t point, Deadline deadline, int cancel = -1) const;

    /// Waits for all of these, also on different devices.
    /// Errors: those of wait(). All that is submitted is over then, also when a part failed.
    static Status wait_all(std::span<const TimelinePoint> points, Deadline deadline, int cancel = -1);

    /// Waits for one of these, and says which: its place in `points`. A cancel is noticed
    /// within 20 ms.
    ///
    /// Errors: those of wait(); device_lost says which one failed; invalid_argument (no points).
    static Result<std::size_t> wait_any(std::span<const TimelinePoint> points, Deadline deadline, int cancel = -1);

    /// Adds 1 to an eventfd (borrowed for the call) when a point is submitted or signalled, at
    /// once where it is (DRM_IOCTL_SYNCOBJ_EVENTFD). It does not say how the work ended: a
    /// wait() without a deadline does. It cannot be taken back: the kernel holds the
    /// eventfd until then, or until nobody has the timeline any more.
    ///
    /// Errors: unsupported (Linux before 6.6); invalid_argument (no eventfd).
    Status notify(std::uint64_t point, int eventfd, When when = When::signalled) const;

    /// What has failed at these points counts no more: for who has dealt with it. What is
    /// pending there may still fail.
    void forget_failures(std::uint64_t up_to) const;

    friend bool operator==(const Timeline& a, const Timeline& b) noexcept { return a.state_ == b.state_; }

private:
    explicit Timeline(std::shared_ptr<TimelineState> state) noexcept : state_(std::move(state)) {}

    std::shared_ptr<TimelineState> state_;
};

/// A point on a timeline, where several are waited for.
struct TimelinePoint {
    Timeline timeline;
    std::uint64_t point = 0;
};

} // namespace commonbuf
