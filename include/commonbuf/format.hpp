// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace commonbuf {

/// The most planes that a format has, and so the most memories of a buffer.
inline constexpr std::size_t max_planes = 4;

/// How pixels are stored: a DRM fourcc (drm_fourcc.h), for example DRM_FORMAT_NV12.
///
/// V4L2 and Vulkan name the same formats differently; the backends translate. A format that only
/// V4L2 has (Bayer, compressed, metadata) keeps V4L2's own code and is marked as such, since the
/// two lists of codes collide: 'RG16' is RGB565 for DRM and a Bayer format for V4L2.
struct Format {
    std::uint32_t fourcc = 0;
    bool is_v4l2 = false; ///< the code is one of videodev2.h

    constexpr Format() = default;
    // Implicit, so that the kernel's constants can be used as they are.
    constexpr Format(std::uint32_t code) noexcept : fourcc(code) {}

    /// Find the format that V4L2 calls `code` (V4L2_PIX_FMT_..., V4L2_META_FMT_...): one that the
    /// library knows by another name, or else V4L2's own, which is opaque.
    COMMONBUF_API static Format v4l2(std::uint32_t code) noexcept;

    friend constexpr bool operator==(Format, Format) noexcept = default;
    friend constexpr auto operator<=>(Format, Format) noexcept = default;
};

/// How pixels are arranged in memory beyond the format: a DRM format modifier.
///
/// The contract of drm_fourcc.h: LINEAR is an explicit promise of rows one after the other;
/// INVALID means that the layout is implicit and only the driver knows it. Neither may be ignored
/// on import, and neither stands for the other.
struct Modifier {
    std::uint64_t value = 0;

    constexpr Modifier() = default;
    constexpr Modifier(std::uint64_t code) noexcept : value(code) {}

    friend constexpr bool operator==(Modifier, Modifier) noexcept = default;
    friend constexpr auto operator<=>(Modifier, Modifier) noexcept = default;
};

/// What kind of arrangement a modifier stands for. Layouts are ranked by it.
enum class ModifierClass : std::uint8_t {
    linear,     ///< rows one after the other
    tiled,      ///< every pixel has its place, in tiles
    compressed, ///< pixels that cannot be read without what stands beside or before them
    implicit,   ///< only the driver knows it (INVALID)
    unknown,    ///< newer than this library, or of a vendor that it does not know
};

inline constexpr Modifier linear{0};                                ///< DRM_FORMAT_MOD_LINEAR
inline constexpr Modifier implicit_modifier{0x00ffffffffffffffULL}; ///< DRM_FORMAT_MOD_INVALID

/// One plane of a format. A block is the smallest group of samples that starts at a
/// byte and repeats: one sample for most formats, 2 for packed 4:2:2 such as YUYV, 4 in 5
/// bytes for NV15, 8 in 1 byte for R1. Rows hold whole blocks.
struct PlaneInfo {
    std::uint8_t block_bytes = 0; ///< bytes of one block
    std::uint8_t block_width = 1; ///< samples of this plane in one block
    std::uint8_t hsub = 1;        ///< image columns that share one sample
    std::uint8_t vsub = 1;        ///< image rows that share one sample
};

/// What is known of a format without asking any device.
struct FormatInfo {
    Format format;
    std::string_view name; ///< the kernel's name without its prefix, for example "XRGB8888"
    std::uint8_t plane_count = 0;
    std::array<PlaneInfo, max_planes> planes{};
    std::uint8_t hsub = 1;         ///< image columns that share a chroma sample, packed formats too
    std::uint8_t vsub = 1;         ///< image rows that share a chroma sample
    std::uint32_t v4l2_single = 0; ///< V4L2 fourcc with all planes in one memory; 0 for none
    std::uint32_t v4l2_multi = 0;  ///< V4L2 fourcc with one memory per plane; 0 for none
};

/// Look up what is known of a format; nullptr for formats that the library does not know and for
/// opaque ones. The answer lives as long as the program.
COMMONBUF_API const FormatInfo* format_info(Format format) noexcept;

/// List every format that the library knows: those that at least two of DRM, V4L2 and Vulkan
/// have, and every other one of DRM whose rows lie one after the other. If two have the same V4L2
/// code (R8 and Y8 are both V4L2's GREY), the one that V4L2 gives back stands first.
COMMONBUF_API std::span<const FormatInfo> all_formats() noexcept;

/// Find the format with this V4L2 fourcc, with one memory or one per plane; nullptr for formats
/// that only V4L2 has.
COMMONBUF_API const FormatInfo* format_from_v4l2(std::uint32_t v4l2_fourcc) noexcept;

/// Tell whether only V4L2 has a format: Bayer, compressed, metadata. Nothing is known of its
/// bytes; the driver says stride and size. See opaque_layout().
COMMONBUF_API bool is_opaque(Format format) noexcept;

/// Name a format: "NV12", or "v4l2:RG10" for V4L2's own codes, with "-BE" after those that have
/// the bit for big-endian. Characters that cannot be printed appear as '.'.
COMMONBUF_API std::string to_string(Format format);

/// Find a format by its four characters ("XR24"), its name ("XRGB8888"), or its V4L2 code
/// ("v4l2:RG10", "v4l2:NM12"); nothing for names that the library does not know. Any code is
/// allowed after "v4l2:", since drivers have their own.
COMMONBUF_API std::optional<Format> parse_format(std::string_view text) noexcept;

/// Name a modifier: "LINEAR", "INVALID", or libdrm's name, for example "X_TILED".
COMMONBUF_API std::string to_string(Modifier modifier);

/// Classify a modifier by the vendors' bits that drm_fourcc.h documents. The class only ranks what
/// devices offer: whether two devices understand each other is a matter of equal modifiers and of
/// trials.
COMMONBUF_API ModifierClass classify(Modifier modifier) noexcept;

/// Name a class: "linear", "tiled", "compressed", "implicit" or "unknown".
COMMONBUF_API std::string_view to_string(ModifierClass kind) noexcept;

} // namespace commonbuf
