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

/// Numbered work in order: a DRM syncobj timeline (drm/drm.h, DRM_IOCTL_SYNCOBJ_*). It is what
/// Vulkan calls a timeline semaphore, and what Wayland's linux-drm-syncobj protocol uses.
///
/// A point is *submitted* when work stands behind it, and *signalled* when that work and all work
/// before it is over. A point may be waited for before it is submitted. Points are numbered from 1,
/// and each is above the last submitted one.
///
/// A handle, like Fence: copies refer to the same timeline. Thread-safe. It duplicates the DRM
/// descriptor that it is made with, and so keeps that open file alive. It also holds a descriptor
/// for each point that was attached or waited for, until the point is known to be over.
///
/// **An error stays an error, as far as the kernel allows.** A wait for a syncobj never reports that
/// work failed, and the kernel forgets a point that has signalled. So a timeline keeps the fences
/// that were attached through it or its copies until they have signalled well. Before it waits for
/// a point it takes the fence behind the point, and asks that fence afterwards. A failure at one
/// point counts at all later points. One error for each failed point is kept until
/// forget_failures().
///
/// - Failures of work that came by attach() or transfer(), to this timeline or a copy, are always
///   reported.
/// - Failures of work that something else submitted (a driver, another process, another import())
///   are reported if fence() or a wait for the point began while the point was pending or was the
///   last one submitted.
///
/// All other failures are lost. A process that passes a timeline on has to pass failures on by
/// other means.
class COMMONBUF_API Timeline {
public:
    // Without moves, which would leave a handle of nothing.
    Timeline(const Timeline&) noexcept = default;
    Timeline& operator=(const Timeline&) noexcept = default;

    enum class When : std::uint8_t {
        submitted,
        signalled,
    };

    /// Makes a new timeline, at point 0, on the device of a borrowed DRM descriptor. Any node of the
    /// device will do.
    ///
    /// Errors: unsupported (the driver has no timelines: DRM_CAP_SYNCOBJ_TIMELINE);
    /// invalid_argument (the descriptor is not a DRM device); out_of_memory, too_many_files.
    static Result<Timeline> create(int drm_fd);

    /// Imports a timeline from a descriptor that export_fd() or another program made, possibly on
    /// another device. It takes the descriptor, also if it fails.
    ///
    /// Errors: those of create(); invalid_argument (the descriptor is not a syncobj).
    static Result<Timeline> import(int drm_fd, UniqueFd syncobj);

    /// Makes a descriptor for another process or another device. The failures that this side keeps
    /// do not go with it.
    ///
    /// Errors: too_many_files, out_of_memory.
    Result<UniqueFd> export_fd() const;

    /// Returns the handle on the DRM file that the timeline was made with, for a driver's
    /// submissions. It is valid as long as a copy of this timeline lives. What a driver submits
    /// counts as work of something else, as said above.
    std::uint32_t handle() const noexcept;

    /// Returns the last point that has signalled; 0 for none. If somebody submitted points out of
    /// order, the kernel may answer 0 for good.
    Result<std::uint64_t> last_signalled() const;

    /// Returns the last point that has work behind it (DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED).
    Result<std::uint64_t> last_submitted() const;

    /// Submits a point whose work is over already. It signals when the points before it have.
    ///
    /// Errors: invalid_argument (the point is not above the last submitted one: the kernel would
    /// accept it and lose the order). Processes that submit to one timeline have to avoid this race
    /// themselves: the kernel has no single call for the question and the submission.
    Status signal(std::uint64_t point) const;

    /// Submits a point with the work of a fence behind it.
    ///
    /// A fence that has failed is attached too: others see the point signal, and this timeline
    /// reports the failure.
    ///
    /// Errors: those of signal(), and those of Fence::sync_file_fd() except failures of the work.
    Status attach(std::uint64_t point, const Fence& fence) const;

    /// Returns what a submitted point waits for, with its failures, as a fence that can be waited
    /// for, merged and handed to drivers.
    ///
    /// Errors: invalid_state (the point is not submitted: see wait_submitted()); out_of_memory,
    /// too_many_files.
    Result<Fence> fence(std::uint64_t point) const;

    /// Submits `to_point` of another timeline with the work of a submitted point behind it
    /// (DRM_IOCTL_SYNCOBJ_TRANSFER). Failures go with it, later ones too.
    ///
    /// Errors: those of fence() and attach().
    Status transfer(std::uint64_t point, const Timeline& to, std::uint64_t to_point) const;

    /// Waits until a point is submitted and has signalled. After that nobody works on what is behind
    /// it any more, unless the deadline passed.
    ///
    /// `cancel` is a borrowed descriptor that ends the wait when it becomes readable or hangs up; -1
    /// for none.
    /// It takes effect at once while work is pending, and within 20 ms while nothing is submitted.
    ///
    /// Errors: timed_out (says whether the point was submitted); cancelled; work_failed (this work
    /// or work before it failed: says at which point, with the driver's errno).
    Status wait(std::uint64_t point, Deadline deadline, int cancel = -1) const;

    /// Waits until a point is submitted. Its work may still go on.
    ///
    /// Errors: timed_out, cancelled (as for wait()).
    Status wait_submitted(std::uint64_t point, Deadline deadline, int cancel = -1) const;

    /// Waits for all of these points, also on different devices.
    ///
    /// Errors: those of wait(). If a part failed, all submitted work is over nevertheless.
    static Status wait_all(std::span<const TimelinePoint> points, Deadline deadline, int cancel = -1);

    /// Waits for one of these points, and returns its index in `points`. A cancel takes effect
    /// within 20 ms.
    ///
    /// Errors: those of wait(), where a failure says which point it is; invalid_argument (there are
    /// no points).
    static Result<std::size_t> wait_any(std::span<const TimelinePoint> points, Deadline deadline, int cancel = -1);

    /// Adds 1 to an eventfd (borrowed for the call) when a point is submitted or signalled; at once
    /// if it is already (DRM_IOCTL_SYNCOBJ_EVENTFD).
    ///
    /// The eventfd does not say how the work ended; wait() with a deadline in the past does. The
    /// notification cannot be withdrawn: the kernel holds the eventfd until it comes, or until the
    /// timeline is gone everywhere.
    ///
    /// Errors: unsupported (before Linux 6.6); invalid_argument (not an eventfd).
    Status notify(std::uint64_t point, int eventfd, When when = When::signalled) const;

    /// Forgets the failures at the points up to this one, for a caller that has dealt with them.
    /// Work that is pending there may still fail.
    void forget_failures(std::uint64_t up_to) const;

    friend bool operator==(const Timeline& a, const Timeline& b) noexcept { return a.state_ == b.state_; }

private:
    explicit Timeline(std::shared_ptr<TimelineState> state) noexcept : state_(std::move(state)) {}

    std::shared_ptr<TimelineState> state_;
};

/// A point on a timeline, for waits for several.
struct TimelinePoint {
    Timeline timeline;
    std::uint64_t point = 0;
};

} // namespace commonbuf
