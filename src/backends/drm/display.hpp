// SPDX-License-Identifier: MIT
#pragma once

#include "backends/drm/file.hpp"
#include "backends/drm/objects.hpp"

#include <commonbuf/drm/display.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace commonbuf::drm {

/// What copies of a Display share.
class DisplayState {
public:
    explicit DisplayState(Device on) : device(std::move(on)) {}
    ~DisplayState();
    DisplayState(const DisplayState&) = delete;
    DisplayState& operator=(const DisplayState&) = delete;

    const File& file() const noexcept { return *device.file(); }

    const DisplayPlane* plane(std::uint32_t id) const noexcept;

    /// How long a picture is shown at least.
    std::chrono::nanoseconds refresh() const noexcept;

    Device device;
    Connector connector;
    Crtc crtc;
    Mode mode;
    std::uint32_t mode_blob = 0;
    std::vector<DisplayPlane> planes;
    std::optional<Connector> writeback;
};

/// What the kernel means by ENOENT for an object that was there: a lease was revoked, or a
/// connector of a dock is gone.
Error lost_object(Error error);

} // namespace commonbuf::drm
