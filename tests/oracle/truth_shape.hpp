// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace truth {

/// One plane of a format: so many bytes for each block of hsub x vsub pixels.
struct PlaneShape {
    std::uint32_t bytes;
    std::uint32_t hsub;
    std::uint32_t vsub;
};

/// What pixels of a format look like, and V4L2's names for it.
struct Shape {
    std::uint32_t fourcc; ///< DRM's (drm_fourcc.h)
    std::vector<PlaneShape> planes;
    std::vector<std::uint32_t> together; ///< V4L2's codes with all planes in one memory
    std::vector<std::uint32_t> apart;    ///< those with a memory for each plane
    bool fourth_is_free = false;         ///< every fourth byte means nothing (the X of XRGB8888)

    std::size_t row_bytes(std::size_t plane, std::uint32_t width) const;
    std::uint32_t rows(std::size_t plane, std::uint32_t height) const;

    /// The stride of a plane where the first has `first`, as V4L2 defines it for planes in one
    /// memory: in proportion to their samples (Documentation/userspace-api/media/v4l/yuv-formats.rst).
    std::uint32_t stride(std::size_t plane, std::uint32_t first) const;
};

/// The shape of DRM's code; null for what nobody here can compare.
const Shape* shape_of(std::uint32_t fourcc);

/// The shape of V4L2's code, with planes in one memory or apart.
const Shape* shape_of_v4l2(std::uint32_t code, bool apart);

} // namespace truth
