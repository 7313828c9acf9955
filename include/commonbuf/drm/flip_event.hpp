// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/drm/device.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/result.hpp>

#include <chrono>
#include <cstdint>
#include <vector>

namespace commonbuf::drm {

/// A commit is on the screen (DRM_EVENT_FLIP_COMPLETE, struct drm_event_vblank).
struct FlipEvent {
    std::uint64_t user_data = 0;           ///< as Commit::event() got it
    std::uint32_t crtc = 0;                ///< id
    std::uint32_t sequence = 0;            ///< counts the CRTC's refreshes
    std::chrono::microseconds shown_at{0}; ///< CLOCK_MONOTONIC
};

/// The events of a file that have come; none is waited for. Poll Device::fd() for reading.
///
/// Reads them away for everybody who has this file, other kinds too, which are dropped: a
/// program that uses drmHandleEvent() goes on using that.
/// Errors: device_lost.
COMMONBUF_API Result<std::vector<FlipEvent>> read_flip_events(const Device& device);

} // namespace commonbuf::drm
