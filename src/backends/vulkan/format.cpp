// SPDX-License-Identifier: MIT
//
// Vulkan names formats by their bytes in memory, as V4L2 does, and _PACK8, _PACK16 and _PACK32
// formats by a word from its highest bit, as DRM does. An X after a channel (G10X6) stands for unused
// bits below it. YCbCr formats call luma G and the chroma channels B (Cb) and R (Cr). The tests
// derive order, sizes and planes again from the names.
#include "format/table.hpp"

#include <commonbuf/vulkan/format.hpp>

#include <algorithm>
#include <array>

namespace commonbuf::vulkan {
namespace {

struct Row {
    Format format;
    VkFormat vulkan;
};

constexpr Row row(std::string_view drm, VkFormat vulkan) { return {table::code(drm), vulkan}; }

constexpr Row v4l2_row(std::string_view v4l2, VkFormat vulkan)
{
    Row result = row(v4l2, vulkan);
    result.format.is_v4l2 = true;
    return result;
}

// From Vulkan 1.4 and VK_KHR_maintenance5; older headers lack it.
constexpr auto a1b5g5r5 = static_cast<VkFormat>(1000470000);

// If two formats have one VkFormat, the one for from_vulkan() comes first: with alpha before without,
// colours before luma and chroma.
constexpr auto rows = std::to_array<Row>({
    // RGB, 8 bits a channel
    row("AR24", VK_FORMAT_B8G8R8A8_UNORM),
    row("XR24", VK_FORMAT_B8G8R8A8_UNORM),
    row("AB24", VK_FORMAT_R8G8B8A8_UNORM),
    row("XB24", VK_FORMAT_R8G8B8A8_UNORM),
    row("AR24", VK_FORMAT_B8G8R8A8_SRGB),
    row("AB24", VK_FORMAT_R8G8B8A8_SRGB),
    row("AB24", VK_FORMAT_A8B8G8R8_UNORM_PACK32),
    row("AB24", VK_FORMAT_A8B8G8R8_SRGB_PACK32),
    row("RG24", VK_FORMAT_B8G8R8_UNORM),
    row("BG24", VK_FORMAT_R8G8B8_UNORM),
    row("RG24", VK_FORMAT_B8G8R8_SRGB),
    row("BG24", VK_FORMAT_R8G8B8_SRGB),

    // RGB, 16 bits a pixel
    row("RG16", VK_FORMAT_R5G6B5_UNORM_PACK16),
    row("BG16", VK_FORMAT_B5G6R5_UNORM_PACK16),
    row("AR15", VK_FORMAT_A1R5G5B5_UNORM_PACK16),
    row("XR15", VK_FORMAT_A1R5G5B5_UNORM_PACK16),
    row("AB15", a1b5g5r5),
    row("XB15", a1b5g5r5),
    row("RA15", VK_FORMAT_R5G5B5A1_UNORM_PACK16),
    row("RX15", VK_FORMAT_R5G5B5A1_UNORM_PACK16),
    row("BA15", VK_FORMAT_B5G5R5A1_UNORM_PACK16),
    row("BX15", VK_FORMAT_B5G5R5A1_UNORM_PACK16),
    row("AR12", VK_FORMAT_A4R4G4B4_UNORM_PACK16),
    row("XR12", VK_FORMAT_A4R4G4B4_UNORM_PACK16),
    row("AB12", VK_FORMAT_A4B4G4R4_UNORM_PACK16),
    row("XB12", VK_FORMAT_A4B4G4R4_UNORM_PACK16),
    row("RA12", VK_FORMAT_R4G4B4A4_UNORM_PACK16),
    row("RX12", VK_FORMAT_R4G4B4A4_UNORM_PACK16),
    row("BA12", VK_FORMAT_B4G4R4A4_UNORM_PACK16),
    row("BX12", VK_FORMAT_B4G4R4A4_UNORM_PACK16),

    // RGB, 10 and 16 bits a channel, half float and float
    row("AR30", VK_FORMAT_A2R10G10B10_UNORM_PACK32),
    row("XR30", VK_FORMAT_A2R10G10B10_UNORM_PACK32),
    row("AB30", VK_FORMAT_A2B10G10R10_UNORM_PACK32),
    row("XB30", VK_FORMAT_A2B10G10R10_UNORM_PACK32),
    row("AB10", VK_FORMAT_R10X6G10X6B10X6A10X6_UNORM_4PACK16),
    row("BG48", VK_FORMAT_R16G16B16_UNORM),
    row("AB48", VK_FORMAT_R16G16B16A16_UNORM),
    row("XB48", VK_FORMAT_R16G16B16A16_UNORM),
    row("BGRH", VK_FORMAT_R16G16B16_SFLOAT),
    row("AB4H", VK_FORMAT_R16G16B16A16_SFLOAT),
    row("XB4H", VK_FORMAT_R16G16B16A16_SFLOAT),
    row("BGRF", VK_FORMAT_R32G32B32_SFLOAT),
    row("AB8F", VK_FORMAT_R32G32B32A32_SFLOAT),

    // One channel and two
    row("R8", VK_FORMAT_R8_UNORM),
    row("GREY", VK_FORMAT_R8_UNORM),
    row("R8", VK_FORMAT_R8_SRGB),
    row("R16", VK_FORMAT_R16_UNORM),
    v4l2_row("Y012", VK_FORMAT_R12X4_UNORM_PACK16),
    row("R  H", VK_FORMAT_R16_SFLOAT),
    row("R  F", VK_FORMAT_R32_SFLOAT),
    row("GR88", VK_FORMAT_R8G8_UNORM),
    row("GR88", VK_FORMAT_R8G8_SRGB),
    row("GR32", VK_FORMAT_R16G16_UNORM),
    row("GR H", VK_FORMAT_R16G16_SFLOAT),
    row("GR F", VK_FORMAT_R32G32_SFLOAT),

    // Packed YCbCr. Y410 is a format of colours with a conversion: Cr is R, Y is G, Cb is B.
    row("YUYV", VK_FORMAT_G8B8G8R8_422_UNORM),
    row("UYVY", VK_FORMAT_B8G8R8G8_422_UNORM),
    row("Y210", VK_FORMAT_G10X6B10X6G10X6R10X6_422_UNORM_4PACK16),
    row("Y212", VK_FORMAT_G12X4B12X4G12X4R12X4_422_UNORM_4PACK16),
    row("Y216", VK_FORMAT_G16B16G16R16_422_UNORM),
    row("Y410", VK_FORMAT_A2R10G10B10_UNORM_PACK32),
    row("XV30", VK_FORMAT_A2R10G10B10_UNORM_PACK32),

    // Semi-planar
    row("NV12", VK_FORMAT_G8_B8R8_2PLANE_420_UNORM),
    row("NV16", VK_FORMAT_G8_B8R8_2PLANE_422_UNORM),
    row("NV24", VK_FORMAT_G8_B8R8_2PLANE_444_UNORM),
    row("P010", VK_FORMAT_G10X6_B10X6R10X6_2PLANE_420_UNORM_3PACK16),
    row("P210", VK_FORMAT_G10X6_B10X6R10X6_2PLANE_422_UNORM_3PACK16),
    row("P012", VK_FORMAT_G12X4_B12X4R12X4_2PLANE_420_UNORM_3PACK16),
    row("P016", VK_FORMAT_G16_B16R16_2PLANE_420_UNORM),

    // Planar. Vulkan has no formats with 10 bits from the lowest bit (S010).
    row("YU12", VK_FORMAT_G8_B8_R8_3PLANE_420_UNORM),
    row("YU16", VK_FORMAT_G8_B8_R8_3PLANE_422_UNORM),
    row("YU24", VK_FORMAT_G8_B8_R8_3PLANE_444_UNORM),
    row("Q410", VK_FORMAT_G10X6_B10X6_R10X6_3PLANE_444_UNORM_3PACK16),
    row("S016", VK_FORMAT_G16_B16_R16_3PLANE_420_UNORM),
    row("S216", VK_FORMAT_G16_B16_R16_3PLANE_422_UNORM),
    row("S416", VK_FORMAT_G16_B16_R16_3PLANE_444_UNORM),
});

} // namespace

std::optional<VkFormat> to_vulkan(Format format) noexcept
{
    const auto* found =
        std::find_if(rows.begin(), rows.end(), [format](const Row& each) { return each.format == format; });
    return found != rows.end() ? std::optional(found->vulkan) : std::nullopt;
}

std::optional<Format> from_vulkan(VkFormat format) noexcept
{
    const auto* found =
        std::find_if(rows.begin(), rows.end(), [format](const Row& each) { return each.vulkan == format; });
    return found != rows.end() ? std::optional(found->format) : std::nullopt;
}

} // namespace commonbuf::vulkan
