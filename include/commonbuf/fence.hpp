// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/deadline.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

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

/// "pending", "signalled" or "failed".
COMMONBUF_API std::string_view to_string(FenceState state) noexcept;

/// One of the kernel's fences behind a Fence (struct sync_fence_info of linux/sync_file.h).
struct FencePart {
    std::string driver;   ///< for example "vkms"
    std::string timeline; ///< the name of the driver's timeline, for example "crtc-0"
    FenceState state = FenceState::pending;
    int sys_errno = 0;                        ///< why it failed, a positive errno value
    std::chrono::nanoseconds signalled_at{0}; ///< CLOCK_MONOTONIC; 0 while it is pending
};

/// When work is done that somebody else does: one or more sync_files.
///
/// A value: copies refer to the same work. Thread-safe. It holds its descriptors until the
/// last copy is gone, or until it is known that they have signalled.
///
/// **An error stays an error.** The kernel forgets that a fence failed when it is merged
/// after that, exported from a buffer, or put on a timeline; displays ignore it. A Fence
/// asks each sync_file that it was made of, and keeps the answer.
class COMMONBUF_API Fence {
public:
    /// Nothing to wait for.
    Fence() noexcept = default;

    /// The fence of a sync_file, which it takes, also when this fails. No descriptor is a
    /// fence that has signalled, as drivers and Vulkan mean it by -1.
    ///
    /// Errors: invalid_argument (the descriptor is no sync_file).
    static Result<Fence> from_fd(UniqueFd sync_file);

    /// A fence that has failed with this error: for work that could not be submitted and
    /// that others are told to wait for.
    static Fence failed(Error error);

    /// All of these: signalled when the last one has, failed when one has. Costs no system
    /// call: descriptors are merged only when one is asked for (fd(), export_fd()). Equal
    /// ones count once, and those known to have signalled not at all.
    static Fence merge(std::span<const Fence> fences);

    /// What is known without asking the kernel.
    FenceState known() const noexcept;

    /// Whether the work is done, without waiting. At most one system call for each
    /// sync_file that is not known to have signalled.
    ///
    /// Errors: device_lost (it failed, with the errno that the driver gave).
    Result<bool> signalled() const;

    /// Waits until all of the work is over, also when a part of it fails: afterwards
    /// nobody works on the buffers any more, unless the deadline passed.
    ///
    /// `cancel` is a borrowed descriptor, for example an eventfd, that ends the wait when it
    /// becomes readable; -1 for none.
    /// Errors: timed_out; cancelled; device_lost (it failed, with the errno that the driver
    /// gave: the work is over, and what it should have written is not there).
    Status wait(Deadline deadline, int cancel = -1) const;

    /// The kernel's fences behind this one, with names and times. Asks for each sync_file.
    ///
    /// Errors: kernel_failure. A failed fence is no error of this function.
    Result<std::vector<FencePart>> parts() const;

    /// A descriptor to poll for reading in an event loop, or to give to the kernel
    /// (IN_FENCE_FD); borrowed, as long as a copy of this fence lives. -1 where there is
    /// nothing to wait for, and where it is over by now: poll() passes over -1, so an event
    /// loop has to look at once then. Made at the first call from what was merged.
    ///
    /// Errors: device_lost (it is known to have failed: a descriptor may not say so);
    /// unsupported (see Buffer::export_fence()); exhausted.
    Result<int> fd() const;

    /// A descriptor of the caller's own, or none where there is nothing to wait for.
    /// Errors: those of fd().
    Result<UniqueFd> export_fd() const;

    /// Tells drivers by when the work should be done (SYNC_IOC_SET_DEADLINE): a hint.
    ///
    /// Errors: unsupported (Linux before 6.4).
    Status hint(Deadline deadline) const;

    friend bool operator==(const Fence& a, const Fence& b) noexcept { return a.set_ == b.set_; }

    /// For the library's own use.
    explicit Fence(std::shared_ptr<const FenceSet> set) noexcept : set_(std::move(set)) {}
    const std::shared_ptr<const FenceSet>& set() const noexcept { return set_; }

private:
    std::shared_ptr<const FenceSet> set_;
};

} // namespace commonbuf
