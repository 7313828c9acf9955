// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/deadline.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>
#include <commonbuf/v4l2/device.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace commonbuf::v4l2 {

/// Buffers and controls that take effect together: the kernel's media request
/// (linux/media.h; request-api.rst in Documentation/userspace-api/media/mediactl).
///
/// Set controls, queue buffers with Payload::request, then submit(). When the request is
/// complete, reset() it for the next frame. Stateless codecs require one for each frame that
/// goes in.
///
/// Owns the descriptor of the request. A request that was never submitted gives its buffers
/// back when it is destroyed, see Queue::reclaim(). Use it from one thread at a time.
class COMMONBUF_API MediaRequest {
public:
    MediaRequest(MediaRequest&&) noexcept = default;
    MediaRequest& operator=(MediaRequest&&) noexcept = default;

    /// Returns the request's descriptor, borrowed; for Payload::request, and to poll for POLLPRI
    /// (complete).
    int fd() const noexcept { return fd_.get(); }

    /// Sets a control of the device for this request only (VIDIOC_S_EXT_CTRLS with
    /// V4L2_CTRL_WHICH_REQUEST_VAL): a number, or the struct of a compound control, which is
    /// copied.
    ///
    /// Errors: invalid_argument (no such control, or a value that the driver does not take),
    /// busy (the request is submitted), unsupported (the device takes no requests).
    Status set_control(std::uint32_t id, std::int64_t value);
    Status set_control(std::uint32_t id, std::span<const std::byte> value);

    /// Submits the request to the device (MEDIA_REQUEST_IOC_QUEUE). All its buffers have to be in
    /// it: a buffer that still waits for its fence (Queue::queue_when_ready()) is not.
    ///
    /// Errors: invalid_state (it lacks a buffer, or a control that the driver needs), busy
    /// (submitted already), invalid_argument, device_gone.
    Status submit();

    /// Tells without waiting whether everything in it is done. False before submit().
    ///
    /// Errors: kernel_failure.
    Result<bool> complete() const;

    /// Waits until it is complete.
    ///
    /// Errors: timed_out, device_gone, and those of complete().
    Status wait(Deadline deadline) const;

    /// Empties it for the next use (MEDIA_REQUEST_IOC_REINIT).
    ///
    /// Errors: busy (it is submitted and not complete).
    Status reset();

private:
    friend class MediaDevice;
    MediaRequest(std::shared_ptr<Node> node, UniqueFd fd) noexcept;
    Status set(std::uint32_t id, void* control);

    std::shared_ptr<Node> node_;
    UniqueFd fd_;
};

/// The media device that a V4L2 node belongs to: where its requests come from.
///
/// A handle: copies share the descriptor. Thread-safe.
class COMMONBUF_API MediaDevice {
public:
    /// Opens the media device of a node (the node's parent in sysfs says which it is).
    ///
    /// Errors: not_present (the node belongs to none), permission_denied, too_many_files.
    static Result<MediaDevice> open(const Device& device);

    /// Returns the path of the media device, for example "/dev/media0".
    const std::string& path() const noexcept { return path_; }

    /// Makes an empty request (MEDIA_IOC_REQUEST_ALLOC).
    ///
    /// Errors: unsupported (the driver or the kernel has no requests), out_of_memory,
    /// too_many_files.
    Result<MediaRequest> allocate() const;

private:
    MediaDevice(std::shared_ptr<Node> node, std::shared_ptr<const UniqueFd> fd, std::string path) noexcept;

    std::shared_ptr<Node> node_;
    std::shared_ptr<const UniqueFd> fd_;
    std::string path_;
};

} // namespace commonbuf::v4l2
