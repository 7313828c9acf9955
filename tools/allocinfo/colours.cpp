// SPDX-License-Identifier: MIT
#include "colours.hpp"

#include <commonbuf/v4l2/device.hpp>

#include <linux/videodev2.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace allocinfo {
namespace {

using Json = nlohmann::ordered_json;
using Name = std::pair<std::uint32_t, std::string_view>;

constexpr std::array colorspaces{
    Name{V4L2_COLORSPACE_SMPTE170M, "SMPTE170M"},
    Name{V4L2_COLORSPACE_SMPTE240M, "SMPTE240M"},
    Name{V4L2_COLORSPACE_REC709, "REC709"},
    Name{V4L2_COLORSPACE_470_SYSTEM_M, "470_SYSTEM_M"},
    Name{V4L2_COLORSPACE_470_SYSTEM_BG, "470_SYSTEM_BG"},
    Name{V4L2_COLORSPACE_JPEG, "JPEG"},
    Name{V4L2_COLORSPACE_SRGB, "SRGB"},
    Name{V4L2_COLORSPACE_OPRGB, "OPRGB"},
    Name{V4L2_COLORSPACE_BT2020, "BT2020"},
    Name{V4L2_COLORSPACE_RAW, "RAW"},
    Name{V4L2_COLORSPACE_DCI_P3, "DCI_P3"},
};
constexpr std::array xfer_funcs{
    Name{V4L2_XFER_FUNC_709, "709"},
    Name{V4L2_XFER_FUNC_SRGB, "SRGB"},
    Name{V4L2_XFER_FUNC_OPRGB, "OPRGB"},
    Name{V4L2_XFER_FUNC_SMPTE240M, "SMPTE240M"},
    Name{V4L2_XFER_FUNC_NONE, "NONE"},
    Name{V4L2_XFER_FUNC_DCI_P3, "DCI_P3"},
    Name{V4L2_XFER_FUNC_SMPTE2084, "SMPTE2084"},
};
constexpr std::array encodings{
    Name{V4L2_YCBCR_ENC_601, "601"},
    Name{V4L2_YCBCR_ENC_709, "709"},
    Name{V4L2_YCBCR_ENC_XV601, "XV601"},
    Name{V4L2_YCBCR_ENC_XV709, "XV709"},
    Name{V4L2_YCBCR_ENC_BT2020, "BT2020"},
    Name{V4L2_YCBCR_ENC_BT2020_CONST_LUM, "BT2020_CONST_LUM"},
    Name{V4L2_YCBCR_ENC_SMPTE240M, "SMPTE240M"},
    Name{V4L2_HSV_ENC_180, "HSV_180"},
    Name{V4L2_HSV_ENC_256, "HSV_256"},
};
constexpr std::array quantizations{
    Name{V4L2_QUANTIZATION_FULL_RANGE, "FULL_RANGE"},
    Name{V4L2_QUANTIZATION_LIM_RANGE, "LIM_RANGE"},
};

/// Null for the default, which follows from the colorspace.
Json name_of(const auto& names, std::uint32_t number)
{
    if (number == 0)
        return nullptr;
    const auto found = std::ranges::find(names, number, &Name::first);
    return found != names.end() ? std::string(found->second) : std::to_string(number);
}

} // namespace

Json colours_json(const commonbuf::v4l2::NodeInfo& node, commonbuf::v4l2::Role role)
{
    const bool has = role == commonbuf::v4l2::Role::capture ? node.capture : node.output;
    const auto device = has ? commonbuf::v4l2::Device::open(node.path)
                            : commonbuf::Error::not_present("ask for colours", "there is no such queue");
    const auto colours = device.and_then([&](const auto& open) { return open.colorimetry(role); });
    if (!colours)
        return nullptr;
    return {{"colorspace", name_of(colorspaces, colours->colorspace)},
            {"xfer_func", name_of(xfer_funcs, colours->xfer_func)},
            {"ycbcr_enc", name_of(encodings, colours->ycbcr_enc)},
            {"quantization", name_of(quantizations, colours->quantization)}};
}

} // namespace allocinfo
