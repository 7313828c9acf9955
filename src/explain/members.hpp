// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/explain.hpp>

#include <concepts>
#include <type_traits>

/// The members of each structure in JSON, in their order. One description serves for writing and for
/// reading; docs/plan.schema.json describes the same for others. `json` is one of the two:
///
///     json("width", layout.width);          a member
///     json.or_null("call", verdict.call);   null stands for the default: no text, no limit
///     json.if_any("rows", layout.rows);     left out if it is 0
///     json.derived("message", ...);         follows from the others: written, and not read
///     json.derived("answer");               likewise; who writes the whole document fills it in
namespace commonbuf::explain {

template <typename T, typename Object>
concept Is = std::same_as<std::remove_const_t<T>, Object>;

void members(auto& json, Is<Error> auto& error)
{
    json("category", error.category);
    json.or_null("call", error.call);
    json.or_null("target", error.target);
    json.or_null("operation", error.operation);
    json.error_number("errno", error.sys_errno);
    json("needed", error.needed);
    json("offered", error.offered);
    json.or_null("detail", error.detail);
    json.or_null("advice", error.advice);
    json.derived("message", [&error] { return error.message(); });
}

void members(auto& json, Is<Verdict> auto& verdict)
{
    json("verdict", verdict.outcome);
    json.or_null("call", verdict.call);
    json("category", verdict.category);
    json.error_number("errno", verdict.sys_errno);
    json("constraint", verdict.constraint);
    json.or_null("reason", verdict.reason);
    json("needed", verdict.needed);
    json("offered", verdict.offered);
}

void members(auto& json, Is<UseVerdict> auto& use)
{
    json("use", use.use);
    members(json, use.verdict);
}

void members(auto& json, Is<Modifier> auto& modifier)
{
    json.derived("modifier", [&modifier] { return to_string(modifier); });
    json("modifier_value", modifier);
}

void members(auto& json, Is<Plane> auto& plane)
{
    json("memory", plane.memory);
    json("offset", plane.offset);
    json("stride", plane.stride);
    json("size", plane.size);
}

void members(auto& json, Is<Layout> auto& layout)
{
    json("format", layout.format);
    members(json, layout.modifier);
    json("width", layout.width);
    json("height", layout.height);
    json.counted("planes", layout.planes, layout.plane_count);
    json.counted("memories", layout.memory_sizes, layout.memory_count);
    json.if_any("lines_before", layout.lines_before);
    json.if_any("lines_after", layout.lines_after);
    json.if_any("rows", layout.rows);
}

void members(auto& json, Is<LayoutVerdict> auto& layout)
{
    json("layout", layout.layout);
    json("use", layout.use);
    members(json, layout.verdict);
}

void members(auto& json, Is<Origin> auto& origin)
{
    json("constraint", origin.constraint);
    json("value", origin.value);
    json("device", origin.device);
    json("call", origin.call);
}

void members(auto& json, Is<Constraints> auto& asked)
{
    const Constraints nothing;
    json("stride_align", asked.stride_align);
    json("min_stride", asked.min_stride);
    json.or_null("max_stride", asked.max_stride, nothing.max_stride);
    json("height_align", asked.height_align);
    json("offset_align", asked.offset_align);
    json("size_align", asked.size_align);
    json("min_size", asked.min_size);
    json.or_null("max_size", asked.max_size, nothing.max_size);
    json("contiguous", asked.contiguous);
    json("address_bits", asked.address_bits);
    json("cached", asked.cached);
    json("protected", asked.protected_memory);
    json("origins", asked.origins);
}

void members(auto& json, Is<MemoryProperties> auto& memory)
{
    json("contiguous", memory.contiguous);
    json("cached", memory.cached);
    json("protected", memory.protected_memory);
    json("address_bits", memory.address_bits);
}

void members(auto& json, Is<HeapInfo> auto& heap)
{
    json("name", heap.name);
    json("kind", heap.kind);
    json("path", heap.path);
    json("scarce", heap.scarce);
    json("memory", heap.memory);
    json.or_null("same_as", heap.same_as);
    json("obstacle", heap.obstacle);
}

void members(auto& json, Is<HeapVerdict> auto& heap)
{
    members(json, heap.heap);
    members(json, heap.verdict);
    json("uses", heap.uses);
    json("below_by", heap.below_by);
    json.derived("why_below");
    json("preference", heap.preference);
    json("cpu_time_ns", heap.cpu_time);
}

void members(auto& json, Is<Arrangement> auto& arrangement)
{
    json("format", arrangement.format);
    members(json, arrangement.modifier);
    json("memories", arrangement.memories);
}

void members(auto& json, Is<CpuCost> auto& cost)
{
    json("heap", cost.heap);
    json("bytes", cost.bytes);
    json("read_ns_per_mib", cost.read);
    json("write_ns_per_mib", cost.write);
    json("read_bracket_ns", cost.read_bracket);
    json("write_bracket_ns", cost.write_bracket);
}

void members(auto& json, Is<Preferences> auto& preferences)
{
    json("prefer", preferences.prefer);
    json("forbid", preferences.forbid);
    json("fall_back", preferences.fall_back);
    json("constraints", preferences.constraints);
    json("cpu_costs", preferences.cpu_costs);
}

void members(auto& json, Is<ResolvedPurpose> auto& purpose)
{
    json("purpose", purpose.purpose);
    json("uses", purpose.uses);
    json("left_out", purpose.left_out);
}

void members(auto& json, Is<NearestConversion::Lacking> auto& lacking)
{
    json("use", lacking.use);
    json("has", lacking.has);
}

void members(auto& json, Is<NearestConversion> auto& nearest)
{
    json("arrangement", nearest.arrangement);
    json("taken_by", nearest.taken_by);
    json("lacking", nearest.lacking);
    json.derived("text");
}

void members(auto& json, Is<CpuCostEffect> auto& effect)
{
    json("kind", effect.kind);
    json("access", effect.access);
    json.or_null("without", effect.without);
    json.derived("text");
}

void members(auto& json, Is<Request> auto& request)
{
    json("format", request.format);
    json("width", request.width);
    json("height", request.height);
    json("count", request.count);
    json("lines_before", request.lines_before);
    json("lines_after", request.lines_after);
    json("alternatives", request.alternatives);
}

void members(auto& json, Is<Report> auto& report)
{
    json.derived("schema", [] { return json_schema; });
    json.derived("answer");
    json("request", report.request); // with the names of the uses
    json("preferences", report.preferences);
    json("purposes", report.purposes);
    json.derived("chosen");
    json("layout", report.layout);
    json("constraints", report.constraints);
    json("heaps", report.heaps);
    json("layouts_set_aside", report.set_aside);
    json("uses_not_served", report.not_served);
    json("nearest", report.nearest);
    json("cpu_cost_effect", report.cpu_cost_effect);
    json.derived("error");
}

} // namespace commonbuf::explain
