// SPDX-License-Identifier: MIT
#include "sync/syncobj.hpp"

#include "base/text.hpp"
#include "os/os.hpp"
#include "sync/syncobj_header.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

namespace commonbuf {
namespace {

// A cancel takes effect within this time: the kernel's wait cannot be ended otherwise.
constexpr std::chrono::milliseconds slice{20};

/// The deadline as the kernel wants it: absolute, 0 for a test.
std::int64_t timeout_of(Deadline deadline)
{
    const auto time = std::chrono::duration_cast<std::chrono::nanoseconds>(deadline.time_since_epoch()).count();
    return std::max<std::int64_t>(time, 0);
}

template <typename T>
std::uint64_t address(const T* values)
{
    return reinterpret_cast<std::uintptr_t>(values);
}

} // namespace

Status require_timelines(int drm_fd)
{
    constexpr const char* what = "make a timeline";
    drm_get_cap request{.capability = DRM_CAP_SYNCOBJ_TIMELINE};
    const int error = os::ioctl_again(drm_fd, DRM_IOCTL_GET_CAP, &request);
    if (error == ENOTTY)
        return Error::invalid_argument(what, text::format("descriptor {} is not a DRM device", drm_fd));
    if (error != 0 && error != EINVAL) // EINVAL: the kernel does not know the capability
        return Error::from_errno(error, "DRM_IOCTL_GET_CAP");
    if (error != 0 || request.value == 0)
        return Error::unsupported(what,
                                  "the driver of this DRM device has no timelines (DRM_CAP_SYNCOBJ_TIMELINE is 0)",
                                  "use a timeline of another device, or a Fence for each piece of work");
    return {};
}

Result<Syncobj> Syncobj::create(int drm_fd)
{
    drm_syncobj_create request{};
    if (const int error = os::ioctl_again(drm_fd, DRM_IOCTL_SYNCOBJ_CREATE, &request); error != 0)
        return Error::from_errno(error, "DRM_IOCTL_SYNCOBJ_CREATE");
    return Syncobj(drm_fd, request.handle);
}

Result<Syncobj> Syncobj::import(int drm_fd, int syncobj)
{
    drm_syncobj_handle request{.fd = syncobj};
    const int error = os::ioctl_again(drm_fd, DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, &request);
    if (error == EINVAL)
        return Error::from_errno(error, "DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE",
                                 text::format("descriptor {} is not a syncobj", syncobj));
    if (error != 0)
        return Error::from_errno(error, "DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE");
    return Syncobj(drm_fd, request.handle);
}

Syncobj::~Syncobj()
{
    if (handle_ == 0)
        return;
    drm_syncobj_destroy request{.handle = handle_};
    os::ioctl_again(drm_fd_, DRM_IOCTL_SYNCOBJ_DESTROY, &request);
}

Result<UniqueFd> Syncobj::to_fd(std::uint32_t flags) const
{
    drm_syncobj_handle request{.handle = handle_, .flags = flags, .fd = -1};
    if (const int error = os::ioctl_again(drm_fd_, DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, &request); error != 0)
        return Error::from_errno(error, "DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD");
    return UniqueFd(request.fd);
}

Result<UniqueFd> Syncobj::export_fd() const { return to_fd(0); }
Result<UniqueFd> Syncobj::export_sync_file() const { return to_fd(DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE); }

Result<std::uint64_t> Syncobj::query(std::uint32_t flags) const
{
    std::uint64_t point = 0;
    drm_syncobj_timeline_array request{
        .handles = address(&handle_), .points = address(&point), .count_handles = 1, .flags = flags};
    if (const int error = os::ioctl_again(drm_fd_, DRM_IOCTL_SYNCOBJ_QUERY, &request); error != 0)
        return Error::from_errno(error, "DRM_IOCTL_SYNCOBJ_QUERY");
    return point;
}

Result<std::uint64_t> Syncobj::last_signalled() const { return query(0); }
Result<std::uint64_t> Syncobj::last_submitted() const { return query(DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED); }

Status Syncobj::signal(std::uint64_t point) const
{
    drm_syncobj_timeline_array request{.handles = address(&handle_), .points = address(&point), .count_handles = 1};
    if (const int error = os::ioctl_again(drm_fd_, DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL, &request); error != 0)
        return Error::from_errno(error, "DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL");
    return {};
}

int Syncobj::transfer(const Syncobj& source, std::uint64_t point, std::uint64_t to_point) const
{
    // Without WAIT_FOR_SUBMIT, which waits for 5 seconds, whatever the caller's deadline.
    drm_syncobj_transfer request{
        .src_handle = source.handle_, .dst_handle = handle_, .src_point = point, .dst_point = to_point};
    return os::ioctl_again(drm_fd_, DRM_IOCTL_SYNCOBJ_TRANSFER, &request);
}

Status Syncobj::import_sync_file(int sync_file) const
{
    drm_syncobj_handle request{
        .handle = handle_, .flags = DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE, .fd = sync_file};
    if (const int error = os::ioctl_again(drm_fd_, DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, &request); error != 0)
        return Error::from_errno(error, "DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE",
                                 text::format("sync_file {} was not imported", sync_file));
    return {};
}

Status Syncobj::notify(std::uint64_t point, int eventfd, bool submitted) const
{
    drm_syncobj_eventfd request{.handle = handle_,
                                .flags = submitted ? DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE : 0U,
                                .point = point,
                                .fd = eventfd};
    const int error = os::ioctl_again(drm_fd_, DRM_IOCTL_SYNCOBJ_EVENTFD, &request);
    if (error == 0)
        return {};
    if (error != EINVAL && error != EBADF)
        return Error::from_errno(error, "DRM_IOCTL_SYNCOBJ_EVENTFD");
    // Older kernels answer EINVAL to any call that they do not know. A kernel that knows the call
    // looks for the handle first, and no handle is 0.
    drm_syncobj_eventfd nothing{.fd = -1};
    if (os::ioctl_again(drm_fd_, DRM_IOCTL_SYNCOBJ_EVENTFD, &nothing) == ENOENT)
        return Error::from_errno(EINVAL, "DRM_IOCTL_SYNCOBJ_EVENTFD",
                                 text::format("descriptor {} is not an eventfd", eventfd));
    return Error::unsupported(Call{"DRM_IOCTL_SYNCOBJ_EVENTFD"},
                              "this kernel cannot notify an eventfd of a timeline's points (Linux before 6.6)",
                              "wait in a thread of its own")
        .with_errno(error);
}

Result<std::uint32_t> wait_any(int drm_fd, std::span<const std::uint32_t> handles,
                               std::span<const std::uint64_t> points, Until until, Deadline deadline, int cancel)
{
    constexpr const char* what = "DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT";
    for (;;) {
        const Deadline until_now = cancel < 0 ? deadline : std::min(deadline, deadline_in(slice));
        drm_syncobj_timeline_wait request{.handles = address(handles.data()),
                                          .points = address(points.data()),
                                          .timeout_nsec = timeout_of(until_now),
                                          .count_handles = static_cast<std::uint32_t>(handles.size()),
                                          .flags = DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT};
        if (until == Until::submitted)
            request.flags |= DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE;
        const int error = os::ioctl_again(drm_fd, DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, &request);
        if (error == 0)
            return request.first_signaled;
        if (error != ETIME)
            return Error::from_errno(error, what);
        if (cancel >= 0) {
            const auto cancelled = os::wait(cancel, os::cancel_events, Deadline{}, "the descriptor that cancels");
            if (!cancelled)
                return cancelled.error();
            if (*cancelled)
                return Error::cancelled(Call{what}, "the caller ended the wait");
        }
        // The kernel counts in ticks, and returns early if some of them were late.
        if (std::chrono::steady_clock::now() >= deadline)
            return Error::from_errno(error, what);
    }
}

} // namespace commonbuf
