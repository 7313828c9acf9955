// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/fence.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

namespace commonbuf {

/// One descriptor to wait for, and what is known of it. What it said once when it was done
/// is kept, and it is not asked again. Thread-safe.
class FencePoint {
public:
    /// A descriptor that the kernel gave as a sync_file, or that was checked to be one.
    static std::shared_ptr<FencePoint> of_sync_file(UniqueFd fd) noexcept;

    /// The implicit fences of a dma-buf, by poll() alone: where the kernel gives no
    /// sync_file of them. They never fail, and say less: later fences count too.
    static std::shared_ptr<FencePoint> of_dma_buf(UniqueFd fd, short events) noexcept;

    static std::shared_ptr<FencePoint> failed(Error error);

    FencePoint(UniqueFd fd, short events, bool sync_file) noexcept
        : fd_(std::move(fd)),
          events_(events),
          sync_file_(sync_file)
    {}

    FenceState known() const noexcept { return known_.load(std::memory_order_acquire); }

    /// Asks the kernel, unless it is known. Errors: kernel_failure, exhausted.
    Result<FenceState> ask();

    /// It has failed with this error, unless it is over: for work of a device that is lost.
    void give_up(Error error) { settle(FenceState::failed, std::move(error)); }

    /// Why it failed; only when known() says so.
    const Error& failure() const noexcept { return failure_; }

    /// Whether failure() was handed to a caller; the access checker looks at it.
    bool told() const noexcept { return told_.load(std::memory_order_relaxed); }
    void tell() noexcept { told_.store(true, std::memory_order_relaxed); }

    /// The kernel's fences inside.
    Result<std::vector<FencePart>> parts();

    int fd() const noexcept { return fd_.get(); }
    short events() const noexcept { return events_; }
    bool is_sync_file() const noexcept { return sync_file_; }

private:
    void settle(FenceState state, Error failure = {});

    UniqueFd fd_;
    short events_;
    bool sync_file_;
    std::atomic<FenceState> known_{FenceState::pending};
    std::atomic<bool> told_{false};
    std::mutex mutex_;
    Error failure_;
};

/// The points of a Fence: what copies of it share.
class FenceSet {
public:
    explicit FenceSet(std::vector<std::shared_ptr<FencePoint>> points) noexcept : points_(std::move(points)) {}

    std::span<const std::shared_ptr<FencePoint>> points() const noexcept { return points_; }

    /// One descriptor for all of them; made once. See Fence::fd().
    Result<int> fd() const;

private:
    Result<int> merged() const;

    std::vector<std::shared_ptr<FencePoint>> points_;
    mutable std::mutex mutex_;
    mutable UniqueFd merged_;
};

/// The points of a fence; none where there is nothing to wait for.
inline std::span<const std::shared_ptr<FencePoint>> points_of(const Fence& fence) noexcept
{
    return fence.set() ? fence.set()->points() : std::span<const std::shared_ptr<FencePoint>>{};
}

} // namespace commonbuf
