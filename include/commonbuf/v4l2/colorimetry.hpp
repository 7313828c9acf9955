// SPDX-License-Identifier: MIT
#pragma once

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

} // namespace commonbuf::v4l2
