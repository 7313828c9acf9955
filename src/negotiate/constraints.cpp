// SPDX-License-Identifier: MIT
#include "base/names.hpp"
#include "base/text.hpp"
#include "format/checked.hpp"

#include <commonbuf/constraints.hpp>

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>

namespace commonbuf {
namespace {

/// "4096 by drm:/dev/dri/card0:scanout, 5120 by ...", for one member of the constraints.
std::string who_asked(const std::vector<Origin>& origins, Constraint constraint)
{
    std::string text;
    for (const Origin& origin : origins) {
        if (origin.constraint == constraint)
            text += text::format("{}{} by {} ({})", text.empty() ? "" : ", ", origin.value, origin.device, origin.call);
    }
    return text;
}

/// One of the quantities that have a range and steps.
struct Range {
    const char* what;
    std::uint64_t min;
    std::uint64_t max;
    std::uint64_t align;
    Constraint of_min;
    Constraint of_max;
    Constraint of_align;
};

/// Finds the smallest value in a range that is at least `wanted`. Errors: incompatible.
Result<std::uint64_t> fit(const Range& range, std::uint64_t wanted, const std::vector<Origin>& origins)
{
    const checked::Number value = checked::round_up(std::max(wanted, range.min), range.align);
    if (value && *value <= range.max)
        return *value;
    return Error::incompatible(
        text::format("find a {} of at least {} bytes", range.what, wanted),
        text::format("the uses agree on none: {}s from {} to {} in steps of {} (min: {}; max: {}; steps: {})",
                     range.what, range.min, range.max, range.align, who_asked(origins, range.of_min),
                     who_asked(origins, range.of_max), who_asked(origins, range.of_align)));
}

/// Errors: incompatible, if one wants memory with a property and another one without.
Status check_choice(Choice choice, Constraint name, const std::vector<Origin>& origins)
{
    if (choice != Choice::neither)
        return {};
    return Error::incompatible("merge constraints",
                               text::format("the uses agree on no memory: some want it {}, some do not ({})",
                                            to_string(name), who_asked(origins, name)));
}

constexpr auto names = std::to_array<std::pair<Constraint, std::string_view>>({
    {Constraint::address_bits, "address_bits"},
    {Constraint::cached, "cached"},
    {Constraint::contiguous, "contiguous"},
    {Constraint::height_align, "height_align"},
    {Constraint::max_size, "max_size"},
    {Constraint::max_stride, "max_stride"},
    {Constraint::min_size, "min_size"},
    {Constraint::min_stride, "min_stride"},
    {Constraint::offset_align, "offset_align"},
    {Constraint::protected_memory, "protected"},
    {Constraint::size_align, "size_align"},
    {Constraint::stride_align, "stride_align"},
});

} // namespace

std::string_view to_string(Constraint constraint) noexcept { return name_of(names, constraint); }
std::optional<Constraint> parse_constraint(std::string_view name) noexcept { return parse_name(names, name); }

std::string_view to_string(Choice choice) noexcept
{
    switch (choice) {
    case Choice::neither: return "neither";
    case Choice::without: return "without";
    case Choice::with: return "with";
    case Choice::either: break;
    }
    return "either";
}

const Constraints& SharedConstraints::operator*() const noexcept
{
    static const Constraints nothing;
    return value_ != nullptr ? *value_ : nothing;
}

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
    both.min_size = std::max(a.min_size, b.min_size);
    both.max_size = std::min(a.max_size, b.max_size);
    both.contiguous = a.contiguous || b.contiguous;
    both.address_bits = std::min(a.address_bits, b.address_bits);
    both.cached = a.cached & b.cached;
    both.protected_memory = a.protected_memory & b.protected_memory;
    std::set_union(a.origins.begin(), a.origins.end(), b.origins.begin(), b.origins.end(),
                   std::back_inserter(both.origins));

    const checked::Number stride = checked::common_multiple(a.stride_align, b.stride_align);
    const checked::Number height = checked::common_multiple(a.height_align, b.height_align);
    const checked::Number offset = checked::common_multiple(a.offset_align, b.offset_align);
    const checked::Number size = checked::common_multiple(a.size_align, b.size_align);
    constexpr auto limit = std::numeric_limits<std::uint32_t>::max();
    if (!stride || *stride > limit || !height || *height > limit || !offset || !size)
        return Error::invalid_argument(
            "merge constraints",
            text::format(
                "an alignment is 0, or all of them together overflow (strides: {}; rows: {}; "
                "offsets: {}; sizes: {})",
                who_asked(both.origins, Constraint::stride_align), who_asked(both.origins, Constraint::height_align),
                who_asked(both.origins, Constraint::offset_align), who_asked(both.origins, Constraint::size_align)));
    both.stride_align = static_cast<std::uint32_t>(*stride);
    both.height_align = static_cast<std::uint32_t>(*height);
    both.offset_align = *offset;
    both.size_align = *size;

    if (const auto fits = fit_stride(both, both.min_stride); !fits)
        return fits.error();
    if (const auto fits = fit_size(both, both.min_size); !fits)
        return fits.error();
    if (const Status agreed = check_choice(both.cached, Constraint::cached, both.origins); !agreed)
        return agreed.error();
    if (const Status agreed = check_choice(both.protected_memory, Constraint::protected_memory, both.origins); !agreed)
        return agreed.error();
    return both;
}

Result<std::uint32_t> fit_stride(const Constraints& constraints, std::uint64_t wanted)
{
    const auto stride = fit({"stride", constraints.min_stride, constraints.max_stride, constraints.stride_align,
                             Constraint::min_stride, Constraint::max_stride, Constraint::stride_align},
                            wanted, constraints.origins);
    if (!stride)
        return stride.error();
    return static_cast<std::uint32_t>(*stride);
}

Result<std::uint64_t> fit_size(const Constraints& constraints, std::uint64_t wanted)
{
    return fit({"size", constraints.min_size, constraints.max_size, constraints.size_align, Constraint::min_size,
                Constraint::max_size, Constraint::size_align},
               wanted, constraints.origins);
}

} // namespace commonbuf
