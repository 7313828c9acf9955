// SPDX-License-Identifier: MIT
#include "negotiate/objection.hpp"

#include "base/text.hpp"

#include <vector>

namespace commonbuf::negotiate {
namespace {

std::string asked_by(const Constraints& constraints, Constraint constraint)
{
    std::vector<std::string> who;
    for (const Origin& origin : constraints.origins) {
        if (origin.constraint == constraint)
            who.push_back(text::format("{} ({})", origin.device, origin.call));
    }
    return who.empty() ? "somebody" : text::join(who, ", ");
}

/// Whether `value` is what `choice` allows.
bool allowed(Choice choice, bool value)
{
    return (choice & (value ? Choice::with : Choice::without)) != Choice::neither;
}

} // namespace

std::optional<Objection> objection(const Layout& layout, const Constraints& constraints)
{
    const auto against = [&constraints](Constraint constraint, std::string what) {
        return Objection{constraint, text::format("{}, asked by {}", what, asked_by(constraints, constraint))};
    };
    const bool opaque = is_opaque(layout.format);
    const std::uint32_t stride = layout.planes[0].stride;
    if ((layout.modifier == linear || opaque) && layout.plane_count > 0 && stride != 0) {
        const std::uint64_t rows = opaque ? 0 : (layout.planes[0].size + stride - 1) / stride;
        if (rows % constraints.height_align != 0)
            return against(Constraint::height_align,
                           text::format("{} rows are not a multiple of {}", rows, constraints.height_align));
        if (stride % constraints.stride_align != 0)
            return against(Constraint::stride_align,
                           text::format("a stride of {} is not a multiple of {}", stride, constraints.stride_align));
        if (stride < constraints.min_stride)
            return against(Constraint::min_stride,
                           text::format("a stride of {} is below {}", stride, constraints.min_stride));
        if (stride > constraints.max_stride)
            return against(Constraint::max_stride,
                           text::format("a stride of {} is above {}", stride, constraints.max_stride));
    }
    for (const Plane& plane : layout.used_planes()) {
        if (plane.offset % constraints.offset_align != 0)
            return against(Constraint::offset_align, text::format("a plane at {} is not at a multiple of {}",
                                                                  plane.offset, constraints.offset_align));
    }
    for (const std::uint64_t size : layout.used_memories()) {
        if (size % constraints.size_align != 0)
            return against(Constraint::size_align,
                           text::format("{} bytes are not a multiple of {}", size, constraints.size_align));
        if (size < constraints.min_size)
            return against(Constraint::min_size,
                           text::format("{} bytes are fewer than {}", size, constraints.min_size));
        if (size > constraints.max_size)
            return against(Constraint::max_size, text::format("{} bytes are more than {}", size, constraints.max_size));
    }
    return std::nullopt;
}

std::optional<Objection> objection(const MemoryProperties& memory, const Constraints& constraints)
{
    std::optional<Objection> first_uncertain;
    std::optional<Objection> first_certain;
    const auto object = [&](Constraint constraint, bool certain, std::string what) {
        auto& first = certain ? first_certain : first_uncertain;
        if (!first)
            first = {constraint, text::format("{}, asked by {}", what, asked_by(constraints, constraint)), certain};
    };
    if (constraints.contiguous && memory.contiguous != true)
        object(Constraint::contiguous, memory.contiguous.has_value(),
               memory.contiguous ? "the memory is scattered, and must be contiguous"
                                 : "whether the memory is contiguous is not known");
    if (constraints.address_bits < 64U && memory.address_bits.value_or(UINT32_MAX) > constraints.address_bits)
        object(Constraint::address_bits, memory.address_bits.has_value(),
               memory.address_bits
                   ? text::format("addresses have up to {} bits, and may have {}", *memory.address_bits,
                                  constraints.address_bits)
                   : text::format("whether addresses are within {} bits is not known", constraints.address_bits));
    const auto check = [&object](Constraint name, Choice asked, std::optional<bool> value) {
        if (asked == Choice::either || (value && allowed(asked, *value)))
            return;
        object(name, value.has_value(),
               value ? text::format("the memory is {}{}", *value ? "" : "not ", to_string(name))
                     : text::format("whether the memory is {} is not known", to_string(name)));
    };
    check(Constraint::cached, constraints.cached, memory.cached);
    check(Constraint::protected_memory, constraints.protected_memory, memory.protected_memory);
    return first_certain ? first_certain : first_uncertain;
}

Verdict to_verdict(const Objection& objection)
{
    return {.outcome = objection.certain ? Outcome::refused : Outcome::accepted,
            .category = objection.certain ? std::optional(Category::incompatible) : std::nullopt,
            .constraint = objection.constraint,
            .reason = objection.reason};
}

} // namespace commonbuf::negotiate
