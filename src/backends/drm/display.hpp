// SPDX-License-Identifier: MIT
#pragma once

#include "backends/drm/file.hpp"

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
    explicit DisplayState(const Device& on) : device(on) {}
    ~DisplayState();
    DisplayState(const DisplayState&) = delete;
    DisplayState& operator=(const DisplayState&) = delete;

    const File& file() const noexcept { return *device.file(); }

    /// Finds a plane by id; nullptr if it is not the display's.
    const DisplayPlane* plane(std::uint32_t id) const noexcept;

    /// Returns how long a picture is shown at least.
    std::chrono::nanoseconds refresh() const noexcept;

    /// Explains the answer ENOENT for an object that was there when the display was chosen: the
    /// lease behind the file was revoked, or the connector, of a dock for example, is gone.
    Error lost(Error error) const;

    Device device;
    Connector connector;
    Crtc crtc;
    Mode mode;
    std::uint32_t mode_blob = 0;
    std::vector<DisplayPlane> planes;
    std::optional<Connector> writeback;
};

} // namespace commonbuf::drm
