// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/layout.hpp>
#include <commonbuf/v4l2/frame.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>

namespace commonbuf::v4l2 {

/// What goes to the device along with a buffer (struct v4l2_buffer).
///
/// Untrusted: Queue::queue() checks every number against the buffer.
struct Payload {
    /// Bytes used of each memory of an output queue's buffer, including `data_offset`; 0 for what
    /// the layout asks for. For compressed frames, the size of the frame.
    std::array<std::uint32_t, max_planes> bytes_used{};
    /// Bytes of each memory that the device is to skip in front; only for multi-planar output
    /// queues. Whether a driver really skips them shows only in its output.
    std::array<std::uint32_t, max_planes> data_offset{};
    /// In whole microseconds. Memory-to-memory devices copy it to what they make of the frame.
    std::chrono::nanoseconds timestamp{};
    Coding coding = Coding::unknown;
    /// The device keeps the buffer that it writes for the next slice of the same picture, which
    /// has the same time stamp. The buffer comes back after a slice that does not hold it, before
    /// a slice with another time stamp, or by M2m::flush() (V4L2_BUF_FLAG_M2M_HOLD_CAPTURE_BUF).
    bool hold_capture = false;
    /// V4L2_FIELD_...; 0 for whole pictures. If a buffer of the queue holds one field
    /// (Queue::field()), 0 stands for top and bottom in turn, beginning with the top.
    std::uint32_t field = 0;
    std::optional<Timecode> timecode{};
    /// A media request that the buffer becomes a part of, borrowed (MediaRequest::fd()); -1
    /// for none. The device gets the buffer when the request is submitted.
    int request = -1;
};

} // namespace commonbuf::v4l2
