// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

/// Counts the frames that a camera did not deliver, by whose fault that is.
///
/// A camera fills its buffers in the order in which it got them. So the buffer of the frame
/// after a gap tells: if the camera already had it when the frame before the gap was taken, it
/// had a buffer for those in between, and dropped them itself. Else nobody can know, and they
/// count as lost for want of a buffer.
class LostFrames {
public:
    /// The camera has this many buffers at `now`, on CLOCK_MONOTONIC. Call it after each call that
    /// may give it some.
    void given(std::size_t with_camera, std::chrono::nanoseconds now)
    {
        while (given_.size() > with_camera)
            given_.pop_front();
        given_.resize(with_camera, now);
    }

    /// A frame came, with the driver's number and time.
    void came(std::uint32_t sequence, std::chrono::nanoseconds timestamp)
    {
        // What nobody told of came last.
        const auto had_since = given_.empty() ? timestamp : given_.front();
        if (!given_.empty())
            given_.pop_front();
        if (last_ && sequence < last_->sequence)
            ++out_of_order_;
        // Some drivers give two frames one number when they are held up.
        if (last_ && sequence > last_->sequence) {
            const std::uint32_t missing = sequence - last_->sequence - 1;
            (had_since <= last_->timestamp ? dropped_ : without_buffer_) += missing;
        }
        last_ = {sequence, timestamp};
    }

    /// Frames for which the camera had no buffer.
    std::uint32_t without_buffer() const noexcept { return without_buffer_; }

    /// Frames that the camera, or its driver, dropped although it had a buffer: it was late, as
    /// on a busy machine.
    std::uint32_t dropped() const noexcept { return dropped_; }

    std::uint32_t out_of_order() const noexcept { return out_of_order_; }

private:
    struct Last {
        std::uint32_t sequence;
        std::chrono::nanoseconds timestamp;
    };

    std::deque<std::chrono::nanoseconds> given_; ///< since when the camera has each of its buffers
    std::optional<Last> last_;
    std::uint32_t without_buffer_ = 0;
    std::uint32_t dropped_ = 0;
    std::uint32_t out_of_order_ = 0;
};

/// The present, as LostFrames::given() takes it.
inline std::chrono::nanoseconds monotonic_now() { return std::chrono::steady_clock::now().time_since_epoch(); }
