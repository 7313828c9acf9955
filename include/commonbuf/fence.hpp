// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/deadline.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

#include <poll.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace commonbuf {

class FenceSet;   // the library's own
class FencePoint; // the library's own

enum class FenceState : std::uint8_t {
    pending,
    signalled, ///< the work is done
    failed,    ///< the work ended with an error
};

/// Returns "pending", "signalled" or "failed".
COMMONBUF_API std::string_view to_string(FenceState state) noexcept;

/// One of the kernel's fences behind a Fence (struct sync_fence_info of linux/sync_file.h).
struct FencePart {
    std::string driver;   ///< for example "vkms"
    std::string timeline; ///< the name of the driver's timeline, for example "crtc-0"
    FenceState state = FenceState::pending;
    int sys_errno = 0;                        ///< why it failed, a positive errno value
    std::chrono::nanoseconds signalled_at{0}; ///< CLOCK_MONOTONIC; 0 while it is pending
};

/// The end of work that somebody else does: one or more sync_files.
///
/// A value: copies refer to the same work. Thread-safe. It holds its descriptors until the last
/// copy is gone, or until they are known to have signalled.
///
/// **An error stays an error.** The kernel forgets that a fence failed if the fence is merged after
/// that, exported from a buffer, or put on a timeline; displays ignore it. A Fence asks each
/// sync_file that it was made of, and keeps the answer.
class COMMONBUF_API Fence {
public:
    /// Makes a fence with nothing to wait for.
    Fence() noexcept = default;

    /// Makes a fence of a sync_file. It takes the descriptor, also if it fails. No descriptor makes
    /// a fence that has signalled: drivers and Vulkan mean that by -1. For what another process sent, see
    /// admit_fence() in foreign.hpp.
    ///
    /// Errors: invalid_argument (the descriptor is not a sync_file).
    static Result<Fence> from_fd(UniqueFd sync_file);

    /// Makes a fence that has failed, for work that could not be submitted and that others are told to
    /// wait for. They get this error with the category work_failed.
    static Fence failed(Error error);

    /// Makes one fence of all these. It has signalled when the last one has, and failed if one has.
    ///
    /// It makes no system call: descriptors are merged only if one is asked for (sync_file_fd(),
    /// export_fd()). Equal fences count once; fences that are known to have signalled do not count.
    static Fence merge(std::span<const Fence> fences);

    /// Returns what is known without asking the kernel.
    FenceState known() const noexcept;

    /// Asks whether the work is done, without waiting. It makes at most one system call for each
    /// sync_file that is not known to have signalled.
    ///
    /// Errors: work_failed (with the driver's errno).
    Result<bool> signalled() const;

    /// Waits until all of the work is over, even if a part of it fails. After that nobody works on
    /// the buffers any more, unless the deadline passed.
    ///
    /// `cancel` is a borrowed descriptor, for example an eventfd, that ends the wait when it
    /// becomes readable or hangs up; -1 for none.
    ///
    /// Errors: timed_out; cancelled; work_failed (with the driver's errno: the work is over, and
    /// its result is not there).
    Status wait(Deadline deadline, int cancel = -1) const;

    /// Lists the kernel's fences behind this one, with names and times. It asks each sync_file. A
    /// failed fence is no error of this function.
    ///
    /// Errors: out_of_memory, kernel_failure.
    Result<std::vector<FencePart>> parts() const;

    /// Returns one sync_file for all of the work, to poll for reading in an event loop or to hand to
    /// the kernel (IN_FENCE_FD). It is borrowed, and valid as long as a copy of this fence lives.
    ///
    /// -1 if there is nothing to wait for, or the work is over by now. poll() skips -1, so an event
    /// loop has to check at once in that case. The first call merges the descriptors.
    ///
    /// Errors: work_failed (a descriptor may not show a failure that is known already); unsupported
    /// (see Buffer::export_fence()); too_many_files.
    Result<int> sync_file_fd() const;

    /// Duplicates that sync_file for the caller to own; none if there is nothing to wait for.
    ///
    /// Errors: those of sync_file_fd().
    Result<UniqueFd> export_fd() const;

    /// Tells the drivers by when the work should be done (SYNC_IOC_SET_DEADLINE). Drivers may ignore
    /// it.
    ///
    /// Errors: unsupported (before Linux 6.4).
    Status set_deadline(Deadline deadline) const;

    friend bool operator==(const Fence& a, const Fence& b) noexcept { return a.set_ == b.set_; }

    /// For the library's own use.
    explicit Fence(std::shared_ptr<const FenceSet> set) noexcept : set_(std::move(set)) {}
    const std::shared_ptr<const FenceSet>& set() const noexcept { return set_; }

private:
    std::shared_ptr<const FenceSet> set_;
};

/// Waits until one of the fences is over, even if it failed, or one of the entries shows something,
/// as poll(2) does; false if the deadline passed. One wait for an event loop with fences and devices.
///
/// A fence that is over by now ends the wait at once, even if it has nothing to wait for: take it
/// off the list when Fence::signalled() says so. Of the entries `revents` is set; those with the
/// descriptor -1 are skipped. A signal does not end the wait: add a descriptor for it.
///
/// Errors: kernel_failure, out_of_memory. That a fence failed, Fence::signalled() says, and
/// what is wrong with a device, `revents`.
COMMONBUF_API Result<bool> wait_any(std::span<const Fence> fences, std::span<pollfd> entries, Deadline deadline);

} // namespace commonbuf
