// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/format.hpp>
#include <commonbuf/layout.hpp>
#include <commonbuf/result.hpp>

#include <cstdint>
#include <span>

/// Names of the same bytes: what V4L2 says by a code of its own and DRM by a format and a modifier,
/// and what one API has two names for.
namespace commonbuf {

/// A code of V4L2 for an image in tiles, and DRM's name of the same bytes.
struct TiledTwin {
    std::uint32_t v4l2 = 0;
    Arrangement drm; ///< its modifier has no column height
    /// The rows of luma and of chroma in a tile; a plane holds whole tiles.
    std::uint32_t luma_rows = 1;
    std::uint32_t chroma_rows = 1;
    /// How wide a column is, in bytes, if the image is stored in columns, each with its luma above its
    /// chroma; 0 if tiles are stored row by row. V4L2 tells the height of such a column instead of a
    /// stride, and DRM in the modifier.
    std::uint32_t column_bytes = 0;
};

std::span<const TiledTwin> tiled_twins() noexcept;

/// Finds the twin of a code; nullptr if it is not tiled, or if DRM has no name for it.
const TiledTwin* tiled_twin(std::uint32_t v4l2_fourcc) noexcept;

/// Finds the code of an arrangement; nullptr if V4L2 has none. A column height counts for nothing.
const TiledTwin* tiled_twin(const Arrangement& arrangement) noexcept;

/// The modifier as displays list it: without its column height if it has one (Broadcom's SAND).
/// Others stay as they are.
Modifier without_column_height(Modifier modifier) noexcept;

/// How high the columns of a modifier are, in rows; 0 if it does not say so.
std::uint32_t column_height(Modifier modifier) noexcept;

/// How wide the columns of a modifier are, in bytes; 0 if it has none.
std::uint32_t column_bytes(Modifier modifier) noexcept;

/// The arrangement that a layout has.
Arrangement arrangement_of(const Layout& layout) noexcept;

/// What V4L2 calls bytesperline of the first plane: its stride, or the height of the columns.
std::uint32_t tiled_line(const TiledTwin& twin, const Layout& layout) noexcept;

/// How many rows of luma lie in front of the chroma, padding included; the image's own height if the
/// layout does not say so.
std::uint32_t tiled_rows(const TiledTwin& twin, const Layout& layout) noexcept;

/// Lays an image out as V4L2's drivers do: the chroma follows the luma, whose `rows` are rounded up to
/// whole tiles. `line` is what V4L2 calls bytesperline.
/// Errors: invalid_argument (no pixels, a line that is too short for the image, or sizes that overflow
/// 63 bits).
Result<Layout> tiled_layout(const TiledTwin& twin, const Request& request, std::uint32_t line, std::uint32_t rows);

/// The other code of V4L2 for the same bytes; 0 if there is none. Drivers use MJPG and JPEG for the
/// same frames, one JPEG image each.
std::uint32_t other_v4l2_code(std::uint32_t v4l2_fourcc) noexcept;

/// Whether two formats have the same bytes. V4L2 knows some by one code where DRM has two names, and
/// some by two codes.
bool have_same_bytes(Format a, Format b) noexcept;

} // namespace commonbuf
