// SPDX-License-Identifier: MIT
#include "backends/drm/display_state.hpp"

#include "backends/drm/blob.hpp"
#include "backends/drm/objects.hpp"

#include <algorithm>

namespace commonbuf::drm {

DisplayState::~DisplayState()
{
    if (mode_blob != 0)
        destroy_blob(file(), mode_blob);
}

const DisplayPlane* DisplayState::plane(std::uint32_t id) const noexcept
{
    const auto found =
        std::find_if(planes.begin(), planes.end(), [&](const DisplayPlane& plane) { return plane.id == id; });
    return found != planes.end() ? &*found : nullptr;
}

std::chrono::nanoseconds DisplayState::refresh() const noexcept
{
    constexpr std::uint32_t usual = 60000;
    constexpr std::int64_t scale = 1000000000000;
    return std::chrono::nanoseconds(scale / (mode.refresh_millihertz != 0 ? mode.refresh_millihertz : usual));
}

Error DisplayState::lost(Error error) const
{
    // Connectors come and go, CRTCs do not: if ours is no longer listed, it is no longer leased.
    const auto pipes = pipes_of(file());
    if (pipes && std::find(pipes->crtcs.begin(), pipes->crtcs.end(), crtc.id) == pipes->crtcs.end()) {
        error.category = Category::lease_revoked;
        error.detail = "the lease behind this file was revoked";
        error.advice = "ask for a new lease and open the display again";
        return error;
    }
    error.category = Category::device_gone;
    error.detail = "an object of the display is gone, for example because its connector was unplugged";
    error.advice = "choose a display again";
    return error;
}

} // namespace commonbuf::drm
