// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/buffer.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/layout.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>

namespace commonbuf::v4l2 {

/// struct v4l2_timecode without its user bits.
struct Timecode {
    std::uint32_t type = 0;  ///< V4L2_TC_TYPE_...: frames per second
    std::uint32_t flags = 0; ///< V4L2_TC_FLAG_...
    std::uint8_t frames = 0;
    std::uint8_t seconds = 0;
    std::uint8_t minutes = 0;
    std::uint8_t hours = 0;

    friend bool operator==(const Timecode&, const Timecode&) = default;
};

/// What a codec made a frame from.
enum class Coding : std::uint8_t {
    unknown,
    key,           ///< only from itself (V4L2_BUF_FLAG_KEYFRAME)
    predicted,     ///< from a frame before it (PFRAME)
    bidirectional, ///< from frames on both sides (BFRAME)
};

/// A buffer that came back from the device.
struct COMMONBUF_API Frame {
    Buffer buffer;
    std::uint32_t sequence = 0;                         ///< counts frames, including lost ones
    std::chrono::nanoseconds timestamp{};               ///< the clock is the driver's, usually CLOCK_MONOTONIC
    std::array<std::uint32_t, max_planes> bytes_used{}; ///< of each memory, including `data_offset`
    /// Bytes of each memory in front of what the device wrote: 0 unless the queue delivers
    /// offsets, see Queue::deliver_offsets().
    std::array<std::uint32_t, max_planes> data_offset{};
    std::uint32_t flags = 0; ///< V4L2_BUF_FLAG_..., all that the driver set
    std::uint32_t field = 0; ///< V4L2_FIELD_...
    std::optional<Timecode> timecode{};

    /// Tells whether this is the last frame before a drained codec stops or before the source
    /// changes (V4L2_BUF_FLAG_LAST). The frame may be empty: then bytes_used is 0.
    bool last() const noexcept;

    /// Tells whether the device failed on this frame (V4L2_BUF_FLAG_ERROR); see
    /// Queue::deliver_damaged().
    bool damaged() const noexcept;

    /// Tells what the codec made this frame from.
    Coding coding() const noexcept;
};

} // namespace commonbuf::v4l2
