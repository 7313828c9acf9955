// SPDX-License-Identifier: MIT
#include "model.hpp"

#include "text.hpp"
#ifdef ALLOCINFO_VULKAN
#include "gpus.hpp"

#include <vulkan/vulkan_core.h>
#endif

#include <algorithm>
#include <array>
#include <limits>

namespace allocinfo {
namespace {

using namespace commonbuf;

Json document(const char* command) { return {{"schema", schema}, {"command", command}}; }

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json errno_or_null(int error) { return error == 0 ? Json(nullptr) : Json(errno_name(error)); }

Json bytes_or_null(std::uint64_t bytes) { return bytes == 0 ? Json(nullptr) : Json(bytes); }

Json obstacle_json(const std::optional<Error>& obstacle) { return obstacle ? error_json(*obstacle) : Json(nullptr); }

Json heap_json(const HeapInfo& heap)
{
    const auto known = [](const auto& property) { return property ? Json(*property) : Json(nullptr); };
    return {
        {"name", heap.name},
        {"kind", to_string(heap.kind)},
        {"path", heap.path},
        {"scarce", heap.scarce},
        {"memory",
         {{"contiguous", known(heap.memory.contiguous)},
          {"cached", known(heap.memory.cached)},
          {"protected", known(heap.memory.protected_)},
          {"address_bits", known(heap.memory.address_bits)}}},
        {"same_as", text_or_null(heap.same_as)},
    };
}

void add_verdict(Json& object, const Verdict& verdict)
{
    object["verdict"] = to_string(verdict.outcome);
    object["stage"] = text_or_null(verdict.stage);
    object["errno"] = errno_or_null(verdict.sys_errno);
    object["reason"] = text_or_null(verdict.reason);
    object["needed"] = bytes_or_null(verdict.needed);
    object["offered"] = bytes_or_null(verdict.offered);
}

Json uses_json(const std::vector<UseVerdict>& uses)
{
    Json array = Json::array();
    for (const UseVerdict& use : uses) {
        Json entry = {{"use", use.use}};
        add_verdict(entry, use.verdict);
        array.push_back(std::move(entry));
    }
    return array;
}

Json layout_json(const Layout& layout)
{
    const FormatInfo* info = format_info(layout.format);
    Json planes = Json::array();
    for (const Plane& plane : layout.used_planes()) {
        // What a row shows is known where rows are rows.
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
        {"format", to_string(layout.format)},
        {"modifier", to_string(layout.modifier)},
        {"width", layout.width},
        {"height", layout.height},
        {"planes", std::move(planes)},
        {"memories", layout.used_memories()},
    };
}

/// A number that asks for nothing when it is the largest of its type.
template <typename Number>
Json limit_or_null(Number limit)
{
    return limit == std::numeric_limits<Number>::max() ? Json(nullptr) : Json(limit);
}

/// Every member of Constraints but the origins, in the order in which they are shown.
struct ConstraintField {
    const char* name;
    Json (*value)(const Constraints&);
};
constexpr std::array constraint_fields{
    ConstraintField{"stride_align", [](const Constraints& asked) { return Json(asked.stride_align); }},
    ConstraintField{"min_stride", [](const Constraints& asked) { return Json(asked.min_stride); }},
    ConstraintField{"max_stride", [](const Constraints& asked) { return limit_or_null(asked.max_stride); }},
    ConstraintField{"height_align", [](const Constraints& asked) { return Json(asked.height_align); }},
    ConstraintField{"offset_align", [](const Constraints& asked) { return Json(asked.offset_align); }},
    ConstraintField{"size_align", [](const Constraints& asked) { return Json(asked.size_align); }},
    ConstraintField{"min_size", [](const Constraints& asked) { return Json(asked.min_size); }},
    ConstraintField{"max_size", [](const Constraints& asked) { return limit_or_null(asked.max_size); }},
    ConstraintField{"contiguous", [](const Constraints& asked) { return Json(asked.contiguous); }},
    ConstraintField{"address_bits", [](const Constraints& asked) { return Json(asked.address_bits); }},
    ConstraintField{"cached", [](const Constraints& asked) { return Json(to_string(asked.cached)); }},
    ConstraintField{"protected", [](const Constraints& asked) { return Json(to_string(asked.protected_)); }},
};

Json support_json(const Support& support)
{
    Json entries = Json::array();
    for (const Support::Entry& entry : support.entries)
        entries.push_back({
            {"modifier", to_string(entry.modifier)},
            {"memories", memories_name(entry.memories)},
            {"constraints", constraints_json(*entry.constraints)},
        });
    return entries;
}

#ifdef ALLOCINFO_VULKAN
Json gpu_json(const GpuInfo& gpu)
{
    Json result = {{"name", gpu.name},
                   {"path", text_or_null(gpu.node)},
                   {"api_version", nullptr},
                   {"missing", nullptr},
                   {"obstacle", nullptr}};
    if (!gpu.requirements) {
        result["obstacle"] = error_json(gpu.requirements.error());
        return result;
    }
    const std::uint32_t version = gpu.requirements->api_version;
    result["api_version"] = text::format("{}.{}", VK_API_VERSION_MAJOR(version), VK_API_VERSION_MINOR(version));
    result["missing"] = Json::array();
    for (const vulkan::Requirement& each : gpu.requirements->all) {
        if (!each.available)
            result["missing"].push_back({{"name", each.name}, {"without", each.without}});
    }
    return result;
}
#endif

} // namespace

Json constraints_json(const Constraints& constraints)
{
    Json origins = Json::array();
    for (const Origin& origin : constraints.origins)
        origins.push_back({{"constraint", origin.constraint},
                           {"value", origin.value},
                           {"device", origin.device},
                           {"call", origin.call}});
    Json result = Json::object();
    for (const auto& [name, value] : constraint_fields)
        result[name] = value(constraints);
    result["origins"] = std::move(origins);
    return result;
}

const char* memories_name(Memories memories) noexcept { return memories == Memories::single ? "single" : "per-plane"; }

Json error_json(const Error& error)
{
    return {
        {"category", to_string(error.category)}, {"errno", errno_or_null(error.sys_errno)},
        {"operation", error.operation},          {"detail", text_or_null(error.detail)},
        {"advice", text_or_null(error.advice)},  {"message", error.message()},
    };
}

Json heaps_document(const std::vector<std::shared_ptr<Heap>>& heaps)
{
    Json result = document("heaps");
    result["heaps"] = Json::array();
    for (const auto& heap : heaps) {
        Json entry = heap_json(heap->info());
        entry["usable"] = !heap->info().obstacle.has_value();
        entry["obstacle"] = obstacle_json(heap->info().obstacle);
        result["heaps"].push_back(std::move(entry));
    }
    return result;
}

Json devices_document()
{
    Json result = document("devices");
    result["v4l2"] = nullptr;
    result["drm"] = nullptr;
    result["vulkan"] = nullptr;
#ifdef ALLOCINFO_V4L2
    result["v4l2"] = Json::array();
    const auto fourccs = [](const std::vector<std::uint32_t>& formats) {
        Json array = Json::array();
        for (const std::uint32_t fourcc : formats)
            array.push_back(to_string(Format::v4l2(fourcc)));
        return array;
    };
    for (const v4l2::NodeInfo& node : v4l2::nodes()) {
        const bool known = !node.obstacle;
        result["v4l2"].push_back({
            {"path", node.path},
            {"name", text_or_null(node.name)},
            {"driver", text_or_null(node.driver)},
            {"card", text_or_null(node.card)},
            {"bus", text_or_null(node.bus)},
            {"capture", known ? Json(node.capture) : Json(nullptr)},
            {"output", known ? Json(node.output) : Json(nullptr)},
            {"metadata", known ? Json(node.metadata) : Json(nullptr)},
            {"memory_to_memory", known ? Json(node.memory_to_memory) : Json(nullptr)},
            {"multiplanar", known ? Json(node.multiplanar) : Json(nullptr)},
            {"streaming", known ? Json(node.streaming) : Json(nullptr)},
            {"capture_formats", known ? fourccs(node.capture_formats) : Json(nullptr)},
            {"output_formats", known ? fourccs(node.output_formats) : Json(nullptr)},
            {"obstacle", obstacle_json(node.obstacle)},
        });
    }
#endif
#ifdef ALLOCINFO_DRM
    result["drm"] = Json::array();
    for (const drm::NodeInfo& node : drm::nodes()) {
        const bool known = !node.obstacle;
        result["drm"].push_back({
            {"path", node.path},
            {"name", text_or_null(node.name)},
            {"driver", text_or_null(node.driver)},
            {"bus", text_or_null(node.bus)},
            {"render", node.render},
            {"modesetting", known ? Json(node.modesetting) : Json(nullptr)},
            {"dumb_buffers", known ? Json(node.dumb_buffers) : Json(nullptr)},
            {"import", known ? Json(node.imports) : Json(nullptr)},
            {"export", known ? Json(node.exports) : Json(nullptr)},
            {"modifiers", known ? Json(node.modifiers) : Json(nullptr)},
            {"connectors", node.connectors},
            {"obstacle", obstacle_json(node.obstacle)},
        });
    }
#endif
#ifdef ALLOCINFO_VULKAN
    result["vulkan"] = Json::array();
    // Without a loader there are none, which is nothing to complain of.
    for (const GpuInfo& gpu : gpus().value_or(std::vector<GpuInfo>{}))
        result["vulkan"].push_back(gpu_json(gpu));
#endif
    return result;
}

Json plan_document(const Report& report, const Error* error)
{
    const bool served = error == nullptr && !report.heaps.empty();
    Json result = document("plan");
    result["request"] = {
        {"format", to_string(report.request.format)},
        {"width", report.request.width},
        {"height", report.request.height},
        {"count", report.request.count},
        {"alternatives", Json::array()},
        {"uses", report.uses},
    };
    for (const Format format : report.request.alternatives)
        result["request"]["alternatives"].push_back(to_string(format));
    result["chosen"] = nullptr;
    if (served) {
        const HeapVerdict& chosen = report.heaps.front();
        result["chosen"] = {{"heap", chosen.heap.name},
                            {"kind", to_string(chosen.heap.kind)},
                            {"verdict", to_string(chosen.verdict.outcome)}};
    }
    result["layout"] = report.layout ? layout_json(*report.layout) : Json(nullptr);
    result["constraints"] = constraints_json(report.constraints);
    result["heaps"] = Json::array();
    for (const HeapVerdict& heap : report.heaps) {
        Json entry = heap_json(heap.heap);
        add_verdict(entry, heap.verdict);
        entry["uses"] = uses_json(heap.uses);
        entry["cpu_time_ns"] = heap.cpu_time ? Json(heap.cpu_time->count()) : Json(nullptr);
        result["heaps"].push_back(std::move(entry));
    }
    result["layouts_set_aside"] = Json::array();
    for (const LayoutVerdict& layout : report.set_aside) {
        Json entry = {{"layout", layout_json(layout.layout)}, {"use", layout.use}};
        add_verdict(entry, layout.verdict);
        result["layouts_set_aside"].push_back(std::move(entry));
    }
    result["uses_not_served"] = uses_json(report.not_served);
    result["cpu_costs"] = text_or_null(report.cpu_costs);
    result["nearest"] = text_or_null(report.nearest);
    result["error"] = error != nullptr ? error_json(*error) : Json(nullptr);
    return result;
}

void add_usages(Json& document, const std::vector<ResolvedUsage>& usages)
{
    Json array = Json::array();
    for (const ResolvedUsage& entry : usages)
        array.push_back(
            {{"usage", to_string(entry.usage)}, {"uses", entry.uses}, {"left_out", uses_json(entry.left_out)}});
    document["usages"] = std::move(array);
}

bool decided_by_use(const Json& heap)
{
    return std::any_of(heap["uses"].begin(), heap["uses"].end(), [&](const Json& use) {
        return use["verdict"] == heap["verdict"] && use["stage"] == heap["stage"];
    });
}

Json constraints_document(const Use& use, std::optional<Format> format, std::uint32_t width, std::uint32_t height,
                          std::optional<Error>& error)
{
    Json result = document("constraints");
    result["use"] = use.name();
    result["width"] = width;
    result["height"] = height;
    result["formats"] = Json::array();
    std::vector<Format> formats;
    if (format)
        formats = {*format};
    else
        for (const FormatInfo& info : all_formats())
            formats.push_back(info.format);
    std::optional<Error> why_not;
    for (const Format each : formats) {
        const auto support = use.importer().support({each, width, height, 1});
        if (support)
            result["formats"].push_back({{"format", to_string(each)}, {"entries", support_json(**support)}});
        // What is wrong with the device says more than that it lacks a format.
        else if (!why_not ||
                 (why_not->category == Category::unsupported && support.error().category != Category::unsupported))
            why_not = support.error();
    }
    if (result["formats"].empty())
        error = std::move(why_not);
    result["error"] = error ? error_json(*error) : Json(nullptr);
    return result;
}

Json error_document(const char* command, const Error& error)
{
    Json result = document(command);
    result["error"] = error_json(error);
    return result;
}

} // namespace allocinfo
