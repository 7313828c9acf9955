// SPDX-License-Identifier: MIT
//
// Modifiers: the vendor is in the highest 8 bits, and the other 56 bits mean what the vendor says.
// The names of single values differ between versions of drm_fourcc.h, so the values stand here as
// numbers; the tests compare them with the header.
#include "base/text.hpp"

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

constexpr ModifierClass kind(bool is_compressed, bool is_tiled)
{
    if (is_compressed)
        return ModifierClass::compressed;
    return is_tiled ? ModifierClass::tiled : ModifierClass::unknown;
}

/// The kind is in bits 52 to 55: AFBC, other tiles, AFRC. AFBC always has a block size.
ModifierClass classify_arm(std::uint64_t value)
{
    const std::uint64_t rest = bits(value, 0, 52);
    switch (bits(value, 52, 4)) {
    case 0: return kind(bits(rest, 0, 4) != 0, false);
    case 1: return kind(false, rest == 1 || rest == 2);
    case 2: return kind(rest != 0, false);
    default: return ModifierClass::unknown;
    }
}

} // namespace

ModifierClass classify(Modifier modifier) noexcept
{
    if (modifier == linear)
        return ModifierClass::linear;
    if (modifier == implicit_modifier)
        return ModifierClass::implicit;
    const std::uint64_t value = bits(modifier.value, 0, 56);
    const std::uint64_t low = bits(value, 0, 8);
    switch (modifier.value >> 56) { // DRM_FORMAT_MOD_VENDOR_*
    case 0x01:                      // Intel, a list of values: X, Y, Yf and 4 tiles, and the same with CCS
        return kind((value >= 4 && value <= 8) || (value >= 10 && value <= 17),
                    (value >= 1 && value <= 3) || value == 9);
    case 0x02: // AMD (AMD_FMT_MOD_*): the version of the tiles, up to 5 (GFX12); DCC in bit 13
        return kind(low <= 5 && bits(value, 13, 1) != 0, low <= 5);
    case 0x03: // NVIDIA: 1 is Tegra's tiles; block-linear has bit 4, and its compression in bits 23 to 25
        return bits(value, 4, 1) != 0 ? kind(bits(value, 23, 3) != 0, true) : kind(false, value == 1);
    case 0x04: // Samsung
        return kind(false, value == 1 || value == 2);
    case 0x05: // Qualcomm: UBWC, and tiles without it
        return kind(value == 1, value == 2 || value == 3);
    case 0x06: { // Vivante: four kinds of tiles, stored shorter with tile status (bits 48 to 51) or DEC400 (52 to 55)
        const std::uint64_t tiles = bits(value, 0, 48);
        return kind(tiles <= 4 && bits(value, 48, 8) != 0, tiles >= 1 && tiles <= 4);
    }
    case 0x07: // Broadcom: the kind (T tiles, SAND columns from 2 to 5, UIF), then its parameters
        return kind(false, low >= 1 && low <= 6);
    case 0x08: return classify_arm(value);
    case 0x09: // Allwinner
        return kind(false, value == 1);
    case 0x0a: // Amlogic FBC: the layout, basic or scattered
        return kind(low == 1 || low == 2, false);
    case 0x0b: // MediaTek: compression in bits 8 to 15, tiles in the lowest 8
        return kind(bits(value, 8, 8) != 0, low != 0);
    case 0x0c: // Apple's GPU: tiles, and the same compressed
        return kind(value == 2, value == 1);
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
    return text::format("{:#018x}", modifier.value);
}

} // namespace commonbuf
