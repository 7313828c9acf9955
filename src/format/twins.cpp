// SPDX-License-Identifier: MIT
//
// Each row of the table says where it is from: both names have to be told by the kernel, in the headers
// or by a driver that uses both. Files are those of Linux, if nothing else is said. What has no row is
// opaque; src/format/left-out.txt says why.
#include "format/twins.hpp"

#include "format/checked.hpp"
#include "format/table.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

namespace commonbuf {
namespace {

using table::code;

// NOLINTBEGIN(readability-magic-numbers): the numbers are the vendors'; see modifiers.cpp.

constexpr std::uint64_t vendor_shift = 56;
constexpr std::uint64_t broadcom = 0x07;
// DRM_FORMAT_MOD_BROADCOM_SAND128; its parameter, the column height, begins at bit 8.
constexpr std::uint64_t sand128 = broadcom << vendor_shift | 4;
constexpr std::uint64_t parameter_shift = 8;
constexpr std::uint64_t parameter_bits = 48;
constexpr std::uint64_t parameter_mask = ((std::uint64_t{1} << parameter_bits) - 1) << parameter_shift;

constexpr Format nv12(code("NV12"));
constexpr Format p030(code("P030"));

constexpr auto twins = std::to_array<TiledTwin>({
    // NV12_32L32 and DRM_FORMAT_MOD_ALLWINNER_TILED, by the headers. cedrus_prepare_format() in
    // cedrus_video.c pads luma to 32 rows, and chroma too; sun4i_frontend.c takes bytes of a row as the
    // pitch, as cedrus tells them.
    {code("ST12"), {nv12, 0x0900000000000001, Memories::single}, 32, 32},

    // NV12_COL128 and NV12_10_COL128 of Raspberry Pi's kernel, whose decoder says so: rpivid_video.c sets
    // bytesperline to the column height, and rpivid_h265.c puts chroma at height * 128. In drm_fourcc.h:
    // DRM_FORMAT_MOD_BROADCOM_SAND128_COL_HEIGHT, for P030 with the same 128 bytes.
    {code("NC12"), {nv12, sand128, Memories::single}, 1, 1, 128},
    {code("NC30"), {p030, sand128, Memories::single}, 1, 1, 128},

    // NV12MT: drm_fourcc.h itself says that DRM_FORMAT_MOD_SAMSUNG_64_32_TILE is this format of V4L2. Both
    // planes in whole tiles: s5p_mfc_dec_calc_dpb_size_v5() in s5p_mfc_opr_v5.c.
    {code("TM12"), {nv12, 0x0400000000000001, Memories::per_plane}, 32, 32},

    // NV12MT_16X16 and DRM_FORMAT_MOD_SAMSUNG_16_16_TILE: the driver of the same scaler in either API sets
    // the same mode for them, 16x16 luma and 16x8 chroma (TILE_C_16x8 in exynos-gsc/gsc-regs.c and in
    // exynos_drm_gsc.c).
    {code("VM12"), {nv12, 0x0400000000000002, Memories::per_plane}, 16, 8},

    // MM21 has luma in tiles of 16x32 and chroma in as many of 16x16 (pixfmt-yuv-planar.rst), which is
    // what DRM_FORMAT_MOD_MTK_16L_32S_TILE stands for (drm_fourcc.h since Linux 6.14).
    {code("MM21"), {nv12, 0x0b00000000000001, Memories::per_plane}, 32, 16},
});

// NOLINTEND(readability-magic-numbers)

constexpr std::uint32_t mjpg = code("MJPG");
constexpr std::uint32_t jpeg = code("JPEG");

template <typename Predicate>
const TiledTwin* find(Predicate matches) noexcept
{
    const auto row = std::find_if(twins.begin(), twins.end(), matches);
    return row != twins.end() ? &*row : nullptr;
}

/// Where the two planes of an image begin and end in their memories.
struct Extent {
    checked::Number luma;
    checked::Number chroma_offset;
    checked::Number chroma;
    checked::Number memory; ///< that the planes share
};

/// Tiles row by row: each plane is a number of rows, as a linear one is.
Extent tile_extent(const TiledTwin& twin, const FormatInfo& info, std::uint32_t line, std::uint32_t rows)
{
    Extent extent;
    extent.luma = checked::multiply(line, checked::round_up(rows, twin.luma_rows));
    extent.chroma = checked::multiply(line, checked::round_up(plane_rows(info, 1, rows), twin.chroma_rows));
    extent.chroma_offset = twin.drm.memories == Memories::single ? extent.luma : 0;
    extent.memory = checked::add(extent.luma, extent.chroma);
    return extent;
}

/// Columns: luma of the first column, its chroma, padding, then the next column. What lies between the
/// first byte of a plane and its last one has the other plane in between.
Extent column_extent(const TiledTwin& twin, const FormatInfo& info, std::uint64_t columns, std::uint32_t line,
                     std::uint32_t rows)
{
    const checked::Number column = checked::multiply(line, twin.column_bytes);
    const checked::Number before_last = checked::multiply(column, columns - 1);
    const auto in_column = [&](std::uint32_t count) {
        return checked::add(before_last, checked::multiply(count, twin.column_bytes));
    };
    return {in_column(rows), checked::multiply(rows, twin.column_bytes), in_column(plane_rows(info, 1, rows)),
            checked::multiply(column, columns)};
}

} // namespace

std::span<const TiledTwin> tiled_twins() noexcept { return twins; }

const TiledTwin* tiled_twin(std::uint32_t v4l2_fourcc) noexcept
{
    return find([v4l2_fourcc](const TiledTwin& row) { return row.v4l2 == v4l2_fourcc; });
}

const TiledTwin* tiled_twin(const Arrangement& arrangement) noexcept
{
    const Arrangement wanted{arrangement.format, without_column_height(arrangement.modifier), arrangement.memories};
    return find([&wanted](const TiledTwin& row) { return row.drm == wanted; });
}

std::uint32_t column_bytes(Modifier modifier) noexcept
{
    constexpr std::uint64_t first_sand = 2; // columns of 32 bytes, then 64, 128, 256
    constexpr std::uint64_t last_sand = 5;
    const std::uint64_t kind = (modifier.value & ~parameter_mask) ^ (broadcom << vendor_shift);
    return kind >= first_sand && kind <= last_sand ? 32U << (kind - first_sand) : 0;
}

Modifier without_column_height(Modifier modifier) noexcept
{
    return column_bytes(modifier) != 0 ? Modifier(modifier.value & ~parameter_mask) : modifier;
}

std::uint32_t column_height(Modifier modifier) noexcept
{
    const std::uint64_t height = modifier.value ^ without_column_height(modifier).value;
    return static_cast<std::uint32_t>(
        std::min<std::uint64_t>(height >> parameter_shift, std::numeric_limits<std::uint32_t>::max()));
}

Arrangement arrangement_of(const Layout& layout) noexcept
{
    return {layout.format, is_opaque(layout.format) ? linear : without_column_height(layout.modifier),
            layout.memory_count > 1 ? Memories::per_plane : Memories::single};
}

std::uint32_t tiled_line(const TiledTwin& twin, const Layout& layout) noexcept
{
    return twin.column_bytes != 0 ? column_height(layout.modifier) : layout.planes[0].stride;
}

std::uint32_t tiled_rows(const TiledTwin& twin, const Layout& layout) noexcept
{
    const Plane& luma = layout.planes[0];
    std::uint64_t rows = 0;
    if (twin.column_bytes != 0)
        rows = layout.planes[1].offset / twin.column_bytes;
    else if (luma.stride != 0)
        rows = luma.size / luma.stride;
    constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max();
    return std::max(layout.height, static_cast<std::uint32_t>(std::min(rows, most)));
}

Result<Layout> tiled_layout(const TiledTwin& twin, const Request& request, std::uint32_t line, std::uint32_t rows)
{
    const auto invalid = [&](std::string detail) {
        return Error::invalid_argument(
            text::format("lay out {} {}x{}", to_string(twin.drm), request.width, request.height), std::move(detail));
    };
    const FormatInfo& info = *format_info(twin.drm.format);
    if (request.width == 0 || request.height == 0)
        return invalid("the image has no pixels");
    const std::uint32_t all = std::max(rows, request.height);
    std::uint64_t row = min_stride(info, 0, request.width);
    std::uint64_t stride = line;
    Modifier modifier = twin.drm.modifier;
    Extent extent;
    if (twin.column_bytes != 0) {
        const std::uint64_t columns = (row + twin.column_bytes - 1) / twin.column_bytes;
        // The core of DRM looks at strides, so that they are those of rows (drm_fourcc.h).
        stride = columns * twin.column_bytes;
        row = std::uint64_t{all} + plane_rows(info, 1, all);
        if (line < row)
            return invalid(text::format("columns of {} rows have no room for {}", line, row));
        modifier = modifier.value | std::uint64_t{line} << parameter_shift;
        extent = column_extent(twin, info, columns, line, all);
    } else {
        if (line < row)
            return invalid(text::format("a stride of {} is too short for a row of {}", line, row));
        extent = tile_extent(twin, info, line, all);
    }
    constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
    if (!extent.memory || *extent.memory > most || stride > std::numeric_limits<std::uint32_t>::max())
        return invalid("the sizes overflow 63 bits");

    const bool single = twin.drm.memories == Memories::single;
    Layout layout;
    layout.format = twin.drm.format;
    layout.modifier = modifier;
    layout.width = request.width;
    layout.height = request.height;
    layout.plane_count = 2;
    layout.memory_count = single ? 1 : 2;
    layout.planes[0] = {0, static_cast<std::uint32_t>(stride), 0, *extent.luma};
    layout.planes[1] = {single ? 0U : 1U, static_cast<std::uint32_t>(stride), *extent.chroma_offset, *extent.chroma};
    layout.memory_sizes[0] = single ? *extent.memory : *extent.luma;
    if (!single)
        layout.memory_sizes[1] = *extent.chroma;
    return layout;
}

std::uint32_t other_v4l2_code(std::uint32_t v4l2_fourcc) noexcept
{
    if (v4l2_fourcc == mjpg)
        return jpeg;
    return v4l2_fourcc == jpeg ? mjpg : 0;
}

bool have_same_bytes(Format a, Format b) noexcept
{
    if (a == b)
        return true;
    if (is_opaque(a) && is_opaque(b))
        return other_v4l2_code(a.fourcc) == b.fourcc;
    const FormatInfo* first = format_info(a);
    const FormatInfo* second = format_info(b);
    return first != nullptr && second != nullptr && first->v4l2_single != 0 &&
           first->v4l2_single == second->v4l2_single;
}

} // namespace commonbuf
