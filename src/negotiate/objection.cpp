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
        return Objection{constraint, text::format("{}, asked by {}", what, asked_by(constraints, constraint)), true};
    };
    const bool opaque = is_opaque(layout.format);
    const bool rows = (layout.modifier == linear || opaque) && layout.plane_count > 0 && layout.planes[0].stride != 0;
    const std::uint32_t stride = layout.planes[0].stride;
    if (const std::uint64_t padded = rows && !opaque ? (layout.planes[0].size + stride - 1) / stride : 0;
        padded % constraints.height_align != 0)
        return against(Constraint::height_align,
                       text::format("{} rows are no multiple of {}", padded, constraints.height_align));
    if (rows && stride % constraints.stride_align != 0)
        return against(Constraint::stride_align,
                       text::format("a stride of {} is no multiple of {}", stride, constraints.stride_align));
    if (rows && stride < constraints.min_stride)
        return against(Constraint::min_stride,
                       text::format("a stride of {} is below {}", stride, constraints.min_stride));
    if (rows && stride > constraints.max_stride)
        return against(Constraint::max_stride,
                       text::format("a stride of {} is above {}", stride, constraints.max_stride));
    for (const Plane& plane : layout.used_planes()) {
        if (plane.offset % constraints.offset_align != 0)
            return against(Constraint::offset_align, text::format("a plane at {} is not at a multiple of {}",
                                                                  plane.offset, constraints.offset_align));
    }
    for (const std::uint64_t size : layout.used_memories()) {
        if (size % constraints.size_align != 0)
            return against(Constraint::size_align,
                           text::format("{} bytes are no multiple of {}", size, constraints.size_align));
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
    std::optional<Objection> open;
    const auto against = [&](Constraint constraint, bool certain, std::string what) {
        Objection result{constraint, text::format("{}, asked by {}", what, asked_by(constraints, constraint)), certain};
        if (!certain && !open)
            open = result;
        return result;
    };
    if (constraints.contiguous && memory.contiguous != true) {
        const auto found = against(Constraint::contiguous, memory.contiguous.has_value(),
                                   memory.contiguous ? "the memory is scattered, and must be contiguous"
                                                     : "whether the memory is contiguous is not known");
        if (found.certain)
            return found;
    }
    if (constraints.address_bits < 64U && memory.address_bits.value_or(UINT32_MAX) > constraints.address_bits) {
        const auto found =
            against(Constraint::address_bits, memory.address_bits.has_value(),
                    memory.address_bits
                        ? text::format("addresses have up to {} bits, and may have {}", *memory.address_bits,
                                       constraints.address_bits)
                        : text::format("whether addresses are within {} bits is not known", constraints.address_bits));
        if (found.certain)
            return found;
    }
    struct Property {
        Constraint name;
        Choice asked;
        std::optional<bool> value;
    };
    for (const Property& property :
         {Property{Constraint::cached, constraints.cached, memory.cached},
          Property{Constraint::protected_memory, constraints.protected_memory, memory.protected_memory}}) {
        if (property.asked == Choice::either || (property.value && allowed(property.asked, *property.value)))
            continue;
        const auto found = against(
            property.name, property.value.has_value(),
            property.value ? text::format("the memory is {}{}", *property.value ? "" : "not ", to_string(property.name))
                           : text::format("whether the memory is {} is not known", to_string(property.name)));
        if (found.certain)
            return found;
    }
    return open;
}

Verdict to_verdict(const Objection& objection)
{
    Verdict verdict;
    verdict.outcome = objection.certain ? Outcome::refused : Outcome::accepted;
    if (objection.certain)
        verdict.category = Category::incompatible;
    verdict.constraint = objection.constraint;
    verdict.reason = objection.reason;
    return verdict;
}

} // namespace commonbuf::negotiate
