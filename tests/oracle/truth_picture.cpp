// SPDX-License-Identifier: MIT
#include "truth_picture.hpp"

#include "truth_system.hpp"

#include <algorithm>
#include <cstring>
#include <random>

namespace truth {
namespace {

const Shape& known_shape(const Layout& layout)
{
    const Shape* shape = shape_of(layout.fourcc);
    if (shape == nullptr)
        throw Unknowable("nobody here knows the pixels of " + letters(layout.fourcc));
    if (layout.modifier != 0)
        throw Unknowable("only a GPU can read its tiles");
    if (layout.planes.size() != shape->planes.size())
        throw Refused("the layout has another number of planes than " + letters(layout.fourcc));
    return *shape;
}

/// Calls `each` with a plane, a row's number and its bytes in memory.
template <typename Each>
void for_rows(const Shape& shape, const Layout& layout, const Maps& maps, Each each)
{
    for (std::size_t p = 0; p < shape.planes.size(); ++p) {
        const Plane& plane = layout.planes[p];
        const std::size_t bytes = shape.row_bytes(p, layout.width);
        for (std::uint32_t row = 0; row < shape.rows(p, layout.height); ++row) {
            const std::uint64_t begin = plane.offset + std::uint64_t{row} * plane.stride;
            if (plane.memory >= maps.size() || begin + bytes > maps[plane.memory].size())
                throw Refused("plane " + std::to_string(p) + " goes beyond its memory");
            each(p, row, maps[plane.memory].subspan(static_cast<std::size_t>(begin), bytes));
        }
    }
}

Picture empty_picture(const Shape& shape, std::uint32_t width, std::uint32_t height)
{
    Picture picture{&shape, width, height, {}};
    for (std::size_t p = 0; p < shape.planes.size(); ++p)
        picture.planes.emplace_back(shape.row_bytes(p, width) * shape.rows(p, height));
    return picture;
}

} // namespace

Picture draw(const Shape& shape, std::uint32_t width, std::uint32_t height, std::uint32_t seed)
{
    Picture picture = empty_picture(shape, width, height);
    constexpr std::size_t block = 8;
    constexpr unsigned low = 8;      // the generator's lowest bits are the least random
    constexpr unsigned range = 0xc0; // leaves room for the slopes
    std::minstd_rand dice(seed * 2 + 1);
    for (std::size_t p = 0; p < shape.planes.size(); ++p) {
        const std::size_t sample = shape.planes[p].bytes;
        const std::size_t bytes = shape.row_bytes(p, width);
        std::vector<unsigned> bases((bytes + block * sample - 1) / (block * sample) * sample);
        for (std::size_t row = 0; row < shape.rows(p, height); ++row) {
            if (row % block == 0)
                std::generate(bases.begin(), bases.end(), [&] { return dice() >> low; });
            for (std::size_t i = 0; i < bytes; ++i) {
                const std::size_t column = i / sample;
                const unsigned base = bases[column / block * sample + i % sample] % range;
                const std::size_t slope = row % block * 4 + column % block * 2;
                picture.planes[p][row * bytes + i] = static_cast<std::byte>(base + slope);
            }
        }
    }
    return picture;
}

Picture read_picture(const Layout& layout, const Maps& maps)
{
    const Shape& shape = known_shape(layout);
    Picture picture = empty_picture(shape, layout.width, layout.height);
    for_rows(shape, layout, maps, [&](std::size_t plane, std::uint32_t row, std::span<std::byte> bytes) {
        std::memcpy(picture.planes[plane].data() + row * bytes.size(), bytes.data(), bytes.size());
    });
    return picture;
}

void write_picture(const Picture& picture, const Layout& layout, const Maps& maps)
{
    for_rows(known_shape(layout), layout, maps, [&](std::size_t plane, std::uint32_t row, std::span<std::byte> bytes) {
        std::memcpy(bytes.data(), picture.planes[plane].data() + row * bytes.size(), bytes.size());
    });
}

void fill(const Maps& maps, std::byte with)
{
    for (const auto& memory : maps)
        std::fill(memory.begin(), memory.end(), with);
}

std::optional<std::string> difference(const Picture& expected, const Picture& found, std::uint32_t blocks)
{
    if (expected.shape != found.shape || expected.width != found.width || expected.height != found.height)
        return "another format or size";
    std::size_t wrong = 0;
    std::string first;
    for (std::size_t p = 0; p < expected.planes.size(); ++p) {
        const PlaneShape& plane = expected.shape->planes[p];
        const std::size_t row_bytes = expected.shape->row_bytes(p, expected.width);
        const std::size_t whole_bytes = row_bytes / (std::size_t{blocks} * plane.bytes) * blocks * plane.bytes;
        const std::size_t whole_rows = expected.shape->rows(p, expected.height) / blocks * blocks;
        for (std::size_t row = 0; row < whole_rows; ++row) {
            const std::byte* one = expected.planes[p].data() + row * row_bytes;
            const std::byte* other = found.planes[p].data() + row * row_bytes;
            if (std::memcmp(one, other, whole_bytes) == 0)
                continue;
            for (std::size_t i = 0; i < whole_bytes; ++i) {
                if (one[i] == other[i] || (expected.shape->fourth_is_free && i % 4 == 3))
                    continue;
                if (wrong++ == 0)
                    first =
                        "plane " + std::to_string(p) + ", row " + std::to_string(row) + ", byte " + std::to_string(i);
            }
        }
    }
    if (wrong == 0)
        return std::nullopt;
    return std::to_string(wrong) + " wrong bytes, the first in " + first;
}

void expect_same(const Picture& expected, const Picture& found, const std::string& words)
{
    if (const auto wrong = difference(expected, found))
        throw Refused(words + ": " + *wrong);
}

} // namespace truth
