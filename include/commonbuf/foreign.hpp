// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/buffer.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/fence.hpp>
#include <commonbuf/format.hpp>
#include <commonbuf/layout.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>
#include <commonbuf/use.hpp>

#include <compare>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

/// The one door for what comes from another process. Nothing of it is believed before it went through
/// admit() or admit_fence(), and no device sees it before that.
namespace commonbuf {

/// What somebody else says of a buffer, with the descriptors that came with it.
struct ForeignBuffer {
    Layout layout;
    std::vector<UniqueFd> memories; ///< one for each memory of the layout
};

/// A format with one modifier.
struct FormatModifier {
    Format format;
    Modifier modifier = linear;

    friend constexpr bool operator==(const FormatModifier&, const FormatModifier&) noexcept = default;
    friend constexpr auto operator<=>(const FormatModifier&, const FormatModifier&) noexcept = default;
};

/// What a receiver accepts. The defaults are more than any display shows.
struct ForeignLimits {
    std::uint32_t max_width = 16384;                  ///< pixels
    std::uint32_t max_height = 16384;                 ///< pixels
    std::uint64_t max_bytes = std::uint64_t{1} << 30; ///< of all memories of one buffer, as large as they are

    /// What the importers that will be used accept, from common_formats(); if it is empty, every format
    /// and modifier that the library can check.
    std::vector<FormatModifier> accepted{};

    /// For a program that wraps its own descriptors.
    static ForeignLimits none()
    {
        constexpr auto most = std::numeric_limits<std::uint32_t>::max();
        return {most, most, std::numeric_limits<std::uint64_t>::max(), {}};
    }
};

/// Makes a buffer of what somebody else sent, if all of it is true. It takes ownership of the
/// descriptors, even if it fails.
///
/// Afterwards a caller may rely on this:
/// - There is one descriptor for each memory, no more and no fewer, and each is a dma-buf. Its file system
///   says so (fstatfs(2), DMA_BUF_MAGIC), which no file of another process can. A dma-buf never
///   shrinks, so sizes stay true.
/// - The format is known, or one of V4L2's own with one plane in each memory. The image has pixels, except
///   for V4L2's own formats, and width, height and real bytes are within the limits.
/// - Every plane lies inside its memory. So does every row of a linear plane, with subsampling rounded up;
///   each stride is at least a row. Planes of other explicit modifiers have bytes and a stride, and
///   if the modifier stands for tiles without compression, room for each pixel.
/// - No two planes share a byte, even if two descriptors are one dma-buf. The implicit modifier and
///   V4L2's own formats are an exception: only a driver knows how they lie.
/// - The lines around the picture lie inside its memory too.
/// - Format and modifier are among ForeignLimits::accepted, if there is such a list. One modifier
///   holds for all planes, since a Layout has no more.
///
/// It says nothing of the content, which the sender may change at any time, and of fences, which
/// may never signal: accesses have deadlines for that. It makes no wait.
///
/// Errors: invalid_argument (what is untrue, with plane, offset and sizes), unsupported (the format, or
/// not among those accepted), out_of_memory, too_many_files.
COMMONBUF_API Result<Buffer> admit(ForeignBuffer buffer, const ForeignLimits& limits = {});

/// Makes a fence of a descriptor that somebody else sent. It takes ownership of it, even if it fails.
///
/// Afterwards the descriptor is a sync_file: an anonymous file of the kernel's, by its file system, that
/// answers as only sync_files do. No file of another process is, so asking it cannot hang. It may never
/// signal: wait with a deadline. No descriptor is no fence: an error.
///
/// Errors: invalid_argument (not a sync_file), out_of_memory.
COMMONBUF_API Result<Fence> admit_fence(UniqueFd sync_file);

/// One plane, as most protocols describe it: without its size, and with a modifier of its own.
struct ForeignPlane {
    std::uint32_t memory = 0; ///< which of the descriptors holds it
    std::uint32_t stride = 0;
    std::uint64_t offset = 0;
    Modifier modifier = linear;
};

/// Makes a layout of what a protocol says: the sizes of linear planes follow from rows and strides, all
/// others reach to the next plane in their memory or to its end. `sizes` are those of the dma-bufs.
/// admit() validates the result; this only makes it.
///
/// Errors: invalid_argument (planes with different modifiers, more than max_planes of them, or sizes that
/// overflow), unsupported (the format).
COMMONBUF_API Result<Layout> foreign_layout(Format format, std::uint32_t width, std::uint32_t height,
                                            std::span<const ForeignPlane> planes, std::span<const std::uint64_t> sizes);

/// Lists the formats and modifiers that all these uses accept for an image of the request's size, sorted,
/// in the request's format and its alternatives: for ForeignLimits::accepted.
///
/// Errors: those of Importer::support(); invalid_argument (there is no use); incompatible (nothing in
/// common).
COMMONBUF_API Result<std::vector<FormatModifier>> common_formats(std::span<const Use> uses, const Request& request);

} // namespace commonbuf
