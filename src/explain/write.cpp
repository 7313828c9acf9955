// SPDX-License-Identifier: MIT
//
// Values as JSON. docs/plan.schema.json describes every member.
#include "base/text.hpp"
#include "explain/explain.hpp"
#include "explain/json.hpp"

#include <commonbuf/explain.hpp>

#include <nlohmann/json.hpp>

#include <limits>

namespace commonbuf {
namespace explain {

std::string spell(Format format)
{
    std::string name = to_string(format);
    if (parse_format(name) == format)
        return name;
    return text::format("{}{:#010x}", format.is_v4l2 ? "v4l2:" : "", format.fourcc);
}

std::string spell(Modifier modifier) { return text::format("{:#x}", modifier.value); }

} // namespace explain

namespace {

using Json = nlohmann::ordered_json;
using explain::spell;

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json errno_or_null(int error) { return error == 0 ? Json(nullptr) : Json(errno_name(error)); }

template <typename Value>
Json known(const std::optional<Value>& value)
{
    return value ? Json(*value) : Json(nullptr);
}

/// The name of a value, as to_string() gives it.
template <typename Value>
Json name_or_null(const std::optional<Value>& value)
{
    return value ? Json(to_string(*value)) : Json(nullptr);
}

/// A number that asks for nothing if it is the largest of its type.
template <typename Number>
Json limit_or_null(Number limit)
{
    return limit == std::numeric_limits<Number>::max() ? Json(nullptr) : Json(limit);
}

const char* name(Memories memories) { return memories == Memories::single ? "single" : "per-plane"; }

template <typename Values, typename Write>
Json list(const Values& values, Write write)
{
    Json array = Json::array();
    for (const auto& value : values)
        array.push_back(write(value));
    return array;
}

Json write(const Error& error)
{
    return {
        {"category", to_string(error.category)},   {"call", text_or_null(error.call)},
        {"target", text_or_null(error.target)},    {"operation", text_or_null(error.operation)},
        {"errno", errno_or_null(error.sys_errno)}, {"needed", known(error.needed)},
        {"offered", known(error.offered)},         {"detail", text_or_null(error.detail)},
        {"advice", text_or_null(error.advice)},    {"message", error.message()},
    };
}

void add(Json& object, const Verdict& verdict)
{
    object["verdict"] = to_string(verdict.outcome);
    object["call"] = text_or_null(verdict.call);
    object["category"] = name_or_null(verdict.category);
    object["errno"] = errno_or_null(verdict.sys_errno);
    object["constraint"] = name_or_null(verdict.constraint);
    object["reason"] = text_or_null(verdict.reason);
    object["needed"] = known(verdict.needed);
    object["offered"] = known(verdict.offered);
}

Json write(const UseVerdict& use)
{
    Json object = {{"use", use.use}};
    add(object, use.verdict);
    return object;
}

Json write(const Layout& layout)
{
    const FormatInfo* info = format_info(layout.format);
    Json planes = Json::array();
    for (const Plane& plane : layout.used_planes()) {
        // Rows are rows only in a linear layout.
        const std::size_t index = planes.size();
        const bool rows = info != nullptr && index < info->plane_count && layout.modifier == linear;
        planes.push_back({
            {"memory", plane.memory},
            {"offset", plane.offset},
            {"stride", plane.stride},
            {"size", plane.size},
            {"row_bytes", rows ? Json(min_stride(*info, index, layout.width)) : Json(nullptr)},
            {"rows", rows ? Json(plane_rows(*info, index, layout.height)) : Json(nullptr)},
        });
    }
    return {
        {"format", spell(layout.format)},
        {"modifier", to_string(layout.modifier)},
        {"modifier_value", spell(layout.modifier)},
        {"width", layout.width},
        {"height", layout.height},
        {"planes", std::move(planes)},
        {"memories", layout.used_memories()},
    };
}

Json write(const Constraints& asked)
{
    return {
        {"stride_align", asked.stride_align},
        {"min_stride", asked.min_stride},
        {"max_stride", limit_or_null(asked.max_stride)},
        {"height_align", asked.height_align},
        {"offset_align", asked.offset_align},
        {"size_align", asked.size_align},
        {"min_size", asked.min_size},
        {"max_size", limit_or_null(asked.max_size)},
        {"contiguous", asked.contiguous},
        {"address_bits", asked.address_bits},
        {"cached", to_string(asked.cached)},
        {"protected", to_string(asked.protected_memory)},
        {"origins", list(asked.origins,
                         [](const Origin& origin) {
                             return Json{{"constraint", to_string(origin.constraint)},
                                         {"value", origin.value},
                                         {"device", origin.device},
                                         {"call", origin.call}};
                         })},
    };
}

Json write(const HeapInfo& heap)
{
    return {
        {"name", heap.name},
        {"kind", to_string(heap.kind)},
        {"path", heap.path},
        {"scarce", heap.scarce},
        {"memory",
         {{"contiguous", known(heap.memory.contiguous)},
          {"cached", known(heap.memory.cached)},
          {"protected", known(heap.memory.protected_memory)},
          {"address_bits", known(heap.memory.address_bits)}}},
        {"same_as", text_or_null(heap.same_as)},
        {"obstacle", heap.obstacle ? write(*heap.obstacle) : Json(nullptr)},
    };
}

Json write(const Arrangement& arrangement)
{
    return {{"format", spell(arrangement.format)},
            {"modifier", to_string(arrangement.modifier)},
            {"modifier_value", spell(arrangement.modifier)},
            {"memories", name(arrangement.memories)}};
}

Json write(const CpuCost& cost)
{
    Json object = {{"heap", cost.heap}, {"bytes", cost.bytes}};
    for (const auto& [member, time] : explain::cost_times)
        object[member] = (cost.*time).count();
    return object;
}

Json write(const Preferences& preferences)
{
    return {{"prefer", preferences.prefer},
            {"forbid", preferences.forbid},
            {"fall_back", preferences.fall_back},
            {"constraints", write(preferences.constraints)},
            {"cpu_costs", list(preferences.cpu_costs, [](const CpuCost& cost) { return write(cost); })}};
}

Json write(const ResolvedPurpose& purpose)
{
    return {{"purpose", to_string(purpose.purpose)},
            {"uses", purpose.uses},
            {"left_out", list(purpose.left_out, [](const UseVerdict& use) { return write(use); })}};
}

Json write(const NearestConversion& nearest, std::size_t uses)
{
    return {{"arrangement", write(nearest.arrangement)},
            {"taken_by", nearest.taken_by},
            {"lacking", list(nearest.lacking,
                             [](const NearestConversion::Lacking& each) {
                                 return Json{{"use", each.use}, {"has", list(each.has, [](const Arrangement& one) {
                                                                     return write(one);
                                                                 })}};
                             })},
            {"text", explain::describe(nearest, uses)}};
}

Json write(const CpuCostEffect& effect, const std::vector<HeapVerdict>& heaps)
{
    return {{"kind", to_string(effect.kind)},
            {"access", name_or_null(effect.access)},
            {"without", text_or_null(effect.without)},
            {"text", heaps.empty() ? "" : explain::describe(effect, heaps)}};
}

Json write(const Request& request, const std::vector<std::string>& uses)
{
    return {
        {"format", spell(request.format)},
        {"width", request.width},
        {"height", request.height},
        {"count", request.count},
        {"lines_before", request.lines_before},
        {"lines_after", request.lines_after},
        {"alternatives", list(request.alternatives, [](Format format) { return spell(format); })},
        {"uses", uses},
    };
}

Json write_heap(const Report& report, std::size_t index)
{
    const HeapVerdict& heap = report.heaps[index];
    Json object = write(heap.heap);
    add(object, heap.verdict);
    object["uses"] = list(heap.uses, [](const UseVerdict& use) { return write(use); });
    object["below_by"] = name_or_null(heap.below_by);
    object["why_below"] = text_or_null(why_below(report, index));
    object["preference"] = known(heap.preference);
    object["cpu_time_ns"] = heap.cpu_time ? Json(heap.cpu_time->count()) : Json(nullptr);
    return object;
}

Json write(const Report& report, const Error* error)
{
    const bool served = error == nullptr && !report.heaps.empty() && report.heaps.front().verdict.serves();
    const Answer first = answer(report);
    Json object = {{"schema", json_schema}};
    object["answer"] = {{"headline", first.headline}, {"reason", text_or_null(first.reason)}};
    object["request"] = write(report.request, report.uses);
    object["preferences"] = write(report.preferences);
    object["purposes"] = list(report.purposes, [](const ResolvedPurpose& purpose) { return write(purpose); });
    object["chosen"] = nullptr;
    if (served)
        object["chosen"] = {{"heap", report.heaps.front().heap.name},
                            {"kind", to_string(report.heaps.front().heap.kind)},
                            {"verdict", to_string(report.heaps.front().verdict.outcome)}};
    object["layout"] = report.layout ? write(*report.layout) : Json(nullptr);
    object["constraints"] = write(report.constraints);
    object["heaps"] = Json::array();
    for (std::size_t i = 0; i < report.heaps.size(); ++i)
        object["heaps"].push_back(write_heap(report, i));
    object["layouts_set_aside"] = list(report.set_aside, [](const LayoutVerdict& layout) {
        Json entry = {{"layout", write(layout.layout)}, {"use", layout.use}};
        add(entry, layout.verdict);
        return entry;
    });
    object["uses_not_served"] = list(report.not_served, [](const UseVerdict& use) { return write(use); });
    object["nearest"] = report.nearest ? write(*report.nearest, report.uses.size()) : Json(nullptr);
    object["cpu_cost_effect"] = report.cpu_cost_effect ? write(*report.cpu_cost_effect, report.heaps) : Json(nullptr);
    object["error"] = error != nullptr ? write(*error) : Json(nullptr);
    return object;
}

std::string dump(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace); }

} // namespace

std::string to_json(const Report& report, const Error* error) { return dump(write(report, error)); }
std::string to_json(const HeapInfo& heap) { return dump(write(heap)); }
std::string to_json(const Layout& layout) { return dump(write(layout)); }
std::string to_json(const Constraints& constraints) { return dump(write(constraints)); }
std::string to_json(const Error& error) { return dump(write(error)); }
std::string to_json(const Verdict& verdict)
{
    Json object = Json::object();
    add(object, verdict);
    return dump(object);
}

} // namespace commonbuf
