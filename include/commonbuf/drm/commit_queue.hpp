// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/buffer.hpp>
#include <commonbuf/drm/commit.hpp>
#include <commonbuf/deadline.hpp>
#include <commonbuf/drm/display.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/fence.hpp>
#include <commonbuf/job.hpp>
#include <commonbuf/result.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace commonbuf::drm {

/// A commit that the kernel has taken.
struct Committed {
    std::uint64_t number = 0; ///< what submit() returned

    /// Signals when it is on the screen (OUT_FENCE_PTR). Fails if work failed that the kernel
    /// waited for: then what is on the screen is worthless. Has signalled if the display is off and
    /// stays off, and for Commit::flip_async().
    Fence shown;

    /// Signals when the writeback is complete (WRITEBACK_OUT_FENCE_PTR); empty without one.
    /// Fails with the work that it shows.
    Fence written;

    /// The kernel got a fence that was not known to have signalled (IN_FENCE_FD).
    bool kernel_waits = false;

    /// The buffers that it replaces, and those that Commit::flip_async() replaced before it. Nothing shows
    /// them any more once `shown` has signalled; their jobs have already published that fence.
    std::vector<Buffer> replaced;
};

/// A commit that was not made, and why: its work failed, or the kernel refused it.
struct WithheldCommit {
    std::uint64_t number = 0;
    Commit commit;
    Error error;
};

/// Makes the commits of one display in their order, each when its fences have signalled and the
/// commit before it is on the screen. Until then a commit can be cancelled: nothing waits in the
/// kernel unless it was told to (FenceWait::kernel).
///
/// The caller drives it: poll poll_fd() for reading and call advance(), or wait in commit().
/// Thread-safe. Use one queue for each display, because the planes of one CRTC change together.
///
/// A commit is a job for each plane that it mentions: the job gathers what must be over before
/// the buffer is read, and is published when another commit replaces it. A writeback is a job
/// that writes; it also waits for the writeback before it, since drivers lose those that overlap.
/// A writeback that has not ended 60 refreshes after it was shown counts as lost: its fence may
/// never signal, and the next one goes on. Commits without a writeback wait for none.
/// Drivers are told by when the work should be done (Fence::set_deadline()).
class COMMONBUF_API CommitQueue {
public:
    /// Makes an empty queue. `fencing` is that of the jobs. With explicit_only the kernel is told
    /// to ignore implicit fences too; otherwise it may wait for one that was added to a dma-buf
    /// meanwhile.
    ///
    /// Errors: too_many_files, out_of_memory.
    static Result<CommitQueue> create(Display display, Fencing fencing = Fencing::bridged);

    /// A queue that was moved from can only be destroyed, assigned to or tested for being one.
    CommitQueue(CommitQueue&&) noexcept;
    CommitQueue& operator=(CommitQueue&&) noexcept;
    /// Drops the commits that wait. What is on the screen stays there as long as its buffers
    /// live; use Commit::disable() to turn it off.
    ~CommitQueue();

    explicit operator bool() const noexcept { return state_ != nullptr; }

    const Display& display() const noexcept;

    /// Queues a commit, which is made when its turn has come, at once if nothing is in the way.
    /// The number identifies it in pop_committed() and pop_withheld().
    ///
    /// Errors, all of which leave nothing of it in the queue: invalid_argument (the commit is for
    /// another display, or has a mistake), unsupported (the driver does not show this; if it can only
    /// be for the memory, it is remembered, and the next plan for this plane is another one),
    /// incompatible (the driver does not import the memory), work_failed (of the work that it waits
    /// for), not_master, permission_denied, busy (somebody else commits
    /// to this CRTC), device_gone, lease_revoked, device_failed, out_of_memory, too_many_files.
    Result<std::uint64_t> submit(Commit commit);

    /// Queues a commit and waits until the kernel has it, not until it is shown.
    ///
    /// Errors: those of submit(); timed_out (the commit is cancelled: nothing is left queued).
    Result<Committed> commit(Commit commit, Deadline deadline);

    /// Returns a descriptor to poll for reading: advance() may have something to do then. It is
    /// -1 while nothing waits, and may be another one after each submit() and advance().
    int poll_fd() const noexcept;

    /// Makes the commits whose turn has come, and returns how many. A commit that the kernel
    /// refuses, or whose work failed, makes room for the next: see pop_withheld().
    ///
    /// Errors, all of which leave every commit in the queue: not_master, permission_denied, busy
    /// (somebody else commits to this CRTC; poll_fd() says when to try again), device_gone,
    /// lease_revoked, device_failed, out_of_memory, too_many_files.
    Result<std::size_t> advance();

    /// Returns how many commits the kernel has not got yet.
    std::size_t waiting() const noexcept;

    /// Cancels all commits that wait, and returns them in their order.
    std::vector<Commit> cancel_waiting();

    /// Returns the commits that the kernel has taken since the last call, in their order, except
    /// those that commit() returned.
    std::vector<Committed> pop_committed();

    /// Returns the commits that were given up since the last call.
    std::vector<WithheldCommit> pop_withheld();

    /// Returns a fence that signals when the last commit that the kernel has is on the screen.
    Fence shown() const;

private:
    class State;
    explicit CommitQueue(std::unique_ptr<State> state) noexcept;
    std::unique_ptr<State> state_;
};

} // namespace commonbuf::drm
