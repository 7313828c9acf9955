// SPDX-License-Identifier: MIT
#include "base/text.hpp"
#include "buffer/buffer_state.hpp"
#include "format/checked.hpp"
#include "format/twins.hpp"
#include "os/os.hpp"

#include <commonbuf/foreign.hpp>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <utility>

namespace commonbuf {
namespace {

constexpr const char* operation = "accept a buffer from outside";

Error lie(std::string detail) { return Error::invalid_argument(operation, std::move(detail)); }

/// Refuses what needs no look at the descriptors.
Status within(const ForeignLimits& limits, const ForeignBuffer& buffer)
{
    const Layout& layout = buffer.layout;
    if (layout.width > limits.max_width || layout.height > limits.max_height)
        return lie(text::format("its {}x{} pixels are more than the {}x{} that are allowed", layout.width,
                                layout.height, limits.max_width, limits.max_height));
    if (buffer.memories.size() != layout.memory_count)
        return lie(text::format("it has {} memories, and {} descriptors came with it", layout.memory_count,
                                buffer.memories.size()));
    const FormatModifier kind{layout.format, layout.modifier};
    if (!limits.accepted.empty() && std::ranges::find(limits.accepted, kind) == limits.accepted.end())
        return Error::unsupported(operation,
                                  text::format("no device here accepts {} with the modifier {}",
                                               to_string(layout.format), to_string(layout.modifier)),
                                  "send one of the formats that the receiver announced");
    return {};
}

/// Refuses lines around the picture that are not inside its memory. `layout` is valid.
Status check_lines(const Layout& layout)
{
    if (layout.lines_before == 0 && layout.lines_after == 0 && layout.rows == 0)
        return {};
    if (layout.modifier != linear || is_opaque(layout.format))
        return lie("it has lines around the picture or padded rows, and does not lie in rows");
    const Plane& first = layout.planes[0];
    if (std::uint64_t{layout.lines_before} * first.stride > first.offset)
        return lie(text::format("{} lines of {} bytes do not fit before the picture at {}", layout.lines_before,
                                first.stride, first.offset));
    std::uint64_t end = 0;
    for (const Plane& plane : layout.used_planes()) {
        if (plane.memory == first.memory)
            end = std::max(end, plane.offset + plane.size);
    }
    const std::uint64_t size = layout.memory_sizes[first.memory];
    if (std::uint64_t{layout.lines_after} * first.stride > size - end)
        return lie(text::format("{} lines of {} bytes do not fit behind the picture, which ends at {} of {}",
                                layout.lines_after, first.stride, end, size));
    if (layout.rows != 0 && (layout.rows < layout.height || std::uint64_t{layout.rows} * first.stride > size))
        return lie(text::format("{} padded rows are fewer than the {} of the picture, or more than its memory holds",
                                layout.rows, layout.height));
    return {};
}

struct Span {
    std::uint64_t first;
    std::uint64_t end;
};

/// Where the rows of a plane lie in each column, if the image is stored in columns that have each row of
/// every plane; otherwise where the plane lies in its memory. `layout` is valid.
std::optional<Span> place_of(const Layout& layout, const FormatInfo& info, std::uint32_t index)
{
    const Plane& plane = layout.planes[index];
    const std::uint64_t width = column_bytes(layout.modifier);
    const std::uint64_t column = width * column_height(layout.modifier);
    if (column == 0 || index >= info.plane_count)
        return Span{plane.offset, plane.offset + plane.size};
    const std::uint64_t first = plane.offset % column;
    const std::uint64_t rows = width * plane_rows(info, index, layout.height);
    const std::uint64_t columns = (min_stride(info, index, layout.width) + width - 1) / width;
    const checked::Number all = checked::add(checked::multiply(columns - 1, column), rows);
    if (rows > column - first || !all || *all > plane.size)
        return std::nullopt;
    return Span{first, first + rows};
}

/// Refuses planes of an explicit modifier that cannot be as they are said to be. `layout` is valid, and each
/// of its memories is another dma-buf.
Status check_tiles(const Layout& layout)
{
    const FormatInfo* info = format_info(layout.format);
    if (info == nullptr || layout.modifier == linear || layout.modifier == implicit_modifier)
        return {};
    std::array<Span, max_planes> places{};
    const bool has_each_pixel = classify(layout.modifier) == ModifierClass::tiled;
    for (std::uint32_t i = 0; i < layout.plane_count; ++i) {
        const Plane& plane = layout.planes[i];
        if (plane.size == 0 || plane.stride == 0)
            return lie(text::format("plane {} has {} bytes and a stride of {}", i, plane.size, plane.stride));
        if (has_each_pixel && i < info->plane_count) {
            const checked::Number least =
                checked::multiply(min_stride(*info, i, layout.width), plane_rows(*info, i, layout.height));
            if (!least || *least > plane.size)
                return lie(text::format("plane {} has {} bytes, and its pixels alone need {}", i, plane.size,
                                        least.value_or(UINT64_MAX)));
        }
        const auto place = place_of(layout, *info, i);
        if (!place)
            return lie(text::format("plane {} at {} with {} bytes does not fit into its columns", i, plane.offset,
                                    plane.size));
        places.at(i) = *place;
        for (std::uint32_t other = 0; other < i; ++other) {
            const Plane& before = layout.planes[other];
            if (before.memory == plane.memory && places.at(other).first < place->end &&
                place->first < places.at(other).end)
                return lie(text::format("plane {} at {} and plane {} at {} lie on top of each other", other,
                                        before.offset, i, plane.offset));
        }
    }
    return {};
}

} // namespace

Result<Buffer> admit(ForeignBuffer given, const ForeignLimits& limits)
{
    // An argument may live on in the caller; the descriptors of a lie are closed now.
    ForeignBuffer foreign = std::move(given);
    if (const Status allowed = within(limits, foreign); !allowed)
        return allowed.error();
    for (const UniqueFd& memory : foreign.memories) {
        const auto known = os::is_dma_buf(memory.get());
        if (!known)
            return known.error();
        if (!*known)
            return lie(text::format("descriptor {} is not a dma-buf", memory.get()));
    }
    auto buffer = make_buffer(foreign.layout, std::move(foreign.memories), {}, {});
    if (!buffer)
        return buffer;
    const auto& memories = buffer->state().memories();
    checked::Number bytes = 0;
    for (auto memory = memories.begin(); memory != memories.end(); ++memory) {
        if (std::ranges::find(memories.begin(), memory, memory->id, &BufferState::Memory::id) == memory)
            bytes = checked::add(bytes, memory->size);
    }
    if (!bytes || *bytes > limits.max_bytes)
        return lie("its memories are larger than allowed").with_sizes(bytes.value_or(UINT64_MAX), limits.max_bytes);
    if (const Status lines = check_lines(foreign.layout); !lines)
        return lines.error();
    if (const Status tiles = check_tiles(by_dma_buf(foreign.layout, memories)); !tiles)
        return tiles.error();
    buffer->state().share();
    return buffer;
}

Result<Fence> admit_fence(UniqueFd given)
{
    UniqueFd sync_file = std::move(given);
    constexpr const char* accept = "accept a fence from outside";
    const auto anonymous = os::is_anonymous(sync_file.get());
    if (!anonymous)
        return anonymous.error();
    if (!*anonymous)
        return Error::invalid_argument(accept, text::format("descriptor {} is not a sync_file", sync_file.get()));
    return Fence::from_fd(std::move(sync_file));
}

Result<Layout> foreign_layout(Format format, std::uint32_t width, std::uint32_t height,
                              std::span<const ForeignPlane> planes, std::span<const std::uint64_t> sizes)
{
    const FormatInfo* info = format_info(format);
    if (info == nullptr)
        return Error::unsupported(operation,
                                  text::format("the library does not know the format {}", to_string(format)));
    if (planes.empty() || planes.size() > max_planes || sizes.empty() || sizes.size() > max_planes)
        return lie(
            text::format("{} planes in {} memories are not between 1 and {}", planes.size(), sizes.size(), max_planes));
    Layout layout;
    layout.format = format;
    layout.modifier = planes.front().modifier;
    layout.width = width;
    layout.height = height;
    layout.plane_count = static_cast<std::uint32_t>(planes.size());
    layout.memory_count = static_cast<std::uint32_t>(sizes.size());
    for (std::size_t i = 0; i < planes.size(); ++i) {
        const ForeignPlane& plane = planes[i];
        if (plane.modifier != layout.modifier)
            return lie(text::format("plane {} has the modifier {}, and plane 0 has {}", i, to_string(plane.modifier),
                                    to_string(layout.modifier)));
        if (plane.memory >= sizes.size())
            return lie(text::format("plane {} is in memory {} of {}", i, plane.memory, sizes.size()));
        std::uint64_t end = sizes[plane.memory];
        for (const ForeignPlane& other : planes) {
            if (other.memory == plane.memory && other.offset > plane.offset)
                end = std::min(end, other.offset);
        }
        std::uint64_t size = end > plane.offset ? end - plane.offset : 0;
        if (layout.modifier == linear && i < info->plane_count && height != 0) {
            // The rows of another plane may lie between these, and the last row may end before its stride does.
            const std::uint64_t rows = plane_rows(*info, i, height);
            const checked::Number used =
                checked::add(checked::multiply(plane.stride, rows - 1), min_stride(*info, i, width));
            if (!used)
                return lie(text::format("the rows of plane {} overflow 64 bits", i));
            size = std::max(*used, std::min(size, plane.stride * rows));
        }
        layout.planes[i] = {plane.memory, plane.stride, plane.offset, size};
        if (layout.modifier != linear)
            layout.memory_sizes[plane.memory] = sizes[plane.memory];
        else if (const checked::Number last = checked::add(plane.offset, size); last)
            layout.memory_sizes[plane.memory] = std::max(layout.memory_sizes[plane.memory], *last);
        else
            return lie(text::format("plane {} at {} with {} bytes overflows 64 bits", i, plane.offset, size));
    }
    return layout;
}

Result<std::vector<FormatModifier>> common_formats(std::span<const Use> uses, const Request& request)
{
    if (uses.empty())
        return Error::invalid_argument("list formats", "there is no use", "name at least one device");
    const auto wanted = request.formats();
    std::vector<FormatModifier> common;
    for (const Use& use : uses) {
        const auto support = use.importer().support(request);
        if (!support)
            return support.error();
        std::vector<FormatModifier> own;
        for (const Support::Entry& entry : (*support)->entries) {
            if (std::ranges::find(wanted, entry.format) != wanted.end())
                own.push_back({entry.format, entry.modifier});
        }
        std::ranges::sort(own);
        own.erase(std::unique(own.begin(), own.end()), own.end());
        if (&use == &uses.front()) {
            common = std::move(own);
            continue;
        }
        std::vector<FormatModifier> both;
        std::ranges::set_intersection(common, own, std::back_inserter(both));
        common = std::move(both);
    }
    if (common.empty())
        return Error::incompatible("list formats", "the uses have no format and modifier in common");
    return common;
}

} // namespace commonbuf
