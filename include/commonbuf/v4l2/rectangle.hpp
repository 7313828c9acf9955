// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace commonbuf::v4l2 {

/// A part of a picture in pixels (struct v4l2_rect).
struct Rectangle {
    std::int32_t left = 0;
    std::int32_t top = 0;
    std::uint32_t width = 0;
    std::uint32_t height = 0;

    friend bool operator==(const Rectangle&, const Rectangle&) = default;
};

} // namespace commonbuf::v4l2
