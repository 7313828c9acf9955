// SPDX-License-Identifier: MIT
//
// V4L2's colours in the code points of ITU-T H.273, and back. What V4L2 says is a choice of standards, one for
// each column; colorspaces-defs.rst of the kernel names them.
#include <commonbuf/v4l2/colorimetry.hpp>

#include <linux/videodev2.h>

#include <algorithm>
#include <array>

namespace commonbuf::v4l2 {
namespace {

constexpr std::uint8_t unspecified = 2;

struct Pair {
    std::uint32_t ours;
    std::uint8_t h273;
};

// Of several for one number the first stands for it.
constexpr std::array colorspaces{
    Pair{V4L2_COLORSPACE_REC709, 1},        Pair{V4L2_COLORSPACE_SRGB, 1},      Pair{V4L2_COLORSPACE_470_SYSTEM_M, 4},
    Pair{V4L2_COLORSPACE_470_SYSTEM_BG, 5}, Pair{V4L2_COLORSPACE_SMPTE170M, 6}, Pair{V4L2_COLORSPACE_SMPTE240M, 7},
    Pair{V4L2_COLORSPACE_BT2020, 9},        Pair{V4L2_COLORSPACE_DCI_P3, 11},   Pair{V4L2_COLORSPACE_JPEG, 1},
};
constexpr std::array transfers{
    Pair{V4L2_XFER_FUNC_709, 1},   Pair{V4L2_XFER_FUNC_SMPTE240M, 7},  Pair{V4L2_XFER_FUNC_NONE, 8},
    Pair{V4L2_XFER_FUNC_SRGB, 13}, Pair{V4L2_XFER_FUNC_SMPTE2084, 16}, Pair{V4L2_XFER_FUNC_DCI_P3, 17},
};
constexpr std::array encodings{
    Pair{V4L2_YCBCR_ENC_709, 1},       Pair{V4L2_YCBCR_ENC_XV709, 1},  Pair{V4L2_YCBCR_ENC_601, 6},
    Pair{V4L2_YCBCR_ENC_XV601, 6},     Pair{V4L2_YCBCR_ENC_BT2020, 9}, Pair{V4L2_YCBCR_ENC_BT2020_CONST_LUM, 10},
    Pair{V4L2_YCBCR_ENC_SMPTE240M, 7},
};

template <std::size_t size>
std::uint32_t find_ours(const std::array<Pair, size>& table, std::uint8_t h273) noexcept
{
    const auto* const found = std::ranges::find(table, h273, &Pair::h273);
    return found != table.end() ? found->ours : 0;
}

template <std::size_t size>
std::uint8_t find_h273(const std::array<Pair, size>& table, std::uint32_t ours) noexcept
{
    const auto* const found = std::ranges::find(table, ours, &Pair::ours);
    return found != table.end() ? found->h273 : unspecified;
}

} // namespace

Colorimetry to_colorimetry(const Colour& colour) noexcept
{
    constexpr std::uint8_t srgb = 13;
    Colorimetry made;
    made.colorspace = find_ours(colorspaces, colour.primaries);
    // BT.709 and sRGB have the same primaries.
    if (made.colorspace == V4L2_COLORSPACE_REC709 && colour.transfer == srgb)
        made.colorspace = V4L2_COLORSPACE_SRGB;
    made.xfer_func = find_ours(transfers, colour.transfer);
    made.ycbcr_enc = find_ours(encodings, colour.matrix);
    made.quantization = colour.full_range ? V4L2_QUANTIZATION_FULL_RANGE : V4L2_QUANTIZATION_LIM_RANGE;
    return made;
}

Colour to_colour(const Colorimetry& colorimetry, bool rgb) noexcept
{
    const auto space = static_cast<v4l2_colorspace>(colorimetry.colorspace);
    const auto or_default = [&](std::uint32_t given, std::uint32_t otherwise) {
        return given != 0 || colorimetry.colorspace == V4L2_COLORSPACE_DEFAULT ? given : otherwise;
    };
    const std::uint32_t encoding = or_default(colorimetry.ycbcr_enc, V4L2_MAP_YCBCR_ENC_DEFAULT(space));
    Colour made;
    made.primaries = find_h273(colorspaces, colorimetry.colorspace);
    made.transfer = find_h273(transfers, or_default(colorimetry.xfer_func, V4L2_MAP_XFER_FUNC_DEFAULT(space)));
    made.matrix = rgb ? std::uint8_t{0} : find_h273(encodings, encoding);
    const bool is_full = colorimetry.quantization == V4L2_QUANTIZATION_FULL_RANGE;
    const bool is_default = colorimetry.quantization == V4L2_QUANTIZATION_DEFAULT;
    made.full_range =
        is_full || (is_default && V4L2_MAP_QUANTIZATION_DEFAULT(rgb, space, encoding) == V4L2_QUANTIZATION_FULL_RANGE);
    return made;
}

} // namespace commonbuf::v4l2
