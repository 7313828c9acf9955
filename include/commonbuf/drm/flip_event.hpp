// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/drm/device.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/result.hpp>

#include <chrono>
#include <cstdint>
#include <vector>

namespace commonbuf::drm {

/// Says that a commit is on the screen (DRM_EVENT_FLIP_COMPLETE, struct drm_event_vblank).
struct FlipEvent {
    std::uint64_t user_data = 0;           ///< what Commit::event() was given
    std::uint32_t crtc = 0;                ///< id
    std::uint32_t sequence = 0;            ///< counts the CRTC's refreshes
    std::chrono::microseconds shown_at{0}; ///< CLOCK_MONOTONIC
};

/// Reads the flip events that have arrived, without waiting for more. Poll Device::fd() for
/// reading to learn when there are some.
///
/// This consumes the events of everybody who shares the file, and drops those of other kinds. A
/// program that uses drmHandleEvent() should keep using that.
///
/// Errors: device_gone.
COMMONBUF_API Result<std::vector<FlipEvent>> read_flip_events(const Device& device);

} // namespace commonbuf::drm
