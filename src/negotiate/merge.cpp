// SPDX-License-Identifier: MIT
#include "format/checked.hpp"
#include "text/text.hpp"

#include <commonbuf/constraints.hpp>

#include <algorithm>
#include <iterator>
#include <string_view>

namespace commonbuf {
namespace {

/// "4096 by drm:/dev/dri/card0:scanout, 5120 by ...", for one member of the constraints.
std::string who_asked(const std::vector<Origin>& origins, std::string_view constraint)
{
    std::string text;
    for (const Origin& origin : origins) {
        if (origin.constraint == constraint)
            text += text::format("{}{} by {} ({})", text.empty() ? "" : ", ", origin.value, origin.device, origin.call);
    }
    return text;
}

std::string describe(const Constraints& constraints)
{
    return text::format("strides from {} to {} in steps of {} (least: {}; most: {}; steps: {})", constraints.min_stride,
                        constraints.max_stride, constraints.stride_align, who_asked(constraints.origins, "min_stride"),
                        who_asked(constraints.origins, "max_stride"), who_asked(constraints.origins, "stride_align"));
}

} // namespace

void Constraints::add_origin(Origin origin)
{
    const auto place = std::lower_bound(origins.begin(), origins.end(), origin);
    if (place == origins.end() || *place != origin)
        origins.insert(place, std::move(origin));
}

Result<Constraints> merge(const Constraints& a, const Constraints& b)
{
    Constraints both;
    both.min_stride = std::max(a.min_stride, b.min_stride);
    both.max_stride = std::min(a.max_stride, b.max_stride);
    both.contiguous = a.contiguous || b.contiguous;
    std::set_union(a.origins.begin(), a.origins.end(), b.origins.begin(), b.origins.end(),
                   std::back_inserter(both.origins));

    const checked::Number stride = checked::common_multiple(a.stride_align, b.stride_align);
    const checked::Number height = checked::common_multiple(a.height_align, b.height_align);
    const checked::Number size = checked::common_multiple(a.size_align, b.size_align);
    constexpr auto limit = std::numeric_limits<std::uint32_t>::max();
    if (!stride || *stride > limit || !height || *height > limit || !size)
        return fail(Category::invalid_argument, "merge constraints",
                    text::format("an alignment is 0, or all of them together overflow (strides: {}; rows: {}; "
                                 "sizes: {})",
                                 who_asked(both.origins, "stride_align"), who_asked(both.origins, "height_align"),
                                 who_asked(both.origins, "size_align")));
    both.stride_align = static_cast<std::uint32_t>(*stride);
    both.height_align = static_cast<std::uint32_t>(*height);
    both.size_align = *size;

    if (const auto fits = fit_stride(both, both.min_stride); !fits)
        return fail(fits.error());
    return both;
}

Result<std::uint32_t> fit_stride(const Constraints& constraints, std::uint64_t wanted)
{
    const std::uint64_t least = std::max<std::uint64_t>(wanted, constraints.min_stride);
    const checked::Number stride = checked::round_up(least, constraints.stride_align);
    if (!stride || *stride > constraints.max_stride)
        return fail(Category::incompatible, text::format("find a stride of at least {}", wanted),
                    "the uses agree on none: " + describe(constraints));
    return static_cast<std::uint32_t>(*stride);
}

} // namespace commonbuf
