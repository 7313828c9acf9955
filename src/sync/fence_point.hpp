// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/fence.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

namespace commonbuf {

/// One descriptor to wait for, and what is known of it. Once it is over, its answer is kept and
/// the kernel is not asked again. Thread-safe.
class FencePoint {
public:
    /// Makes a point of a sync_file: the kernel made it as one, or the caller checks that it is.
    static std::shared_ptr<FencePoint> of_sync_file(UniqueFd fd) noexcept;

    /// Makes a point of the fence that a CRTC gave (OUT_FENCE_PTR). The kernel signals it without an
    /// error (drm_send_event_helper() in drivers/gpu/drm/drm_file.c), so poll() tells all there is.
    static std::shared_ptr<FencePoint> of_crtc(UniqueFd fd) noexcept;

    /// Makes a point of the implicit fences of a dma-buf, for kernels that give no sync_file for
    /// them. It is waited for by poll() only: it never fails, and later fences count too.
    static std::shared_ptr<FencePoint> of_dma_buf(UniqueFd fd, short events) noexcept;

    /// Makes a point that has failed.
    static std::shared_ptr<FencePoint> failed(Error error);

    FencePoint(UniqueFd fd, short events, bool sync_file, bool may_fail) noexcept
        : fd_(std::move(fd)),
          events_(events),
          sync_file_(sync_file),
          may_fail_(may_fail)
    {}

    FenceState known() const noexcept { return known_.load(std::memory_order_acquire); }

    /// Asks the kernel, unless the answer is known. Polls before it reads the state: reading that of
    /// a fence that is about to signal is not safe (docs/architecture.md, "What the kernel does").
    /// Errors: kernel_failure, out_of_memory.
    Result<FenceState> ask();

    /// Reads how it ended, after poll() said that it has. Errors: kernel_failure, out_of_memory.
    Result<FenceState> look();

    /// Makes the point fail with this error unless it is over: for the work of a lost device.
    void give_up(Error error) { settle(FenceState::failed, std::move(error)); }

    /// Why it failed. Valid only if known() says that it failed.
    const Error& failure() const noexcept { return failure_; }

    /// Whether a caller was given failure(). The access checker asks.
    bool told() const noexcept { return told_.load(std::memory_order_relaxed); }
    void tell() noexcept { told_.store(true, std::memory_order_relaxed); }

    /// Lists the kernel's fences behind it. Errors: kernel_failure, out_of_memory.
    Result<std::vector<FencePart>> parts();

    int fd() const noexcept { return fd_.get(); }
    short events() const noexcept { return events_; }
    bool is_sync_file() const noexcept { return sync_file_; }

private:
    void settle(FenceState state, Error failure = {});

    UniqueFd fd_;
    short events_;
    bool sync_file_;
    bool may_fail_; ///< it has an error to ask for
    std::atomic<FenceState> known_{FenceState::pending};
    std::atomic<bool> told_{false};
    std::mutex mutex_;
    Error failure_;
};

} // namespace commonbuf
