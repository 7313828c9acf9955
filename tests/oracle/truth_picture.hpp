// SPDX-License-Identifier: MIT
#pragma once

#include "truth.hpp"
#include "truth_shape.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace truth {

/// The memories of one image as the CPU sees them.
using Maps = std::vector<std::span<std::byte>>;

/// Pixels without the layout: the rows of each plane, one after the other.
struct Picture {
    const Shape* shape = nullptr;
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    std::vector<std::vector<std::byte>> planes;

    friend bool operator==(const Picture&, const Picture&) = default;
};

/// A picture in which no row or column is like its neighbours, in blocks that codecs can squeeze:
/// vicodec writes beyond its buffers where noise has four components. Another seed gives another
/// picture.
Picture draw(const Shape& shape, std::uint32_t width, std::uint32_t height, std::uint32_t seed);

/// Throws Refused where a plane does not lie in its memory.
Picture read_picture(const Layout& layout, const Maps& maps);
void write_picture(const Picture& picture, const Layout& layout, const Maps& maps);

/// Fills everything, what is no pixel included.
void fill(const Maps& maps, std::byte with);

/// What is the first difference; nothing where all is as expected. `blocks`: only what lies in
/// whole blocks of so many samples of each plane counts.
std::optional<std::string> difference(const Picture& expected, const Picture& found, std::uint32_t blocks = 1);

/// Throws Refused with the difference and the words.
void expect_same(const Picture& expected, const Picture& found, const std::string& words);

} // namespace truth
