// SPDX-License-Identifier: MIT
#include "scale.hpp"

#include <algorithm>
#include <limits>

namespace replay {
namespace {

constexpr std::uint64_t divide_up(std::uint64_t value, std::uint64_t by) { return (value + by - 1) / by; }
constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t step) { return divide_up(value, step) * step; }

/// In 32 bits, or the most that they hold.
std::uint32_t narrowed(std::uint64_t value)
{
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(value, std::numeric_limits<std::uint32_t>::max()));
}

/// The least power of two to which rows were rounded to give a stride; 0 for none.
std::uint64_t rounding(std::uint64_t row, std::uint64_t stride)
{
    for (std::uint64_t step = 1; step <= stride; step *= 2) {
        if (round_up(row, step) == stride)
            return step;
    }
    return 0;
}

void replace_origin(cb::Constraints& constraints, cb::Constraint member, std::optional<std::uint64_t> value)
{
    std::optional<cb::Origin> first;
    std::erase_if(constraints.origins, [&](const cb::Origin& origin) {
        if (origin.constraint != member)
            return false;
        first = first.value_or(origin);
        return true;
    });
    if (first && value) {
        first->value = *value;
        first->call += ", scaled";
        constraints.add_origin(std::move(*first));
    }
}

/// A driver's own stride at another width; nothing where it only follows from the image.
std::optional<std::uint32_t> stride_at(const cb::Constraints& measured, std::uint32_t measured_width,
                                       const cb::Request& request)
{
    const cb::FormatInfo* info = cb::format_info(request.format);
    if (info == nullptr)
        return narrowed(round_up(divide_up(std::uint64_t{measured.min_stride} * request.width, measured_width),
                                 measured.stride_align));
    const bool its_own = measured.max_stride == measured.min_stride;
    const std::uint64_t step = rounding(cb::min_stride(*info, 0, measured_width), measured.min_stride);
    if (!its_own || step == 0)
        return std::nullopt;
    return narrowed(round_up(cb::min_stride(*info, 0, request.width), step));
}

} // namespace

cb::Constraints scaled(const cb::Constraints& measured, Size at, const cb::Request& request)
{
    cb::Constraints asked = measured;
    if (request.width == at.width && request.height == at.height)
        return asked;
    if (measured.min_stride != 0) {
        const bool its_own = measured.max_stride == measured.min_stride;
        const auto stride = stride_at(measured, at.width, request);
        asked.min_stride = stride.value_or(0);
        replace_origin(asked, cb::Constraint::min_stride, stride);
        if (its_own) {
            asked.max_stride = stride.value_or(cb::Constraints{}.max_stride);
            replace_origin(asked, cb::Constraint::max_stride, stride);
        }
    }
    if (measured.min_size != 0) {
        // Of pixels the layout tells the size; of what is opaque only the driver did.
        std::optional<std::uint64_t> size;
        const std::uint64_t pixels = std::uint64_t{request.width} * request.height;
        if (cb::is_opaque(request.format))
            size = std::min<std::uint64_t>(measured.min_size, 1U << 30U) * pixels / at.width / at.height + 1;
        asked.min_size = size.value_or(0);
        replace_origin(asked, cb::Constraint::min_size, size);
    }
    return asked;
}

cb::Result<cb::Layout> tiled_layout(const SupportRecord& record, cb::Modifier modifier, const cb::Request& request)
{
    const cb::FormatInfo* info = cb::format_info(request.format);
    cb::Layout layout;
    layout.format = request.format;
    layout.modifier = modifier;
    layout.width = request.width;
    layout.height = request.height;
    layout.plane_count = static_cast<std::uint32_t>(record.planes.size());
    layout.memory_count = 1;
    std::uint64_t end = 0;
    std::uint64_t first_rows = 0;
    for (std::size_t i = 0; i < record.planes.size(); ++i) {
        const PlaneRule& rule = record.planes[i];
        const bool pixels = i < info->plane_count;
        const std::uint64_t bytes =
            pixels ? cb::min_stride(*info, i, request.width) : divide_up(layout.planes[0].stride, rule.stride_divisor);
        const std::uint64_t rows =
            pixels ? cb::plane_rows(*info, i, request.height) : divide_up(first_rows, rule.rows_divisor);
        const std::uint64_t stride = round_up(bytes, rule.stride_align);
        const std::uint64_t padded = round_up(rows, rule.rows_align);
        if (stride > std::numeric_limits<std::uint32_t>::max())
            return cb::Error::unsupported("lay out a tiled image", "a row has more than 4 GiB");
        first_rows = i == 0 ? padded : first_rows;
        end = round_up(end, record.plane_align);
        layout.planes[i] = {0, static_cast<std::uint32_t>(stride), end, stride * padded};
        end += stride * padded;
    }
    layout.memory_sizes[0] = round_up(end, record.plane_align);
    return layout;
}

} // namespace replay
