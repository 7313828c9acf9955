// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>
#include <commonbuf/picture.hpp>

#include <cstdint>

namespace commonbuf::v4l2 {

/// What the numbers of a picture mean as colours, in the numbers of videodev2.h
/// (colorspaces.rst in the kernel's Documentation/userspace-api/media/v4l). 0 leaves the choice to
/// the driver.
struct Colorimetry {
    std::uint32_t colorspace = 0;   ///< V4L2_COLORSPACE_...
    std::uint32_t xfer_func = 0;    ///< V4L2_XFER_FUNC_...
    std::uint32_t ycbcr_enc = 0;    ///< V4L2_YCBCR_ENC_..., or V4L2_HSV_ENC_... for HSV formats
    std::uint32_t quantization = 0; ///< V4L2_QUANTIZATION_...

    friend bool operator==(const Colorimetry&, const Colorimetry&) = default;
};

/// Says in V4L2's numbers what a picture's colours are. What V4L2 has no number for stays 0.
COMMONBUF_API Colorimetry to_colorimetry(const Colour& colour) noexcept;

/// Says in those of H.273 what V4L2's numbers mean; `rgb` tells whether the pixels are. Defaults are what
/// V4L2_MAP_*_DEFAULT of videodev2.h say. V4L2 does not tell where chroma samples lie.
COMMONBUF_API Colour to_colour(const Colorimetry& colorimetry, bool rgb) noexcept;

} // namespace commonbuf::v4l2
