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
    std::uint64_t number = 0; ///< as submit() gave it

    /// When it is on the screen (OUT_FENCE_PTR). Fails where work failed that the kernel waited
    /// for: then what is on the screen is worthless.
    Fence shown;

    /// When the writeback is complete (WRITEBACK_OUT_FENCE_PTR); nothing without one. Fails
    /// with the work that it shows.
    Fence written;

    bool kernel_waits = false; ///< it got a fence that had not signalled (IN_FENCE_FD)

    /// What this takes the place of: nobody shows these any more when `shown` has signalled,
    /// which their jobs have published already.
    std::vector<Buffer> replaced;
};

/// A commit that was not made, and why: its work failed, or the kernel refused it.
struct WithheldCommit {
    std::uint64_t number = 0;
    Commit commit;
    Error error;
};

/// Makes the commits of one display, in their order, each when its fences have signalled and
/// the one before it is on the screen. Until then it can be taken back: nothing waits in the
/// kernel but what was told to (FenceWait::kernel).
///
/// Driven by the caller: poll fd() for reading and call advance(); or wait in commit().
/// Thread-safe. One queue for each display: planes of one CRTC change together.
///
/// A commit is a job of each plane that it mentions: it gathers what must be over before the
/// buffer is read, and is published when another commit takes its place. A writeback is one
/// that writes; it waits for the one before it too, since drivers lose those that overlap.
/// Drivers are told in time by when they should be done (Fence::set_deadline()).
class COMMONBUF_API CommitQueue {
public:
    /// `fencing` is that of the jobs. With explicit_only the kernel is told to leave implicit
    /// fences alone too: it may otherwise wait for one that was put into a dma-buf meanwhile.
    ///
    /// Errors: exhausted.
    static Result<CommitQueue> create(Display display, Fencing fencing = Fencing::bridged);

    /// What was moved from can only be destroyed, assigned to or asked whether it is one.
    CommitQueue(CommitQueue&&) noexcept;
    CommitQueue& operator=(CommitQueue&&) noexcept;
    /// What waits is not committed any more; what is on the screen stays there as long as its
    /// buffers live. Turn it off with Commit::turn_off().
    ~CommitQueue();

    explicit operator bool() const noexcept { return state_ != nullptr; }

    const Display& display() const noexcept;

    /// Commits it when its turn has come; at once, where nothing is in the way. The number
    /// names it in take_committed() and take_withheld().
    ///
    /// Errors, with nothing left in the queue: invalid_argument (another display's; a property
    /// or plane that it does not have; refused by the kernel), device_lost (work that it waits
    /// for failed; the card is unplugged; the lease was revoked), unsupported (the card does
    /// not show a buffer), permission_denied (not DRM master), busy (somebody else commits to
    /// this CRTC), exhausted.
    Result<std::uint64_t> submit(Commit commit);

    /// The same, and waits until the kernel has it; not until it is shown.
    ///
    /// Errors: those of submit(); timed_out (it is taken back: nothing is left queued).
    Result<Committed> commit(Commit commit, Deadline deadline);

    /// A descriptor to poll for reading: advance() may have something to do then. -1 while
    /// nothing waits. Another one after each submit() and advance().
    int fd() const noexcept;

    /// Commits what can be; how many those were. One that the kernel refuses, or whose work
    /// failed, makes room for the next, see take_withheld().
    ///
    /// Errors, which leave all in the queue: permission_denied (not DRM master at present),
    /// busy (somebody else commits to this CRTC; fd() says when to try again), device_lost (the
    /// card is unplugged, the lease revoked), exhausted.
    Result<std::size_t> advance();

    /// How many the kernel has not got yet.
    std::size_t waiting() const noexcept;

    /// Takes back all that wait, in their order: they are not committed any more.
    std::vector<Commit> take_back();

    /// Those that the kernel has taken since the last call, in their order; commit()'s own it
    /// returns itself.
    std::vector<Committed> take_committed();

    /// Those that were given up since the last call.
    std::vector<WithheldCommit> take_withheld();

    /// When the last commit that the kernel has is on the screen.
    Fence shown() const;

private:
    class State;
    explicit CommitQueue(std::unique_ptr<State> state) noexcept;
    std::unique_ptr<State> state_;
};

} // namespace commonbuf::drm
