// SPDX-License-Identifier: MIT
#include "model.hpp"

#include "text.hpp"
#ifdef ALLOCINFO_V4L2
#include "colours.hpp"
#endif
#ifdef ALLOCINFO_VULKAN
#include "gpus.hpp"

#include <vulkan/vulkan_core.h>
#endif

#include <algorithm>

namespace allocinfo {
namespace {

using namespace commonbuf;

Json document(const char* command) { return {{"schema", schema}, {"command", command}}; }

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

/// A value as the library writes it.
template <typename Value>
Json parsed(const Value& value)
{
    return Json::parse(to_json(value));
}

Json obstacle_json(const std::optional<Error>& obstacle) { return obstacle ? parsed(*obstacle) : Json(nullptr); }

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

Json constraints_json(const Constraints& constraints) { return parsed(constraints); }

const char* memories_name(Memories memories) noexcept { return memories == Memories::single ? "single" : "per-plane"; }

Json error_json(const Error& error) { return parsed(error); }

Json heaps_document(const std::vector<std::shared_ptr<Heap>>& heaps)
{
    Json result = document("heaps");
    result["heaps"] = Json::array();
    for (const auto& heap : heaps) {
        result["heaps"].push_back(parsed(heap->info()));
        result["heaps"].back()["usable"] = !heap->info().obstacle.has_value();
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
            {"capture_colours", known ? colours_json(node, v4l2::Role::capture) : Json(nullptr)},
            {"output_colours", known ? colours_json(node, v4l2::Role::output) : Json(nullptr)},
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
    // A machine without a loader has no devices, which is not an error.
    for (const GpuInfo& gpu : gpus().value_or(std::vector<GpuInfo>{}))
        result["vulkan"].push_back(gpu_json(gpu));
#endif
    return result;
}

Json plan_document(const Report& report, const Error* error)
{
    Json result = document("plan");
    result.update(Json::parse(to_json(report, error)));
    return result;
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
