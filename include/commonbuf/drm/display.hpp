// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/drm/device.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/format.hpp>
#include <commonbuf/result.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// What a DRM card has for showing pictures: connectors, CRTCs, planes and their properties
/// (drm_mode.h; Documentation/gpu/drm-kms.rst in the kernel).
namespace commonbuf::drm {

/// What values a property takes (DRM_MODE_PROP_* in drm_mode.h).
enum class PropertyKind : std::uint8_t {
    range,        ///< from least to most, unsigned
    signed_range, ///< from least to most, 64-bit two's complement
    enumeration,  ///< one of `names`
    bitmask,      ///< any of `names`, whose values are bit numbers
    object,       ///< the id of another object, or 0
    blob,         ///< the id of a blob, or 0
};

/// One property of one object, as the kernel describes it.
struct COMMONBUF_API PropertyInfo {
    std::string name;
    std::uint32_t id = 0;
    PropertyKind kind = PropertyKind::range;
    bool immutable = false;
    std::uint64_t value = 0; ///< when it was asked for
    std::uint64_t least = 0; ///< of ranges
    std::uint64_t most = 0;  ///< of ranges
    std::vector<std::pair<std::string, std::uint64_t>> names;

    /// The value that has this name among `names`, as it is to be set: for a bitmask the bit.
    std::optional<std::uint64_t> named(std::string_view value_name) const noexcept;

    /// Whether it takes this value, as far as the description says.
    bool takes(std::uint64_t wanted) const noexcept;
};

/// What connectors, CRTCs and planes have in common.
struct COMMONBUF_API DisplayObject {
    std::uint32_t id = 0;
    std::vector<PropertyInfo> properties;

    /// nullptr where it has none of that name.
    const PropertyInfo* find(std::string_view name) const noexcept;
};

/// Resolution and timings. `timings` is a struct drm_mode_modeinfo, for what is not named.
struct Mode {
    std::string name; ///< for example "1920x1080"
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    std::uint32_t refresh_mhz = 0; ///< in 1/1000 Hz
    bool preferred = false;        ///< the display says so
    std::array<std::byte, 68> timings{};
};

struct Connector : DisplayObject {
    std::string name;       ///< for example "HDMI-A-1"
    bool connected = false; ///< false too where the driver cannot tell
    bool writeback = false; ///< no display, but what is shown, written into a buffer
    std::vector<Mode> modes;
    std::vector<std::uint32_t> crtcs;  ///< ids of those that can drive it
    std::vector<Format> write_formats; ///< of a writeback connector
};

struct Crtc : DisplayObject {};

enum class PlaneType : std::uint8_t { primary, overlay, cursor };

/// "primary", "overlay" or "cursor".
COMMONBUF_API std::string_view to_string(PlaneType type) noexcept;

/// A format as a plane lists it, with one modifier.
struct FormatModifier {
    Format format;
    Modifier modifier;

    friend bool operator==(const FormatModifier&, const FormatModifier&) = default;
    friend auto operator<=>(const FormatModifier&, const FormatModifier&) = default;
};

struct COMMONBUF_API DisplayPlane : DisplayObject {
    PlaneType type = PlaneType::overlay;
    std::vector<std::uint32_t> crtcs; ///< ids of those that can show it
    /// What IN_FORMATS lists; without it each format with the implicit modifier. Sorted.
    std::vector<FormatModifier> formats;

    bool shows(Format format, Modifier modifier) const noexcept;
};

/// Everything that one DRM file may use: all of a card, or what is leased to it.
struct DisplayResources {
    std::vector<Connector> connectors; ///< writeback connectors too
    std::vector<Crtc> crtcs;
    std::vector<DisplayPlane> planes;
};

/// Asks for all of it. Switches the file's client capabilities ATOMIC, UNIVERSAL_PLANES and
/// WRITEBACK_CONNECTORS on, which stays so. Needs no DRM master; without it the kernel does
/// not look for displays anew, and answers with what it knows.
///
/// Errors: unsupported (no displays; no atomic modesetting), device_lost.
COMMONBUF_API Result<DisplayResources> display_resources(const Device& device);

/// Which display, as far as the caller cares.
struct DisplayRequest {
    std::string connector;                 ///< by name; empty for the first that is connected
    std::uint32_t width = 0;               ///< of the mode; 0 for the one that the display prefers
    std::uint32_t height = 0;              ///< likewise
    std::optional<std::uint32_t> crtc;     ///< by id; otherwise the one it has, or a free one
    std::optional<Mode> mode;              ///< the caller's own, in place of the listed ones
    std::vector<std::uint32_t> not_planes; ///< planes that somebody else uses
};

class DisplayState; // the library's own

/// A connector with the CRTC that drives it, a mode, and the planes and the writeback
/// connector that the CRTC can take. A handle: copies share the kernel's blob of the mode,
/// which goes with the last of them. Immutable, and so thread-safe.
///
/// Choosing one changes nothing on the screen and needs no DRM master; a Commit with light()
/// does. The library never becomes master itself: the caller does (DRM_IOCTL_SET_MASTER),
/// or has a file that logind, libseat or a lease made so (Device::wrap()).
class COMMONBUF_API Display {
public:
    /// Errors: those of display_resources(); not_present (no such connector, or none is
    /// connected), unsupported (no such mode, no CRTC can drive it), busy (every CRTC that
    /// can is driving another connector).
    static Result<Display> choose(const Device& device, const DisplayRequest& request = {});

    const Device& device() const noexcept;
    const Connector& connector() const noexcept;
    const Crtc& crtc() const noexcept;
    const Mode& mode() const noexcept;

    /// Primary first, then overlays, then cursors.
    std::span<const DisplayPlane> planes() const noexcept;

    /// The first of planes().
    const DisplayPlane& primary() const noexcept;

    /// The first of planes() that shows this; nullptr for none.
    const DisplayPlane* plane_for(Format format, Modifier modifier) const noexcept;

    /// What writes the picture into a buffer; nullptr for none.
    const Connector* writeback() const noexcept;

    /// Whether the display is (still) there: ask after a hotplug uevent. Where the file is DRM
    /// master the driver looks, which may take some milliseconds.
    ///
    /// Errors: device_lost (the card, or the connector, is gone, or a lease was revoked).
    Result<bool> connected() const;

    /// For the library's own use.
    explicit Display(std::shared_ptr<const DisplayState> state) noexcept : state_(std::move(state)) {}
    const DisplayState& state() const noexcept { return *state_; }

private:
    std::shared_ptr<const DisplayState> state_;
};

} // namespace commonbuf::drm
