// SPDX-License-Identifier: MIT
#include "picture.hpp"

#include <drm_fourcc.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <span>

namespace cb = commonbuf;

namespace {

constexpr int most = 255;
using Colour = std::array<int, 3>; // red, green, blue

bool is_rgb(cb::Format format) { return format == DRM_FORMAT_XRGB8888 || format == DRM_FORMAT_ARGB8888; }

cb::Status check_format(const cb::Layout& layout)
{
    if (is_rgb(layout.format) || layout.format == DRM_FORMAT_NV12)
        return {};
    return cb::Error::unsupported("look at pixels",
                                  "the examples know XR24, AR24 and NV12, not " + to_string(layout.format));
}

/// The pixels of a buffer during an access.
class Pixels {
public:
    Pixels(const cb::Layout& layout, const cb::CpuAccess& access)
        : layout_(layout),
          first_(access.plane(0)),
          second_(layout.plane_count > 1 ? access.plane(1) : std::span<std::byte>())
    {}

    Colour at(std::size_t x, std::size_t y) const
    {
        if (is_rgb(layout_.format)) {
            const auto pixel = first_.subspan(y * layout_.planes[0].stride + x * 4, 4);
            return {std::to_integer<int>(pixel[2]), std::to_integer<int>(pixel[1]), std::to_integer<int>(pixel[0])};
        }
        const auto chroma = second_.subspan(y / 2 * layout_.planes[1].stride + x / 2 * 2, 2);
        const double luma = (std::to_integer<int>(first_[y * layout_.planes[0].stride + x]) - 16) * (most / 219.0);
        const double blue = (std::to_integer<int>(chroma[0]) - 128) * (most / 224.0);
        const double red = (std::to_integer<int>(chroma[1]) - 128) * (most / 224.0);
        return {clamp(luma + 1.402 * red), clamp(luma - 0.344136 * blue - 0.714136 * red), clamp(luma + 1.772 * blue)};
    }

    /// Of NV12 the last pixel of four decides on their chroma.
    void set(std::size_t x, std::size_t y, const Colour& colour) const
    {
        const auto [red, green, blue] = colour;
        if (is_rgb(layout_.format)) {
            const auto pixel = first_.subspan(y * layout_.planes[0].stride + x * 4, 4);
            pixel[0] = static_cast<std::byte>(blue);
            pixel[1] = static_cast<std::byte>(green);
            pixel[2] = static_cast<std::byte>(red);
            pixel[3] = static_cast<std::byte>(most);
            return;
        }
        const double luma = 0.299 * red + 0.587 * green + 0.114 * blue;
        const auto chroma = second_.subspan(y / 2 * layout_.planes[1].stride + x / 2 * 2, 2);
        first_[y * layout_.planes[0].stride + x] = static_cast<std::byte>(clamp(16 + luma * 219 / most));
        chroma[0] = static_cast<std::byte>(clamp(128 + (blue - luma) / 1.772 * 224 / most));
        chroma[1] = static_cast<std::byte>(clamp(128 + (red - luma) / 1.402 * 224 / most));
    }

private:
    static int clamp(double value) { return std::clamp(static_cast<int>(std::lround(value)), 0, most); }

    const cb::Layout& layout_;
    std::span<std::byte> first_;
    std::span<std::byte> second_;
};

} // namespace

cb::Status draw_picture(const cb::Buffer& buffer, std::uint32_t number, cb::Deadline deadline)
{
    const cb::Layout& layout = buffer.layout();
    if (auto known = check_format(layout); !known)
        return known;
    auto access = buffer.write(deadline);
    if (!access)
        return access.error();
    const Pixels pixels(layout, *access);
    constexpr std::uint32_t bar = 16; // pixels wide, and how far it moves
    const std::uint32_t left = number * bar % layout.width;
    for (std::uint32_t y = 0; y < layout.height; ++y) {
        const int down = static_cast<int>(y * most / layout.height);
        for (std::uint32_t x = 0; x < layout.width; ++x) {
            const int across = static_cast<int>(x * most / layout.width);
            const bool white = x >= left && x < left + bar;
            pixels.set(x, y, white ? Colour{most, most, most} : Colour{across, down, most - across});
        }
    }
    return access->end();
}

double Difference::psnr() const
{
    constexpr double equal = 99;
    return mean_square > 0 ? 10 * std::log10(most * most / mean_square) : equal;
}

cb::Result<Difference> difference(const cb::Buffer& left, const cb::Buffer& right, int tolerance, cb::Deadline deadline,
                                  std::uint32_t step)
{
    const cb::Layout& layout = left.layout();
    for (const cb::Buffer* each : {&left, &right}) {
        if (const auto known = check_format(each->layout()); !known)
            return known.error();
        if (each->layout().width != layout.width || each->layout().height != layout.height)
            return cb::Error::invalid_argument("compare pictures",
                                               to_string(left.layout()) + " and " + to_string(right.layout()));
    }
    auto one = left.read(deadline);
    if (!one)
        return one.error();
    auto other = right.read(deadline);
    if (!other)
        return other.error();
    const Pixels a(layout, *one);
    const Pixels b(right.layout(), *other);
    Difference result;
    std::uint64_t pixels = 0;
    for (std::size_t y = 0; y < layout.height; y += step) {
        for (std::size_t x = 0; x < layout.width; x += step) {
            const Colour from = a.at(x, y);
            const Colour to = b.at(x, y);
            int worst = 0;
            for (std::size_t channel = 0; channel < from.size(); ++channel) {
                const int apart = std::abs(from.at(channel) - to.at(channel));
                worst = std::max(worst, apart);
                result.mean_square += apart * apart;
            }
            result.worst = std::max(result.worst, worst);
            result.above += worst > tolerance ? 1U : 0U;
            ++pixels;
        }
    }
    result.mean_square /= static_cast<double>(pixels * Colour().size());
    if (const auto ended = one->end(); !ended)
        return ended.error();
    if (const auto ended = other->end(); !ended)
        return ended.error();
    return result;
}

cb::Status expect_alike(const std::string& what, const cb::Buffer& left, const cb::Buffer& right, int tolerance,
                        cb::Deadline deadline, std::uint32_t step)
{
    const auto found = difference(left, right, tolerance, deadline, step);
    if (!found)
        return found.error();
    if (found->above > 0)
        return cb::Error::kernel_failure("compare", what + ": " + std::to_string(found->above) +
                                                        " pixels differ, by up to " + std::to_string(found->worst) +
                                                        " of 255");
    return {};
}
