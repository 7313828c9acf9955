// SPDX-License-Identifier: MIT
#include "hue_reference.hpp"

#include <drm_fourcc.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string_view>
#include <vector>

namespace cb = commonbuf;

namespace {

constexpr std::size_t dot = 8;
constexpr std::size_t margin = 16;
constexpr std::size_t places = 6;

/// The digits as they look.
constexpr std::array<std::array<std::string_view, 5>, 10> glyphs{{
    {"###", "# #", "# #", "# #", "###"},
    {" # ", "## ", " # ", " # ", "###"},
    {"###", "  #", "###", "#  ", "###"},
    {"###", "  #", "###", "  #", "###"},
    {"# #", "# #", "###", "  #", "  #"},
    {"###", "#  ", "###", "  #", "###"},
    {"###", "#  ", "###", "# #", "###"},
    {"###", "  #", " # ", " # ", " # "},
    {"###", "# #", "###", "# #", "###"},
    {"###", "# #", "###", "  #", "###"},
}};

/// Where the number's ink is: a map of the corner that it is in.
class Ink {
public:
    explicit Ink(std::int32_t number)
    {
        for (std::size_t place = places; place-- > 0; number /= 10)
            digits_[place] = static_cast<std::size_t>(number % 10);
    }

    bool at(std::size_t x, std::size_t y) const
    {
        if (x < margin || y < margin)
            return false;
        const std::size_t column = (x - margin) / dot;
        const std::size_t row = (y - margin) / dot;
        if (row >= 5 || column >= places * 4 || column % 4 == 3)
            return false;
        return glyphs[digits_[column / 4]][row][column % 4] == '#';
    }

private:
    std::array<std::size_t, places> digits_{};
};

struct Rgb {
    std::uint8_t red = 0;
    std::uint8_t green = 0;
    std::uint8_t blue = 0;
};

std::uint8_t clamped(int value) { return static_cast<std::uint8_t>(std::clamp(value, 0, 255)); }

/// BT.601 in narrow range, in 1/256.
Rgb converted(int luma, int u, int v)
{
    const int y = 298 * (luma - 16);
    return {clamped((y + 409 * v + 128) >> 8), clamped((y - 100 * u - 208 * v + 128) >> 8),
            clamped((y + 516 * u + 128) >> 8)};
}

int byte_at(std::span<const std::byte> plane, std::size_t at) { return std::to_integer<int>(plane[at]); }

} // namespace

Turn turn_of(std::uint32_t number)
{
    constexpr std::uint32_t around = 300;
    constexpr double scale = 4096;
    const double angle = 2 * std::numbers::pi * (number % around) / around;
    return {static_cast<std::int32_t>(std::lround(scale * std::cos(angle))),
            static_cast<std::int32_t>(std::lround(scale * std::sin(angle))), static_cast<std::int32_t>(number)};
}

cb::Result<std::uint64_t> wrong_pixels(const cb::Buffer& camera, const cb::Buffer& shown, const Turn& turn,
                                       cb::Deadline deadline)
{
    const cb::Layout& from = camera.layout();
    const cb::Layout& to = shown.layout();
    const std::size_t across = from.format == DRM_FORMAT_NV24 ? 1 : 2;
    const std::size_t down = from.format == DRM_FORMAT_NV12 ? 2 : 1;
    if (from.plane_count != 2 || to.format != DRM_FORMAT_XRGB8888)
        return cb::Error::unsupported("compare " + to_string(from) + " with " + to_string(to),
                                      "the reference knows NV12, NV16 and NV24, and XRGB8888");
    auto read = camera.read(deadline);
    if (!read)
        return read.error();
    auto pixels = shown.read(deadline);
    if (!pixels)
        return pixels.error();

    const Ink ink(turn.number);
    std::uint64_t wrong = 0;
    for (std::size_t y = 0; y < from.height; ++y) {
        const auto luma = read->plane(0).subspan(y * from.planes[0].stride);
        const auto chroma = read->plane(1).subspan(y / down * from.planes[1].stride);
        const auto row = pixels->plane(0).subspan(y * to.planes[0].stride);
        for (std::size_t x = 0; x < from.width; ++x) {
            const int u = byte_at(chroma, x / across * 2) - 128;
            const int v = byte_at(chroma, x / across * 2 + 1) - 128;
            Rgb wanted = converted(byte_at(luma, x), (u * turn.cosine - v * turn.sine + 2048) >> 12,
                                   (u * turn.sine + v * turn.cosine + 2048) >> 12);
            if (ink.at(x, y))
                wanted = {255, 255, 255};
            const bool same = byte_at(row, x * 4) == wanted.blue && byte_at(row, x * 4 + 1) == wanted.green &&
                              byte_at(row, x * 4 + 2) == wanted.red;
            wrong += same ? 0U : 1U;
        }
    }
    if (const auto ended = read->end(); !ended)
        return ended.error();
    if (const auto ended = pixels->end(); !ended)
        return ended.error();
    return wrong;
}
