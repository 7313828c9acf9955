// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/drm/device.hpp>
#include <commonbuf/drm/property.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/format.hpp>
#include <commonbuf/result.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// What a DRM card has for showing pictures: connectors, CRTCs, planes and their properties
/// (drm_mode.h; Documentation/gpu/drm-kms.rst in the kernel).
namespace commonbuf::drm {

/// What connectors, CRTCs and planes have in common.
struct COMMONBUF_API DisplayObject {
    std::uint32_t id = 0;
    std::vector<PropertyInfo> properties;

    /// Finds a property by name; nullptr if the object has no such property.
    const PropertyInfo* find(std::string_view name) const noexcept;
};

/// A resolution with its timings. `timings` is a struct drm_mode_modeinfo, for everything that
/// has no member here.
struct Mode {
    std::string name; ///< for example "1920x1080"
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    /// How often the picture is refreshed: fields of an interlaced mode count, each of which has
    /// half of the rows.
    std::uint32_t refresh_millihertz = 0;
    bool preferred = false;  ///< the display prefers it
    bool interlaced = false; ///< shows every other row in turn (DRM_MODE_FLAG_INTERLACE)
    std::array<std::byte, 68> timings{};
};

struct Connector : DisplayObject {
    std::string name;       ///< for example "HDMI-A-1"
    bool connected = false; ///< also false if the driver cannot tell
    bool writeback = false; ///< not a display: writes what the CRTC shows into a buffer
    std::vector<Mode> modes;
    std::vector<std::uint32_t> crtcs;  ///< ids of the CRTCs that can drive it
    std::vector<Format> write_formats; ///< of a writeback connector
};

struct Crtc : DisplayObject {};

enum class PlaneType : std::uint8_t { primary, overlay, cursor };

/// "primary", "overlay" or "cursor".
COMMONBUF_API std::string_view to_string(PlaneType type) noexcept;

/// A format with one modifier, as a plane lists it.
struct FormatModifier {
    Format format;
    Modifier modifier;

    friend bool operator==(const FormatModifier&, const FormatModifier&) = default;
    friend auto operator<=>(const FormatModifier&, const FormatModifier&) = default;
};

/// Pixels of a whole image.
struct ImageSize {
    std::uint32_t width = 0;
    std::uint32_t height = 0;

    friend bool operator==(const ImageSize&, const ImageSize&) = default;
};

struct COMMONBUF_API DisplayPlane : DisplayObject {
    PlaneType type = PlaneType::overlay;
    std::vector<std::uint32_t> crtcs; ///< ids of the CRTCs that can show it
    /// What IN_FORMATS lists. If there is no IN_FORMATS: each format with the implicit modifier.
    /// Sorted.
    std::vector<FormatModifier> formats;
    /// What IN_FORMATS_ASYNC lists, for flips that do not wait for vblank; empty if the driver does
    /// not say. Sorted.
    std::vector<FormatModifier> async_formats;
    /// Of a cursor plane: the sizes that it takes for sure, best first. What SIZE_HINTS lists, or
    /// else the size of DRM_CAP_CURSOR_WIDTH and _HEIGHT. Empty for other planes.
    std::vector<ImageSize> cursor_sizes;

    /// Whether `formats` lists this pair. Displays list a modifier that has a column height without it
    /// (DRM_FORMAT_MOD_BROADCOM_SAND128), and mean every height.
    bool shows(Format format, Modifier modifier) const noexcept;
};

/// Everything that one DRM file may use: the whole card, or what is leased to it.
struct DisplayResources {
    std::vector<Connector> connectors; ///< including writeback connectors
    std::vector<Crtc> crtcs;
    std::vector<DisplayPlane> planes;
};

/// Reads all of them. Turns on the file's client capabilities ATOMIC, UNIVERSAL_PLANES,
/// WRITEBACK_CONNECTORS and CURSOR_PLANE_HOTSPOT, which stay on. With the last one a virtual card
/// shows its cursor plane, and expects the point of the pointer in the properties HOTSPOT_X and
/// HOTSPOT_Y (Commit::set()). Works without DRM master, but then the kernel does not probe the
/// connectors and answers with what it last saw. A connector that goes away meanwhile is left out.
///
/// Errors: unsupported (no displays; no atomic modesetting), device_gone, device_failed,
/// out_of_memory.
COMMONBUF_API Result<DisplayResources> display_resources(const Device& device);

} // namespace commonbuf::drm
