// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/drm/device.hpp>
#include <commonbuf/drm/resources.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/format.hpp>
#include <commonbuf/result.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace commonbuf::drm {

/// Which display to choose, as far as the caller cares.
struct DisplayRequest {
    std::string connector; ///< by name; empty for the first that is connected
    /// Of the mode. 0 for the mode that the display prefers. Of several modes of this size, one
    /// that is not interlaced is chosen before one that is, then the one with the highest refresh
    /// rate, then the one that the display prefers.
    std::uint32_t width = 0;
    std::uint32_t height = 0;              ///< likewise
    std::optional<std::uint32_t> crtc;     ///< by id; otherwise the present one, or a free one
    std::optional<Mode> mode;              ///< the caller's own, instead of a listed one
    std::vector<std::uint32_t> not_planes; ///< ids of planes that somebody else uses
};

class DisplayState; // the library's own

/// A connector with the CRTC that drives it, a mode, and the planes and the writeback connector
/// that the CRTC can use. A handle: copies share the kernel's blob of the mode, which is
/// destroyed with the last of them. Immutable, and so thread-safe.
///
/// Choosing a display changes nothing on the screen and needs no DRM master. To turn the display
/// on, commit a Commit with enable(), on a file that is DRM master: the caller makes it so
/// (DRM_IOCTL_SET_MASTER), or gets such a file from logind, libseat or a lease (Device::wrap()).
class COMMONBUF_API Display {
public:
    // Without moves, which would leave a handle of nothing.
    Display(const Display&) noexcept = default;
    Display& operator=(const Display&) noexcept = default;

    /// Chooses a connector, a CRTC, a mode and the planes. Planes that show something on another
    /// CRTC are left alone. The primary plane is the one that the CRTC has now; or else the one at
    /// the CRTC's place among the primary planes, so that two displays that are chosen before
    /// either is lit get one each. Overlays that several CRTCs can show are in the list of each
    /// display: see DisplayRequest::not_planes.
    ///
    /// Errors: those of display_resources(); not_present (there is no such connector, or none is
    /// connected), unsupported (no such mode, no CRTC can drive the connector, or the CRTC has no
    /// plane), busy (every CRTC that can is driving another connector, or every plane is on another
    /// CRTC).
    static Result<Display> choose(const Device& device, const DisplayRequest& request = {});

    const Device& device() const noexcept;
    const Connector& connector() const noexcept;
    const Crtc& crtc() const noexcept;
    const Mode& mode() const noexcept;

    /// Returns the planes: its primary plane first, then overlays, then primary planes that are
    /// meant for other CRTCs, then cursors. There is at least one.
    std::span<const DisplayPlane> planes() const noexcept;

    /// Returns the first of planes().
    const DisplayPlane& primary() const noexcept;

    /// Returns the first of planes() that shows an image with this modifier; nullptr if none does. A
    /// plane of a driver without modifiers shows linear images; one without a modifier
    /// (implicit_modifier) may suit every plane that has the format.
    const DisplayPlane* plane_for(Format format, Modifier modifier) const noexcept;

    /// Returns the connector that writes the picture into a buffer; nullptr if there is none.
    const Connector* writeback() const noexcept;

    /// Asks whether the display is still plugged in, for example after a hotplug uevent. If the
    /// file is DRM master, the driver probes the connector, which may take some milliseconds.
    ///
    /// Errors: device_gone (the card or the connector is gone), lease_revoked.
    Result<bool> connected() const;

    /// For the library's own use.
    explicit Display(std::shared_ptr<const DisplayState> state) noexcept : state_(std::move(state)) {}
    const DisplayState& state() const noexcept { return *state_; }

private:
    std::shared_ptr<const DisplayState> state_;
};

} // namespace commonbuf::drm
