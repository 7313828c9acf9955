// SPDX-License-Identifier: MIT
#include "render.hpp"

#include "page.hpp"

#include <unistd.h>

#include <cstdlib>

namespace allocinfo {
namespace {

void render_heaps(Page& page, const Json& document)
{
    if (document["heaps"].empty())
        page.line(0, "this machine has no heaps");
    for (const Json& heap : document["heaps"]) {
        page.line(0, "{} {}", heap_title(page, heap), text(heap["path"]));
        if (heap["same_as"].is_string())
            page.line(1, "another name of {}", text(heap["same_as"]));
        if (heap["obstacle"].is_object())
            page.line(1, "{}", text(heap["obstacle"]["message"]));
        else
            page.line(1, "can be used");
    }
}

void render_v4l2(Page& page, const Json& node)
{
    page.line(0, "{} {}", page.bold(text(node["path"])), text(node["name"]));
    if (node["obstacle"].is_object()) {
        page.line(1, "{}", text(node["obstacle"]["message"]));
        return;
    }
    page.line(1, "V4L2, driver {}, {} API{}{}", text(node["driver"], "?"),
              node["multiplanar"].get<bool>() ? "multi-planar" : "single-planar",
              node["memory_to_memory"].get<bool>() ? ", memory to memory" : "",
              node["streaming"].get<bool>() ? "" : ", no buffer queues");
    const auto queue = [&](const char* title, const char* formats, const char* colours) {
        page.line(1, "{}{}", title, list(node[formats]));
        if (node[colours].is_object())
            page.line(2, "colours: {}, transfer {}, encoding {}, {}", text(node[colours]["colorspace"], "default"),
                      text(node[colours]["xfer_func"], "default"), text(node[colours]["ycbcr_enc"], "default"),
                      text(node[colours]["quantization"], "default range"));
    };
    if (node["capture"].get<bool>())
        queue("capture: ", "capture_formats", "capture_colours");
    if (node["output"].get<bool>())
        queue("output:  ", "output_formats", "output_colours");
    if (!node["capture"].get<bool>() && !node["output"].get<bool>())
        page.line(1, "no queues for images or metadata");
}

void render_drm(Page& page, const Json& node)
{
    page.line(0, "{} {}", page.bold(text(node["path"])), text(node["name"]));
    if (node["obstacle"].is_object()) {
        page.line(1, "{}", text(node["obstacle"]["message"]));
        return;
    }
    page.line(1, "DRM {} node, driver {}, on the bus {}", node["render"].get<bool>() ? "render" : "card",
              text(node["driver"], "?"), text(node["bus"], "?"));
    const auto yes = [](const Json& value) { return value.get<bool>() ? "yes" : "no"; };
    page.line(1, "modesetting {}, dumb buffers {}, import {}, export {}, modifiers {}", yes(node["modesetting"]),
              yes(node["dumb_buffers"]), yes(node["import"]), yes(node["export"]), yes(node["modifiers"]));
    if (!node["connectors"].empty())
        page.line(1, "connectors: {}", list(node["connectors"]));
}

void render_vulkan(Page& page, const Json& device)
{
    const std::string path = device["path"].is_null() ? "" : " " + text(device["path"]);
    page.line(0, "{}{}", page.bold(text(device["name"])), path);
    if (device["obstacle"].is_object()) {
        page.line(1, "{}", text(device["obstacle"]["message"]));
        return;
    }
    page.line(1, "Vulkan {}", text(device["api_version"]));
    for (const Json& missing : device["missing"])
        page.line(1, "it has no {}: {}", text(missing["name"]), text(missing["without"]));
}

void render_devices(Page& page, const Json& document)
{
    const auto render_all = [&](const char* kind, auto render_one) {
        if (document[kind].is_null())
            page.line(0, "this build has no {}", kind);
        else if (document[kind].empty())
            page.line(0, "no {} devices", kind);
        else
            for (const Json& node : document[kind])
                render_one(page, node);
    };
    render_all("v4l2", render_v4l2);
    render_all("drm", render_drm);
    render_all("vulkan", render_vulkan);
}

} // namespace

std::string render(const Json& document, Colour colour)
{
    Page page(colour);
    const std::string command = text(document["command"]);
    if (command == "heaps")
        render_heaps(page, document);
    else if (command == "devices")
        render_devices(page, document);
    else if (command == "constraints" && document.contains("formats"))
        render_constraints(page, document);
    else if (command == "doctor")
        render_doctor(page, document);
    else if (command == "bench-access" && document.contains("heaps"))
        render_costs(page, document);
    else if (command == "timeline" && document.contains("devices"))
        render_timeline(page, document);
    else if (document.contains("verification"))
        render_verification(page, document);
    else if (document.contains("request"))
        render_plan(page, document);
    return page.take();
}

Colour colour_for(int fd)
{
    const char* forbidden = std::getenv("NO_COLOR");
    const bool forbid = forbidden != nullptr && *forbidden != '\0';
    return ::isatty(fd) != 0 && !forbid ? Colour::yes : Colour::no;
}

} // namespace allocinfo
