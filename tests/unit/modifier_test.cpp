// SPDX-License-Identifier: MIT
#include <commonbuf/format.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>

namespace commonbuf {
namespace {

TEST(Modifier, NamesComeFromLibdrm)
{
    EXPECT_EQ(to_string(linear), "LINEAR");
    EXPECT_EQ(to_string(implicit_modifier), "INVALID");
    EXPECT_EQ(to_string(Modifier(I915_FORMAT_MOD_X_TILED)), "X_TILED");
    EXPECT_EQ(to_string(Modifier(0xfe00000000000001ULL)), "0xfe00000000000001");
}

TEST(Modifier, ConstantsAreTheKernels)
{
    EXPECT_EQ(linear.value, DRM_FORMAT_MOD_LINEAR);
    EXPECT_EQ(implicit_modifier.value, DRM_FORMAT_MOD_INVALID);
}

struct Case {
    const char* name;
    std::uint64_t value;
    ModifierClass kind;
};

// Written with the header's own macros, so that the bits come from another hand. Numbers
// where the macro is newer than the oldest header.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"
constexpr Case cases[] = {
    {"linear", DRM_FORMAT_MOD_LINEAR, ModifierClass::linear},
    {"implicit", DRM_FORMAT_MOD_INVALID, ModifierClass::implicit},
    {"no vendor, but not linear", 1, ModifierClass::unknown},

    {"Intel X", I915_FORMAT_MOD_X_TILED, ModifierClass::tiled},
    {"Intel 4", I915_FORMAT_MOD_4_TILED, ModifierClass::tiled},
    {"Intel CCS", I915_FORMAT_MOD_Y_TILED_CCS, ModifierClass::compressed},
    {"Intel media", I915_FORMAT_MOD_Y_TILED_GEN12_MC_CCS, ModifierClass::compressed},
    {"Intel DG2", I915_FORMAT_MOD_4_TILED_DG2_RC_CCS_CC, ModifierClass::compressed},
    {"Intel Lunar Lake", fourcc_mod_code(INTEL, 16), ModifierClass::compressed},
    {"Intel of tomorrow", fourcc_mod_code(INTEL, 200), ModifierClass::unknown},

    {"AMD GFX9",
     AMD_FMT_MOD | AMD_FMT_MOD_SET(TILE_VERSION, AMD_FMT_MOD_TILE_VER_GFX9) |
         AMD_FMT_MOD_SET(TILE, AMD_FMT_MOD_TILE_GFX9_64K_S),
     ModifierClass::tiled},
    {"AMD GFX10 DCC",
     AMD_FMT_MOD | AMD_FMT_MOD_SET(TILE_VERSION, AMD_FMT_MOD_TILE_VER_GFX10_RBPLUS) |
         AMD_FMT_MOD_SET(TILE, AMD_FMT_MOD_TILE_GFX9_64K_R_X) | AMD_FMT_MOD_SET(DCC, 1) |
         AMD_FMT_MOD_SET(DCC_RETILE, 1) | AMD_FMT_MOD_SET(PACKERS, 4),
     ModifierClass::compressed},
    {"AMD with every field but DCC",
     AMD_FMT_MOD | AMD_FMT_MOD_SET(TILE_VERSION, 3) | AMD_FMT_MOD_SET(TILE, 31) | AMD_FMT_MOD_SET(PIPE_XOR_BITS, 7) |
         AMD_FMT_MOD_SET(PACKERS, 7),
     ModifierClass::tiled},
    {"AMD GFX12", AMD_FMT_MOD | 5 | AMD_FMT_MOD_SET(TILE, 4), ModifierClass::tiled},
    {"AMD GFX12 DCC", AMD_FMT_MOD | 5 | AMD_FMT_MOD_SET(TILE, 4) | AMD_FMT_MOD_SET(DCC, 1), ModifierClass::compressed},
    {"AMD of tomorrow", AMD_FMT_MOD | AMD_FMT_MOD_SET(TILE_VERSION, 99), ModifierClass::unknown},

    {"Tegra", DRM_FORMAT_MOD_NVIDIA_TEGRA_TILED, ModifierClass::tiled},
    {"NVIDIA, old block linear", DRM_FORMAT_MOD_NVIDIA_16BX2_BLOCK_SIXTEEN_GOB, ModifierClass::tiled},
    {"NVIDIA Turing", DRM_FORMAT_MOD_NVIDIA_BLOCK_LINEAR_2D(0, 1, 2, 0x06, 4), ModifierClass::tiled},
    {"NVIDIA Turing, compressed", DRM_FORMAT_MOD_NVIDIA_BLOCK_LINEAR_2D(1, 1, 2, 0x06, 4), ModifierClass::compressed},
    {"NVIDIA Tegra, compressed", DRM_FORMAT_MOD_NVIDIA_BLOCK_LINEAR_2D(4, 0, 0, 0xdb, 0), ModifierClass::compressed},
    {"NVIDIA without block linear", fourcc_mod_code(NVIDIA, 2), ModifierClass::unknown},

    {"Samsung", DRM_FORMAT_MOD_SAMSUNG_64_32_TILE, ModifierClass::tiled},
    {"Samsung macroblocks", DRM_FORMAT_MOD_SAMSUNG_16_16_TILE, ModifierClass::tiled},
    {"Qualcomm UBWC", DRM_FORMAT_MOD_QCOM_COMPRESSED, ModifierClass::compressed},
    {"Qualcomm tiles", DRM_FORMAT_MOD_QCOM_TILED3, ModifierClass::tiled},

    {"Vivante", DRM_FORMAT_MOD_VIVANTE_TILED, ModifierClass::tiled},
    {"Vivante split", DRM_FORMAT_MOD_VIVANTE_SPLIT_SUPER_TILED, ModifierClass::tiled},
    {"Vivante, tile status", DRM_FORMAT_MOD_VIVANTE_SUPER_TILED | (1ULL << 48), ModifierClass::compressed},
    {"Vivante, DEC400", DRM_FORMAT_MOD_VIVANTE_SUPER_TILED | (3ULL << 48) | (1ULL << 52), ModifierClass::compressed},

    {"Broadcom T", DRM_FORMAT_MOD_BROADCOM_VC4_T_TILED, ModifierClass::tiled},
    {"Broadcom SAND", DRM_FORMAT_MOD_BROADCOM_SAND128_COL_HEIGHT(1632), ModifierClass::tiled},
    {"Broadcom UIF", DRM_FORMAT_MOD_BROADCOM_UIF, ModifierClass::tiled},

    {"AFBC", DRM_FORMAT_MOD_ARM_AFBC(AFBC_FORMAT_MOD_BLOCK_SIZE_16x16 | AFBC_FORMAT_MOD_SPARSE | AFBC_FORMAT_MOD_YTR),
     ModifierClass::compressed},
    {"AFBC without a block size", DRM_FORMAT_MOD_ARM_AFBC(AFBC_FORMAT_MOD_SPARSE), ModifierClass::unknown},
    {"AFRC", DRM_FORMAT_MOD_ARM_AFRC(AFRC_FORMAT_MOD_CU_SIZE_P0(AFRC_FORMAT_MOD_CU_SIZE_16)),
     ModifierClass::compressed},
    {"Mali blocks", DRM_FORMAT_MOD_ARM_16X16_BLOCK_U_INTERLEAVED, ModifierClass::tiled},
    {"Arm of tomorrow", DRM_FORMAT_MOD_ARM_CODE(7ULL, 1ULL), ModifierClass::unknown},

    {"Allwinner", DRM_FORMAT_MOD_ALLWINNER_TILED, ModifierClass::tiled},
    {"Amlogic", DRM_FORMAT_MOD_AMLOGIC_FBC(AMLOGIC_FBC_LAYOUT_BASIC, AMLOGIC_FBC_OPTION_MEM_SAVING),
     ModifierClass::compressed},
    {"Amlogic scattered", DRM_FORMAT_MOD_AMLOGIC_FBC(AMLOGIC_FBC_LAYOUT_SCATTER, 0ULL), ModifierClass::compressed},
    {"MediaTek tiles", 0x0b00000000000001ULL, ModifierClass::tiled},
    {"MediaTek, compressed", 0x0b00000000000101ULL, ModifierClass::compressed},
    {"Apple", 0x0c00000000000001ULL, ModifierClass::tiled},
    {"Apple, compressed", 0x0c00000000000002ULL, ModifierClass::compressed},
    {"no such vendor", 0xfe00000000000001ULL, ModifierClass::unknown},
};
#pragma GCC diagnostic pop

TEST(Modifier, ClassesFollowTheVendorsBits)
{
    for (const Case& each : cases)
        EXPECT_EQ(to_string(classify(each.value)), to_string(each.kind)) << each.name;
}

} // namespace
} // namespace commonbuf
