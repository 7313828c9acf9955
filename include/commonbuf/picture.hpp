// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>

/// What belongs to a picture and not to its memory. It travels with a buffer (share.hpp), and every
/// process that has the buffer can read and set its own copy.
namespace commonbuf {

/// What the numbers of pixels mean as colours, in the code points of ITU-T H.273, which video streams,
/// Wayland, Vulkan's and FFmpeg's names all stand for.
struct Colour {
    std::uint8_t primaries = 2; ///< ColourPrimaries; 1 BT.709, 9 BT.2020, 2 unspecified
    std::uint8_t transfer = 2;  ///< TransferCharacteristics; 1 BT.709, 13 sRGB, 16 PQ, 18 HLG, 2 unspecified
    std::uint8_t matrix = 2;    ///< MatrixCoefficients; 0 RGB, 1 BT.709, 6 BT.601, 9 BT.2020, 2 unspecified
    bool full_range = false;    ///< VideoFullRangeFlag

    /// Where chroma samples lie (Chroma420SampleLocType): 0 left, 1 centre, 2 top left, 3 top, 4 bottom left,
    /// 5 bottom; 255 if nobody said so.
    std::uint8_t chroma_siting = 255;

    friend bool operator==(const Colour&, const Colour&) = default;
};

/// A point of the CIE 1931 diagram, in units of 0.00002, as in CTA-861 and the kernel's
/// struct hdr_metadata_infoframe.
struct Chromaticity {
    std::uint16_t x = 0;
    std::uint16_t y = 0;

    friend bool operator==(const Chromaticity&, const Chromaticity&) = default;
};

/// Static HDR metadata: SMPTE ST 2086 and CTA-861.3. 0 means unknown.
struct HdrMetadata {
    std::array<Chromaticity, 3> primaries{}; ///< red, green, blue of the mastering display
    Chromaticity white{};
    std::uint32_t max_luminance = 0; ///< of the mastering display, in units of 0.0001 cd/m²
    std::uint32_t min_luminance = 0; ///< the same unit
    std::uint16_t max_content = 0;   ///< MaxCLL, in cd/m²
    std::uint16_t max_average = 0;   ///< MaxFALL, in cd/m²

    friend bool operator==(const HdrMetadata&, const HdrMetadata&) = default;
};

/// The part of the image that is to be seen, in pixels.
struct Crop {
    std::uint32_t left = 0;
    std::uint32_t top = 0;
    std::uint32_t width = 0;
    std::uint32_t height = 0;

    friend bool operator==(const Crop&, const Crop&) = default;
};

/// How a picture has to be turned to be seen upright: counter-clockwise, after it was mirrored left to right
/// (enum wl_output.transform has the same numbers).
enum class Orientation : std::uint8_t {
    upright = 0,
    turned_90 = 1,
    turned_180 = 2,
    turned_270 = 3,
    mirrored = 4,
    mirrored_90 = 5,
    mirrored_180 = 6,
    mirrored_270 = 7,
};

/// Which rows of an interlaced picture a buffer holds.
enum class FieldOrder : std::uint8_t {
    progressive = 0,
    top = 1,          ///< only the top field
    bottom = 2,       ///< only the bottom field
    top_first = 3,    ///< both, row by row; the top field is older
    bottom_first = 4, ///< both, row by row; the bottom field is older
};

/// All of it. What is unknown is left out.
struct Picture {
    std::optional<Colour> colour{};
    std::optional<HdrMetadata> hdr{};
    std::optional<Crop> crop{}; ///< the whole image if it is left out
    Orientation orientation = Orientation::upright;
    FieldOrder field = FieldOrder::progressive;
    std::optional<std::chrono::nanoseconds> taken{};    ///< when it was taken or decoded, CLOCK_MONOTONIC
    std::optional<std::chrono::nanoseconds> shown_at{}; ///< when it is to be shown, CLOCK_MONOTONIC
    std::optional<std::uint64_t> sequence{};            ///< counts pictures, including lost ones

    friend bool operator==(const Picture&, const Picture&) = default;
};

} // namespace commonbuf
