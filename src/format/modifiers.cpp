// SPDX-License-Identifier: MIT
//
// Modifiers: a vendor in the highest 8 bits, and 56 bits that are the vendor's own
// business. Names of single values change with the header at hand, so the values stand
// here as numbers, under the names of drm_fourcc.h; the tests hold them against it.
#include <commonbuf/format.hpp>

#include <xf86drm.h>

#include <cstdlib>
#include <memory>

namespace commonbuf {
namespace {

// NOLINTBEGIN(readability-magic-numbers): the numbers are the vendors'.

/// `count` bits from `first` on.
constexpr std::uint64_t bits(std::uint64_t value, unsigned first, unsigned count)
{
    return (value >> first) & ((std::uint64_t{1} << count) - 1);
}

constexpr ModifierClass tiled_or(ModifierClass otherwise, bool is_tiled)
{
    return is_tiled ? ModifierClass::tiled : otherwise;
}

/// A list of values: X, Y, Yf and 4 tiles, and the same with CCS.
ModifierClass classify_intel(std::uint64_t value)
{
    if ((value >= 4 && value <= 8) || (value >= 10 && value <= 17))
        return ModifierClass::compressed;
    return tiled_or(ModifierClass::unknown, (value >= 1 && value <= 3) || value == 9);
}

/// Fields (AMD_FMT_MOD_*): the version of the tiles in bits 0 to 7, DCC in bit 13.
ModifierClass classify_amd(std::uint64_t value)
{
    constexpr std::uint64_t newest = 5; // GFX12
    if (bits(value, 0, 8) > newest)
        return ModifierClass::unknown;
    return bits(value, 13, 1) != 0 ? ModifierClass::compressed : ModifierClass::tiled;
}

/// 1 for Tegra's tiles; block-linear has bit 4, and its kind of compression in bits 23 to 25.
ModifierClass classify_nvidia(std::uint64_t value)
{
    if (bits(value, 4, 1) == 0)
        return tiled_or(ModifierClass::unknown, value == 1);
    return bits(value, 23, 3) != 0 ? ModifierClass::compressed : ModifierClass::tiled;
}

/// UBWC is 1, tiles without it are 2 and 3.
ModifierClass classify_qualcomm(std::uint64_t value)
{
    if (value == 1)
        return ModifierClass::compressed;
    return tiled_or(ModifierClass::unknown, value == 2 || value == 3);
}

/// Four kinds of tiles; with tile status (bits 48 to 51) or DEC400 (bits 52 to 55) a tile
/// may be stored shorter than it is.
ModifierClass classify_vivante(std::uint64_t value)
{
    const std::uint64_t tiles = bits(value, 0, 48);
    if (tiles > 4)
        return ModifierClass::unknown;
    if (bits(value, 48, 8) != 0)
        return ModifierClass::compressed;
    return tiled_or(ModifierClass::unknown, tiles != 0);
}

/// The kind in the lowest 8 bits: T tiles, SAND columns (2 to 5), UIF; then its parameters.
ModifierClass classify_broadcom(std::uint64_t value)
{
    const std::uint64_t kind = bits(value, 0, 8);
    return tiled_or(ModifierClass::unknown, kind >= 1 && kind <= 6);
}

/// The kind in bits 52 to 55: AFBC, other tiles, AFRC. AFBC always has a block size.
ModifierClass classify_arm(std::uint64_t value)
{
    const std::uint64_t rest = bits(value, 0, 52);
    switch (bits(value, 52, 4)) {
    case 0: return bits(rest, 0, 4) != 0 ? ModifierClass::compressed : ModifierClass::unknown;
    case 1: return tiled_or(ModifierClass::unknown, rest == 1 || rest == 2);
    case 2: return rest != 0 ? ModifierClass::compressed : ModifierClass::unknown;
    default: return ModifierClass::unknown;
    }
}

/// FBC: the layout in the lowest 8 bits, basic or scattered.
ModifierClass classify_amlogic(std::uint64_t value)
{
    const std::uint64_t layout = bits(value, 0, 8);
    return layout == 1 || layout == 2 ? ModifierClass::compressed : ModifierClass::unknown;
}

/// Compression in bits 8 to 15, tiles in bits 0 to 7.
ModifierClass classify_mediatek(std::uint64_t value)
{
    return bits(value, 8, 8) != 0 ? ModifierClass::compressed
                                  : tiled_or(ModifierClass::unknown, bits(value, 0, 8) != 0);
}

/// GPU tiles, and the same compressed.
ModifierClass classify_apple(std::uint64_t value)
{
    return value == 2 ? ModifierClass::compressed : tiled_or(ModifierClass::unknown, value == 1);
}

} // namespace

ModifierClass classify(Modifier modifier) noexcept
{
    if (modifier == linear)
        return ModifierClass::linear;
    if (modifier == implicit_modifier)
        return ModifierClass::implicit;
    const std::uint64_t value = bits(modifier.value, 0, 56);
    switch (modifier.value >> 56) { // DRM_FORMAT_MOD_VENDOR_*
    case 0x01: return classify_intel(value);
    case 0x02: return classify_amd(value);
    case 0x03: return classify_nvidia(value);
    case 0x04: return tiled_or(ModifierClass::unknown, value == 1 || value == 2); // Samsung
    case 0x05: return classify_qualcomm(value);
    case 0x06: return classify_vivante(value);
    case 0x07: return classify_broadcom(value);
    case 0x08: return classify_arm(value);
    case 0x09: return tiled_or(ModifierClass::unknown, value == 1); // Allwinner
    case 0x0a: return classify_amlogic(value);
    case 0x0b: return classify_mediatek(value);
    case 0x0c: return classify_apple(value);
    default: return ModifierClass::unknown;
    }
}

// NOLINTEND(readability-magic-numbers)

std::string_view to_string(ModifierClass kind) noexcept
{
    switch (kind) {
    case ModifierClass::linear: return "linear";
    case ModifierClass::tiled: return "tiled";
    case ModifierClass::compressed: return "compressed";
    case ModifierClass::implicit: return "implicit";
    case ModifierClass::unknown: break;
    }
    return "unknown";
}

std::string to_string(Modifier modifier)
{
    const std::unique_ptr<char, decltype(&std::free)> name(drmGetFormatModifierName(modifier.value), &std::free);
    if (name != nullptr)
        return name.get();
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text = "0x";
    for (int shift = 60; shift >= 0; shift -= 4)
        text += digits[(modifier.value >> shift) & 0xfU];
    return text;
}

} // namespace commonbuf
