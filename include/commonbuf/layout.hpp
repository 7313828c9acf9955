// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>
#include <commonbuf/format.hpp>
#include <commonbuf/result.hpp>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace commonbuf {

/// Where one plane lies.
struct Plane {
    std::uint32_t memory = 0; ///< which of the buffer's memories holds it
    std::uint32_t stride = 0; ///< bytes from one row to the next
    std::uint64_t offset = 0; ///< bytes from the start of that memory
    std::uint64_t size = 0;   ///< bytes from the plane's first byte to the end of its last row

    friend bool operator==(const Plane&, const Plane&) = default;
};

/// Where every pixel of an image lies: the value that all devices must agree on.
struct COMMONBUF_API Layout {
    Format format;
    Modifier modifier = linear;
    std::uint32_t width = 0;  ///< pixels
    std::uint32_t height = 0; ///< pixels
    std::uint32_t plane_count = 0;
    std::uint32_t memory_count = 0;
    std::array<Plane, max_planes> planes{};
    std::array<std::uint64_t, max_planes> memory_sizes{}; ///< bytes that each memory needs
    /// Rows of the image in front of the pixels and behind them; see Request::lines_before. They are
    /// part of no plane.
    std::uint32_t lines_before = 0;
    std::uint32_t lines_after = 0;
    /// How many rows each device counts from one plane to the next, padding included, if the
    /// caller said so (Preferences::constraints.height_align). 0 if nobody did: padding then is
    /// what some device asked for, and a device that cannot be told of it refuses the layout.
    std::uint32_t rows = 0;

    std::span<const Plane> used_planes() const { return {planes.data(), plane_count}; }
    std::span<const std::uint64_t> used_memories() const { return {memory_sizes.data(), memory_count}; }

    /// The bytes of all memories together.
    std::uint64_t total_size() const noexcept;

    friend bool operator==(const Layout&, const Layout&) = default;
};

/// Describe a layout: "XR24 1280x720 LINEAR, stride 5120, 3686400 bytes".
COMMONBUF_API std::string to_string(const Layout& layout);

/// How the planes of a format are spread over memories.
enum class Memories : std::uint8_t {
    single,    ///< all planes one after the other in one memory
    per_plane, ///< each plane at the start of a memory of its own
};

/// How an image lies in memory, except for the numbers of a Layout.
struct Arrangement {
    Format format;
    Modifier modifier = linear;
    Memories memories = Memories::single;

    friend constexpr bool operator==(const Arrangement&, const Arrangement&) noexcept = default;
    friend constexpr auto operator<=>(const Arrangement&, const Arrangement&) noexcept = default;
};

/// Describe an arrangement: "XR24 LINEAR", "NV12 LINEAR with one memory per plane".
COMMONBUF_API std::string to_string(const Arrangement& arrangement);

/// The image that is wanted.
struct Request {
    Format format;
    std::uint32_t width = 0;  ///< pixels
    std::uint32_t height = 0; ///< pixels
    std::uint32_t count = 1;  ///< how many buffers there will be at once
    /// Room in front of the pixels and behind them, for the lines that a sensor puts around its
    /// image: rows of the image, so that a plane with fewer rows has fewer lines. What lies in front
    /// of the picture must be whole rows of each plane: an even number for 4:2:0.
    ///
    /// A V4L2 camera or output fills or reads the room too: its image begins at the first byte of
    /// the memory and has so many rows more. All other devices see the picture only, at the offsets
    /// of its planes. Codecs and images in tiles cannot tell a picture from its lines, and refuse.
    std::uint32_t lines_before = 0;
    std::uint32_t lines_after = 0;
    /// Other formats that will do, best first, behind `format`.
    std::vector<Format> alternatives{};

    /// `format` and its alternatives, best first.
    COMMONBUF_API std::vector<Format> formats() const;

    friend bool operator==(const Request&, const Request&) = default;
};

/// Compute the least bytes from one row to the next of a plane, for an image of `width` pixels.
/// Subsampling rounds up. `plane` must be below the format's plane count.
COMMONBUF_API std::uint64_t min_stride(const FormatInfo& format, std::size_t plane, std::uint32_t width) noexcept;

/// Compute the rows of a plane, for an image of `height` pixels. Subsampling rounds up.
COMMONBUF_API std::uint32_t plane_rows(const FormatInfo& format, std::size_t plane, std::uint32_t height) noexcept;

/// Make a linear layout whose first plane has `stride` bytes a row. The strides of the other
/// planes follow by the rule of V4L2's contiguous formats: in proportion to their samples.
///
/// `rows` is the padded height in image rows, 0 for none. The request's lines_before and
/// lines_after lie in front of each plane and behind it, its padding included: planes are where
/// they would be in an image with so many rows more. They are part of no plane.
/// Planes begin at multiples of `offset_align` in their memory.
///
/// Errors: unsupported (unknown or opaque format), invalid_argument (an image without pixels, a
/// stride below the least, a stride that the other planes cannot follow, lines_before that are no
/// whole rows of a plane, or sizes that overflow 63 bits: file offsets are signed).
COMMONBUF_API Result<Layout> linear_layout(const Request& request, std::uint32_t stride, Memories memories,
                                           std::uint32_t rows = 0, std::uint64_t offset_align = 1);

/// Make the layout of an opaque format from what a driver says: one plane in one memory, with the
/// implicit modifier, since only the driver knows what lies where. `stride` can be 0
/// (compressed), and so can the request's width and height (metadata).
///
/// Errors: unsupported (a format that is not opaque), invalid_argument (no bytes, more than 63
/// bits can count, or room for lines, which makes no sense here).
COMMONBUF_API Result<Layout> opaque_layout(const Request& request, std::uint32_t stride, std::uint64_t size);

/// What a driver says of one memory of an opaque format.
struct OpaqueMemory {
    std::uint32_t stride = 0; ///< bytes from one row to the next; 0 if it has no rows
    std::uint64_t size = 0;   ///< bytes
};

/// Make the layout of an opaque format with several memories, as V4L2's tiled and compressed formats
/// have them that no modifier stands for: a plane in each memory, from its first byte to its last one.
///
/// Errors: those of opaque_layout() with one memory; invalid_argument (no memory, or more than
/// max_planes).
COMMONBUF_API Result<Layout> opaque_layout(const Request& request, std::span<const OpaqueMemory> memories);

/// Validate a layout of unknown origin: every plane lies inside its memory, rows and planes do not
/// overlap, counts fit the format. All arithmetic is checked in 64 bits.
///
/// `actual_sizes` are the sizes of the dma-bufs behind the memories (lseek), or empty to use the
/// layout's own numbers. After success a caller can rely on offset + size of every plane being
/// within its memory, and on plane_count and memory_count being at most max_planes.
///
/// Rows are looked at only in linear layouts. For other modifiers and for opaque formats, which
/// have one plane in each memory, only offsets and sizes count: two planes of an explicit modifier
/// do not begin at the same byte. The rows of one linear plane may lie between those of another.
/// Errors: invalid_argument with the plane and both sizes, unsupported (format).
COMMONBUF_API Status validate(const Layout& layout, std::span<const std::uint64_t> actual_sizes = {});

} // namespace commonbuf
