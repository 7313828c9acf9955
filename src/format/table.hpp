// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/format.hpp>

#include <string_view>

/// What the rows of the table are made of.
namespace commonbuf::table {

/// A code by its characters, filled up with spaces; 0 for none. The codes are written
/// out, since the kernel's headers get new ones with every release and those at hand
/// may be older. The tests hold them against the headers of the system.
constexpr std::uint32_t code(std::string_view characters)
{
    if (characters.empty())
        return 0;
    std::uint32_t result = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        const char each = i < characters.size() ? characters[i] : ' ';
        result |= std::uint32_t{static_cast<unsigned char>(each)} << (8 * i);
    }
    return result;
}

/// One plane, whose blocks of `bytes` hold `samples` pixels.
constexpr FormatInfo packed(std::string_view drm, std::string_view name, std::uint8_t bytes, std::string_view v4l2 = {},
                            std::uint8_t samples = 1)
{
    return {code(drm), name, 1, {PlaneInfo{bytes, samples, 1, 1}}, 1, 1, code(v4l2), 0};
}

/// One plane, whose blocks hold two pixels that share their chroma.
constexpr FormatInfo packed_422(std::string_view drm, std::string_view name, std::uint8_t bytes, std::string_view v4l2)
{
    return {code(drm), name, 1, {PlaneInfo{bytes, 2, 1, 1}}, 2, 1, code(v4l2), 0};
}

/// How the chroma of planar formats is subsampled.
struct Chroma {
    std::uint8_t hsub;
    std::uint8_t vsub;
};
inline constexpr Chroma c420{2, 2};
inline constexpr Chroma c422{2, 1};
inline constexpr Chroma c444{1, 1};
inline constexpr Chroma c411{4, 1};
inline constexpr Chroma c410{4, 4};

/// A plane of luma, and one in which the chroma samples stand in pairs.
constexpr FormatInfo two_planes(std::string_view drm, std::string_view name, PlaneInfo luma, PlaneInfo pairs,
                                Chroma chroma, std::string_view single = {}, std::string_view multi = {})
{
    pairs.hsub = chroma.hsub;
    pairs.vsub = chroma.vsub;
    return {code(drm), name, 2, {luma, pairs}, chroma.hsub, chroma.vsub, code(single), code(multi)};
}

/// A plane for each of luma, the first chroma channel and the second.
constexpr FormatInfo three_planes(std::string_view drm, std::string_view name, PlaneInfo luma, Chroma chroma,
                                  std::string_view single = {}, std::string_view multi = {})
{
    const PlaneInfo other{luma.block_bytes, luma.block_width, chroma.hsub, chroma.vsub};
    return {code(drm), name, 3, {luma, other, other}, chroma.hsub, chroma.vsub, code(single), code(multi)};
}

/// What DRM has no code for, and V4L2 and Vulkan share.
constexpr FormatInfo v4l2_own(std::string_view v4l2, std::string_view name, std::uint8_t bytes)
{
    FormatInfo row = packed(v4l2, name, bytes, v4l2);
    row.format.is_v4l2 = true;
    return row;
}

} // namespace commonbuf::table
