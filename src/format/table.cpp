// SPDX-License-Identifier: MIT
//
// The one table of formats. DRM names packed formats by a little-endian word, from its
// highest bits down; V4L2 those of 8 bits a channel and above by bytes in memory. So DRM's
// XRGB8888 is the bytes B, G, R, X, which V4L2 calls XBGR32. The tests work out the
// order, the sizes and the planes again, from what the system's own headers say of them.
#include "format/table.hpp"

namespace commonbuf {
namespace {

using namespace table;

// NOLINTBEGIN(readability-magic-numbers): the numbers are the table.

constexpr auto rows = std::to_array<FormatInfo>({
    // RGB, 8 bits a channel
    packed("XR24", "XRGB8888", 4, "XR24"),
    packed("AR24", "ARGB8888", 4, "AR24"),
    packed("XB24", "XBGR8888", 4, "XB24"),
    packed("AB24", "ABGR8888", 4, "AB24"),
    packed("RX24", "RGBX8888", 4, "RX24"),
    packed("RA24", "RGBA8888", 4, "RA24"),
    packed("BX24", "BGRX8888", 4, "BX24"),
    packed("BA24", "BGRA8888", 4, "BA24"),
    packed("RG24", "RGB888", 3, "BGR3"),
    packed("BG24", "BGR888", 3, "RGB3"),

    // RGB, 8 and 16 bits a pixel
    packed("RGB8", "RGB332", 1, "RGB1"),
    packed("BGR8", "BGR233", 1),
    packed("RG16", "RGB565", 2, "RGBP"),
    packed("BG16", "BGR565", 2),
    packed("XR12", "XRGB4444", 2, "XR12"),
    packed("AR12", "ARGB4444", 2, "AR12"),
    packed("XB12", "XBGR4444", 2, "XB12"),
    packed("AB12", "ABGR4444", 2, "AB12"),
    packed("RX12", "RGBX4444", 2, "RX12"),
    packed("RA12", "RGBA4444", 2, "RA12"),
    packed("BX12", "BGRX4444", 2, "BX12"),
    packed("BA12", "BGRA4444", 2, "GA12"), // V4L2's BA12 is Bayer
    packed("XR15", "XRGB1555", 2, "XR15"),
    packed("AR15", "ARGB1555", 2, "AR15"),
    packed("XB15", "XBGR1555", 2, "XB15"),
    packed("AB15", "ABGR1555", 2, "AB15"),
    packed("RX15", "RGBX5551", 2, "RX15"),
    packed("RA15", "RGBA5551", 2, "RA15"),
    packed("BX15", "BGRX5551", 2, "BX15"),
    packed("BA15", "BGRA5551", 2, "BA15"),

    // RGB, 10 bits a channel
    packed("XR30", "XRGB2101010", 4),
    packed("AR30", "ARGB2101010", 4, "AR30"),
    packed("XB30", "XBGR2101010", 4),
    packed("AB30", "ABGR2101010", 4),
    packed("RX30", "RGBX1010102", 4, "RX30"),
    packed("RA30", "RGBA1010102", 4, "RA30"),
    packed("BX30", "BGRX1010102", 4),
    packed("BA30", "BGRA1010102", 4),
    packed("AB10", "AXBXGXRX106106106106", 8),

    // RGB, 16 bits a channel and half float
    packed("RG48", "RGB161616", 6, "BGR6"),
    packed("BG48", "BGR161616", 6, "RGB6"),
    packed("XR48", "XRGB16161616", 8),
    packed("AR48", "ARGB16161616", 8),
    packed("XB48", "XBGR16161616", 8),
    packed("AB48", "ABGR16161616", 8),
    packed("BGRH", "BGR161616F", 6),
    packed("XR4H", "XRGB16161616F", 8),
    packed("AR4H", "ARGB16161616F", 8),
    packed("XB4H", "XBGR16161616F", 8),
    packed("AB4H", "ABGR16161616F", 8),

    // RGB, float
    packed("BGRF", "BGR323232F", 12),
    packed("AB8F", "ABGR32323232F", 16),

    // One channel and two
    packed("R8", "R8", 1, "GREY"),
    packed("GREY", "Y8", 1, "GREY"),
    packed("R10", "R10", 2, "Y10"),
    packed("R12", "R12", 2, "Y12"),
    packed("R16", "R16", 2, "Y16"),
    v4l2_own("Y012", "Y012", 2),
    packed("R  H", "R16F", 2),
    packed("R  F", "R32F", 4),
    packed("RG88", "RG88", 2),
    packed("GR88", "GR88", 2),
    packed("RG32", "RG1616", 4),
    packed("GR32", "GR1616", 4),
    packed("GR H", "GR1616F", 4),
    packed("GR F", "GR3232F", 8),

    // Several pixels in one byte or word, and palettes
    packed("C1", "C1", 1, {}, 8),
    packed("C2", "C2", 1, {}, 4),
    packed("C4", "C4", 1, {}, 2),
    packed("C8", "C8", 1, "PAL8"),
    packed("D1", "D1", 1, {}, 8),
    packed("D2", "D2", 1, {}, 4),
    packed("D4", "D4", 1, {}, 2),
    packed("D8", "D8", 1),
    packed("R1", "R1", 1, {}, 8),
    packed("R2", "R2", 1, {}, 4),
    packed("R4", "R4", 1, {}, 2),
    packed("YPA4", "XYYY2101010", 4, {}, 3),

    // Packed 4:2:2
    packed_422("YUYV", "YUYV", 4, "YUYV"),
    packed_422("YVYU", "YVYU", 4, "YVYU"),
    packed_422("UYVY", "UYVY", 4, "UYVY"),
    packed_422("VYUY", "VYUY", 4, "VYUY"),
    packed_422("Y210", "Y210", 8, "Y210"),
    packed_422("Y212", "Y212", 8, "Y212"),
    packed_422("Y216", "Y216", 8, "Y216"),

    // Packed 4:4:4
    packed("AYUV", "AYUV", 4, "VUYA"),
    packed("XYUV", "XYUV8888", 4, "VUYX"),
    packed("AVUY", "AVUY8888", 4, "YUVA"),
    packed("XVUY", "XVUY8888", 4, "YUVX"),
    packed("VU24", "VUY888", 3, "YUV3"),
    packed("Y410", "Y410", 4),
    packed("Y412", "Y412", 8),
    packed("Y416", "Y416", 8),
    packed("XV30", "XVYU2101010", 4),
    packed("XV36", "XVYU12_16161616", 8),
    packed("XV48", "XVYU16161616", 8),
    packed("XY30", "XVUY2101010", 4),

    // Semi-planar, 8 bits
    two_planes("NV12", "NV12", {1}, {2}, c420, "NV12", "NM12"),
    two_planes("NV21", "NV21", {1}, {2}, c420, "NV21", "NM21"),
    two_planes("NV16", "NV16", {1}, {2}, c422, "NV16", "NM16"),
    two_planes("NV61", "NV61", {1}, {2}, c422, "NV61", "NM61"),
    two_planes("NV24", "NV24", {1}, {2}, c444, "NV24"),
    two_planes("NV42", "NV42", {1}, {2}, c444, "NV42"),

    // Semi-planar, 10 bits without gaps: 4 samples in 5 bytes
    two_planes("NV15", "NV15", {5, 4}, {5, 2}, c420, "NV15"),
    two_planes("NV20", "NV20", {5, 4}, {5, 2}, c422, "NV20"),
    two_planes("NV30", "NV30", {5, 4}, {5, 2}, c444),

    // Semi-planar, 10 bits, 3 samples in 4 bytes
    two_planes("P030", "P030", {4, 3}, {8, 3}, c420),
    two_planes("P230", "P230", {4, 3}, {8, 3}, c422),

    // Semi-planar, 10, 12 and 16 bits in 2 bytes
    two_planes("P010", "P010", {2}, {4}, c420, "P010"),
    two_planes("P210", "P210", {2}, {4}, c422),
    two_planes("P012", "P012", {2}, {4}, c420, "P012", "PM12"),
    two_planes("P016", "P016", {2}, {4}, c420),

    // Planar, 8 bits
    three_planes("YUV9", "YUV410", {1}, c410, "YUV9"),
    three_planes("YVU9", "YVU410", {1}, c410, "YVU9"),
    three_planes("YU11", "YUV411", {1}, c411, "411P"),
    three_planes("YV11", "YVU411", {1}, c411),
    three_planes("YU12", "YUV420", {1}, c420, "YU12", "YM12"),
    three_planes("YV12", "YVU420", {1}, c420, "YV12", "YM21"),
    three_planes("YU16", "YUV422", {1}, c422, "422P", "YM16"),
    three_planes("YV16", "YVU422", {1}, c422, {}, "YM61"),
    three_planes("YU24", "YUV444", {1}, c444, {}, "YM24"),
    three_planes("YV24", "YVU444", {1}, c444, {}, "YM42"),

    // Planar, 10, 12 and 16 bits in 2 bytes; Q from the highest bit down, S from the lowest up
    three_planes("Q410", "Q410", {2}, c444),
    three_planes("Q401", "Q401", {2}, c444),
    three_planes("S010", "S010", {2}, c420),
    three_planes("S210", "S210", {2}, c422),
    three_planes("S410", "S410", {2}, c444),
    three_planes("S012", "S012", {2}, c420),
    three_planes("S212", "S212", {2}, c422),
    three_planes("S412", "S412", {2}, c444),
    three_planes("S016", "S016", {2}, c420),
    three_planes("S216", "S216", {2}, c422),
    three_planes("S416", "S416", {2}, c444),

    // Planar, 10 bits, 3 samples in 4 bytes
    three_planes("T430", "T430", {4, 3}, c444),
});

// NOLINTEND(readability-magic-numbers)

} // namespace

std::span<const FormatInfo> all_formats() noexcept { return rows; }

} // namespace commonbuf
