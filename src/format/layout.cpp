// SPDX-License-Identifier: MIT
#include "format/checked.hpp"
#include "base/text.hpp"

#include <commonbuf/layout.hpp>

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

namespace commonbuf {
namespace {

constexpr std::uint64_t divide_up(std::uint64_t value, std::uint64_t by) { return (value + by - 1) / by; }

std::string operation_for(Format format, std::uint32_t width, std::uint32_t height)
{
    return text::format("lay out {} {}x{}", to_string(format), width, height);
}

Error unknown_format(Format format, const std::string& operation)
{
    return Error::unsupported(operation, is_opaque(format) ? "the format is opaque: only a driver can lay it out"
                                                           : "the library does not know this format");
}

/// The stride of another plane if the first one has `stride`; 0 if it would be no whole number of
/// bytes.
std::uint64_t following_stride(const FormatInfo& info, std::size_t plane, std::uint32_t stride)
{
    const PlaneInfo& first = info.planes[0];
    const PlaneInfo& other = info.planes[plane];
    const std::uint64_t bytes = std::uint64_t{stride} * other.block_bytes * first.block_width;
    const std::uint64_t divisor = std::uint64_t{first.block_bytes} * other.block_width * other.hsub;
    return bytes % divisor == 0 ? bytes / divisor : 0;
}

/// How many rows of a plane lie in front of the picture and behind it; nothing if the picture would not
/// begin with a whole row.
struct RoomForLines {
    std::uint64_t before;
    std::uint64_t after;
};
std::optional<RoomForLines> room_for_lines(const FormatInfo& info, std::size_t plane, const Request& request,
                                           std::uint32_t rows)
{
    const std::uint64_t vsub = info.planes[plane].vsub;
    if (request.lines_before % vsub != 0)
        return std::nullopt;
    const std::uint64_t all = std::uint64_t{request.lines_before} + rows + request.lines_after;
    const std::uint64_t before = request.lines_before / vsub;
    return RoomForLines{before, divide_up(all, vsub) - before - plane_rows(info, plane, rows)};
}

/// The bytes from a linear plane's first pixel to its last one, which validate() has checked.
std::uint64_t used_bytes(const FormatInfo& info, const Layout& layout, std::uint32_t plane)
{
    return std::uint64_t{layout.planes[plane].stride} * (plane_rows(info, plane, layout.height) - 1) +
           min_stride(info, plane, layout.width);
}

/// Whether two planes share a byte. The rows of one may lie between those of the other.
bool overlap(const FormatInfo& info, const Layout& layout, std::uint32_t a, std::uint32_t b)
{
    if (layout.planes[a].offset > layout.planes[b].offset)
        std::swap(a, b);
    const Plane& first = layout.planes[a];
    const Plane& second = layout.planes[b];
    if (first.memory != second.memory)
        return false;
    // How tiles lie is the driver's business, but not both can begin in one place.
    if (layout.modifier != linear)
        return layout.modifier != implicit_modifier && first.offset == second.offset && first.size != 0 &&
               second.size != 0;
    const std::uint64_t distance = second.offset - first.offset;
    if (distance >= used_bytes(info, layout, a))
        return false;
    if (first.stride != second.stride)
        return true;
    const std::uint64_t within = distance % first.stride;
    return within < min_stride(info, a, layout.width) || first.stride - within < min_stride(info, b, layout.width);
}

/// dma-bufs are at most as large as a signed file offset can tell (lseek).
constexpr std::uint64_t max_bytes = std::numeric_limits<std::int64_t>::max();

} // namespace

std::vector<Format> Request::formats() const
{
    std::vector<Format> all{format};
    all.insert(all.end(), alternatives.begin(), alternatives.end());
    return all;
}

std::uint64_t Layout::total_size() const noexcept
{
    std::uint64_t total = 0;
    for (const std::uint64_t size : used_memories())
        total += size;
    return total;
}

std::string to_string(const Arrangement& arrangement)
{
    return text::format("{} {}{}", to_string(arrangement.format), to_string(arrangement.modifier),
                        arrangement.memories == Memories::single ? "" : " with one memory per plane");
}

std::string to_string(const Layout& layout)
{
    std::string text = text::format("{} {}x{} {}, stride", to_string(layout.format), layout.width, layout.height,
                                    to_string(layout.modifier));
    for (const Plane& plane : layout.used_planes())
        text += text::format("{}{}", &plane == layout.planes.data() ? " " : "+", plane.stride);
    for (const std::uint64_t& size : layout.used_memories())
        text += text::format("{}{}", &size == layout.memory_sizes.data() ? ", " : "+", size);
    return text + " bytes";
}

std::uint64_t min_stride(const FormatInfo& format, std::size_t plane, std::uint32_t width) noexcept
{
    const PlaneInfo& info = format.planes[plane];
    const std::uint64_t samples = divide_up(width, info.hsub);
    return divide_up(samples, info.block_width) * info.block_bytes;
}

std::uint32_t plane_rows(const FormatInfo& format, std::size_t plane, std::uint32_t height) noexcept
{
    return static_cast<std::uint32_t>(divide_up(height, format.planes[plane].vsub));
}

Result<Layout> linear_layout(const Request& request, std::uint32_t stride, Memories memories, std::uint32_t rows,
                             std::uint64_t offset_align)
{
    const FormatInfo* info = format_info(request.format);
    const std::string operation = operation_for(request.format, request.width, request.height);
    const auto invalid = [&operation](std::string detail) {
        return Error::invalid_argument(operation, std::move(detail));
    };
    constexpr const char* overflow = "the sizes overflow 63 bits";
    if (info == nullptr)
        return unknown_format(request.format, operation);
    if (request.width == 0 || request.height == 0)
        return invalid("the image has no pixels");
    if (rows != 0 && rows < request.height)
        return invalid(text::format("{} padded rows are fewer than the image has", rows));

    Layout layout;
    layout.format = request.format;
    layout.width = request.width;
    layout.height = request.height;
    layout.plane_count = info->plane_count;
    layout.memory_count = memories == Memories::single ? 1 : info->plane_count;

    const std::uint32_t padded = std::max(rows, request.height);
    checked::Number end = 0;
    for (std::uint32_t i = 0; i < layout.plane_count; ++i) {
        const std::uint64_t plane_stride = i == 0 ? stride : following_stride(*info, i, stride);
        const std::uint64_t row = min_stride(*info, i, request.width);
        if (plane_stride == 0 || plane_stride < row)
            return invalid(text::format("a stride of {} leaves plane {} with {} bytes a row, and it needs {}", stride,
                                        i, plane_stride, row));
        const auto lines = room_for_lines(*info, i, request, padded);
        if (!lines)
            return invalid(text::format("{} lines in front of a picture are no whole rows of plane {}, which has one "
                                        "for {} rows of the picture",
                                        request.lines_before, i, info->planes[i].vsub));
        const checked::Number size = checked::multiply(plane_stride, plane_rows(*info, i, padded));
        if (memories == Memories::per_plane && i != 0)
            end = 0;
        const checked::Number offset =
            checked::round_up(checked::add(end, checked::multiply(lines->before, plane_stride)), offset_align);
        end = checked::add(checked::add(offset, size), checked::multiply(lines->after, plane_stride));
        if (!end || *end > max_bytes || plane_stride > std::numeric_limits<std::uint32_t>::max())
            return invalid(overflow);
        Plane& plane = layout.planes[i];
        plane.memory = memories == Memories::single ? 0 : i;
        plane.stride = static_cast<std::uint32_t>(plane_stride);
        plane.offset = *offset;
        plane.size = *size;
        layout.memory_sizes[plane.memory] = *end;
    }
    layout.lines_before = request.lines_before;
    layout.lines_after = request.lines_after;
    return layout;
}

Result<Layout> opaque_layout(const Request& request, std::uint32_t stride, std::uint64_t size)
{
    const OpaqueMemory memory{stride, size};
    return opaque_layout(request, std::span(&memory, 1));
}

Result<Layout> opaque_layout(const Request& request, std::span<const OpaqueMemory> memories)
{
    const std::string operation = operation_for(request.format, request.width, request.height);
    if (!is_opaque(request.format))
        return Error::unsupported(operation, "the format is not opaque");
    if (memories.empty() || memories.size() > max_planes)
        return Error::invalid_argument(
            operation, text::format("{} memories are not between 1 and {}", memories.size(), max_planes));
    if (request.lines_before != 0 || request.lines_after != 0)
        return Error::invalid_argument(operation, "an opaque format has no rows to leave room for");

    Layout layout;
    layout.format = request.format;
    layout.modifier = implicit_modifier;
    layout.width = request.width;
    layout.height = request.height;
    layout.plane_count = layout.memory_count = static_cast<std::uint32_t>(memories.size());
    for (std::uint32_t i = 0; i < layout.memory_count; ++i) {
        const OpaqueMemory& memory = memories[i];
        if (memory.size == 0 || memory.size > max_bytes)
            return Error::invalid_argument(operation, text::format("a size of {} bytes is not possible", memory.size));
        layout.planes[i] = {i, memory.stride, 0, memory.size};
        layout.memory_sizes[i] = memory.size;
    }
    return layout;
}

Status validate(const Layout& layout, std::span<const std::uint64_t> actual_sizes)
{
    const std::string operation = operation_for(layout.format, layout.width, layout.height);
    const auto invalid = [&operation](std::string detail) {
        return Error::invalid_argument(operation, std::move(detail));
    };

    const bool opaque = is_opaque(layout.format);
    const FormatInfo* info = format_info(layout.format);
    if (info == nullptr && !opaque)
        return unknown_format(layout.format, operation);
    if (!opaque && (layout.width == 0 || layout.height == 0))
        return invalid("the image has no pixels");
    // Modifiers may add planes, for example for compression, but never remove one.
    const std::uint32_t planes = opaque ? layout.memory_count : info->plane_count;
    const bool exact = opaque || layout.modifier == linear;
    if (layout.plane_count > max_planes || layout.plane_count < planes || (exact && layout.plane_count != planes))
        return invalid(text::format("it has {} planes, and the format has {}", layout.plane_count, planes));
    if (layout.memory_count == 0 || layout.memory_count > max_planes)
        return invalid(text::format("{} memories are not between 1 and {}", layout.memory_count, max_planes));
    if (!actual_sizes.empty() && actual_sizes.size() < layout.memory_count)
        return invalid(
            text::format("it has {} memories, and {} came with it", layout.memory_count, actual_sizes.size()));

    for (std::uint32_t i = 0; i < layout.memory_count; ++i) {
        if (!actual_sizes.empty() && actual_sizes[i] < layout.memory_sizes[i])
            return invalid(
                text::format("memory {} has {} bytes, and {} are needed", i, actual_sizes[i], layout.memory_sizes[i]));
    }
    for (std::uint32_t i = 0; i < layout.plane_count; ++i) {
        const Plane& plane = layout.planes[i];
        if (plane.memory >= layout.memory_count)
            return invalid(text::format("plane {} is in memory {} of {}", i, plane.memory, layout.memory_count));
        if (opaque && plane.memory != i)
            return invalid(text::format("plane {} is in memory {}, and each memory of an opaque format has its own", i,
                                        plane.memory));
        const checked::Number end = checked::add(plane.offset, plane.size);
        if (!end || *end > layout.memory_sizes[plane.memory])
            return invalid(text::format("plane {} at {} with {} bytes goes past the {} bytes of its memory", i,
                                        plane.offset, plane.size, layout.memory_sizes[plane.memory]));
        if (opaque || layout.modifier != linear)
            continue;
        const std::uint64_t row = min_stride(*info, i, layout.width);
        if (plane.stride < row)
            return invalid(text::format("plane {} has a stride of {}, and a row needs {}", i, plane.stride, row));
        // The last row may end before the stride does.
        const std::uint64_t rows = plane_rows(*info, i, layout.height);
        const checked::Number bytes = checked::add(checked::multiply(plane.stride, rows - 1), row);
        if (!bytes || *bytes > plane.size)
            return invalid(
                text::format("plane {} has {} bytes, and {} rows of {} need more", i, plane.size, rows, plane.stride));
    }
    for (std::uint32_t i = 1; i < (opaque ? 0 : layout.plane_count); ++i) {
        for (std::uint32_t other = 0; other < i; ++other) {
            if (overlap(*info, layout, other, i))
                return invalid(text::format("plane {} at {} and plane {} at {} lie on top of each other", other,
                                            layout.planes[other].offset, i, layout.planes[i].offset));
        }
    }
    return {};
}

} // namespace commonbuf
