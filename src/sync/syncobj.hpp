// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/deadline.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

#include <cstdint>
#include <span>
#include <utility>

namespace commonbuf {

/// The handle of a DRM syncobj on an open DRM file, which it borrows. Each function is one call of
/// the kernel (drivers/gpu/drm/drm_syncobj.c).
class Syncobj {
public:
    static Result<Syncobj> create(int drm_fd);
    /// Imports the syncobj behind a borrowed descriptor.
    static Result<Syncobj> import(int drm_fd, int syncobj);

    Syncobj(Syncobj&& other) noexcept : drm_fd_(other.drm_fd_), handle_(std::exchange(other.handle_, 0)) {}
    Syncobj(const Syncobj&) = delete;
    Syncobj& operator=(const Syncobj&) = delete;
    Syncobj& operator=(Syncobj&&) = delete;
    ~Syncobj();

    std::uint32_t handle() const noexcept { return handle_; }

    Result<UniqueFd> export_fd() const;

    Result<std::uint64_t> last_signalled() const;
    Result<std::uint64_t> last_submitted() const;

    Status signal(std::uint64_t point) const;

    /// Puts the work behind a point of `source`, on the same file, behind a point of this syncobj.
    /// Point 0 is the single fence of a syncobj without a timeline. Returns 0, EINVAL if nothing is
    /// submitted there, or another errno value.
    int transfer(const Syncobj& source, std::uint64_t point, std::uint64_t to_point) const;

    /// Convert between a sync_file and the single fence of a syncobj without a timeline.
    Status import_sync_file(int sync_file) const;
    Result<UniqueFd> export_sync_file() const;

    Status notify(std::uint64_t point, int eventfd, bool submitted) const;

private:
    Syncobj(int drm_fd, std::uint32_t handle) noexcept : drm_fd_(drm_fd), handle_(handle) {}
    Result<std::uint64_t> query(std::uint32_t flags) const;
    Result<UniqueFd> to_fd(std::uint32_t flags) const;

    int drm_fd_;
    std::uint32_t handle_;
};

enum class Until : std::uint8_t {
    submitted,
    signalled,
};

/// Waits for one of these points, and returns its index. Points may be submitted during the wait.
///
/// Errors: timed_out, cancelled, kernel_failure.
Result<std::uint32_t> wait_any(int drm_fd, std::span<const std::uint32_t> handles,
                               std::span<const std::uint64_t> points, Until until, Deadline deadline, int cancel);

/// Fails if the driver has no timelines.
///
/// Errors: unsupported, invalid_argument (not a DRM device).
Status require_timelines(int drm_fd);

} // namespace commonbuf
