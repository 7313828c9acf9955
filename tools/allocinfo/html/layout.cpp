// SPDX-License-Identifier: MIT
//
// A layout drawn to scale. First each memory as a bar of its bytes, then each plane as
// the box of its rows: what is seen is coloured, what is padding is hatched.
//
//     memory 0   |plane 0            |plane 1   |///|        bytes, one scale for all
//     plane 0    +---------------+//+                        a row's bytes from left to
//                | seen          |//| rows                   right, rows from above
//                +---------------+//+
#include "parts.hpp"

#include "text.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace allocinfo::html {
namespace {

using commonbuf::text::format;

// The drawing's own units; the page scales it to its width.
constexpr double width = 1000;
constexpr double margin = 1;
// Narrower padding would be invisible. Its numbers stand beside it.
constexpr double hair = 3;

std::string at(double value) { return format("{:.1f}", value); }

Markup rect(const std::string& kind, double x, double y, double w, double h)
{
    return element("rect", {{"class", kind}, {"x", at(x)}, {"y", at(y)}, {"width", at(w)}, {"height", at(h)}});
}

Markup label(double x, double y, const std::string& words, const char* anchor = "start", const char* kind = "strong")
{
    return element("text", {{"class", kind}, {"x", at(x)}, {"y", at(y)}, {"text-anchor", anchor}}, {words});
}

/// The approximate width of a label.
double extent(const std::string& words) { return 7.0 * static_cast<double>(words.size()); }

Markup drawing(double height, const std::string& title, const Markup& content)
{
    return element("div", {{"class", "wide"}},
                   {element("svg",
                            {{"xmlns", "http://www.w3.org/2000/svg"},
                             {"viewBox", format("0 0 {} {}", width, at(height))},
                             {"role", "img"},
                             {"aria-label", title}},
                            {wrap("title", {title}), content})});
}

struct Part {
    std::size_t plane = 0;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::uint64_t room = 0; ///< bytes from its end to the next plane or the end of the memory
};

std::string hue(std::size_t plane) { return std::to_string(plane % 4); }

/// The planes of one memory in the order of their offsets.
std::vector<Part> parts_of(const Json& layout, std::size_t memory)
{
    std::vector<Part> parts;
    for (std::size_t i = 0; i < layout["planes"].size(); ++i) {
        const Json& plane = layout["planes"][i];
        if (number(plane["memory"]) == memory)
            parts.push_back({i, number(plane["offset"]), number(plane["offset"]) + number(plane["size"]), 0});
    }
    std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.begin < b.begin; });
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const std::uint64_t next = i + 1 < parts.size() ? parts[i + 1].begin : number(layout["memories"][memory]);
        parts[i].room = next - std::min(next, parts[i].end);
    }
    return parts;
}

/// The numbers below a bar, without those that would cover others.
Markup ticks(const std::vector<std::uint64_t>& offsets, double scale, double y)
{
    Markup result;
    double free_from = 0;
    const double end = static_cast<double>(offsets.back()) * scale;
    const double last_begins = end - extent(grouped(offsets.back()));
    for (const std::uint64_t offset : offsets) {
        const double x = margin + static_cast<double>(offset) * scale;
        result += element("line", {{"class", "tick"}, {"x1", at(x)}, {"y1", at(y)}, {"x2", at(x)}, {"y2", at(y + 5)}});
        const bool last = offset == offsets.back();
        const double needs = extent(std::to_string(offset)) + 14;
        if (last && offset != 0)
            result += label(x, y + 18, grouped(offset), "end", "soft");
        else if (x >= free_from && x + needs < last_begins) {
            result += label(x, y + 18, grouped(offset), "start", "soft");
            free_from = x + needs;
        }
    }
    return result;
}

Markup bars(const Json& layout)
{
    constexpr double bar = 34;
    constexpr double step = 88;
    std::uint64_t largest = 1;
    for (const Json& memory : layout["memories"])
        largest = std::max(largest, number(memory));
    const double scale = (width - 2 * margin) / static_cast<double>(largest);
    Markup content = wrap(
        "defs", {element("pattern",
                         {{"id", "padding"},
                          {"width", "6"},
                          {"height", "6"},
                          {"patternUnits", "userSpaceOnUse"},
                          {"patternTransform", "rotate(45)"}},
                         {element("line", {{"class", "hatch"}, {"x1", "0"}, {"y1", "0"}, {"x2", "0"}, {"y2", "6"}})})});
    double y = 0;
    for (std::size_t i = 0; i < layout["memories"].size(); ++i, y += step) {
        const std::uint64_t size = number(layout["memories"][i]);
        content += label(margin, y + 14, format("memory {}: {}", i, bytes(size)));
        const double whole = static_cast<double>(size) * scale;
        content += rect("pad", margin, y + 22, whole, bar);
        std::vector<std::uint64_t> offsets;
        for (const Part& part : parts_of(layout, i)) {
            const double x = margin + static_cast<double>(part.begin) * scale;
            const double drawn = static_cast<double>(part.end - part.begin) * scale;
            content += rect("plane p" + hue(part.plane), x, y + 22, drawn, bar);
            const std::string full = format("plane {}: {} bytes", part.plane, grouped(part.end - part.begin));
            const std::string brief = format("plane {}", part.plane);
            if (extent(full) < drawn)
                content += label(x + 8, y + 44, full);
            else if (extent(brief) < drawn)
                content += label(x + 8, y + 44, brief);
            offsets.insert(offsets.end(), {part.begin, part.end});
        }
        content += rect("frame", margin, y + 22, whole, bar);
        offsets.push_back(size);
        offsets.erase(std::unique(offsets.begin(), offsets.end()), offsets.end());
        content += ticks(offsets, scale, y + 22 + bar);
    }
    return wrap("figure", {drawing(y, "The memories of one buffer, to scale", content),
                           wrap("figcaption", {"Bytes from left to right, with their offsets; all memories in "
                                               "one scale. Hatched bytes belong to no plane."})});
}

/// One plane's box: where it stands in the drawing.
struct Box {
    std::size_t plane = 0;
    double x = 0;
    double y = 0;
    double row = 0;    ///< a whole row
    double seen = 0;   ///< what is seen of it
    double height = 0; ///< the rows that are seen
    double behind = 0; ///< rows' worth of padding behind the plane
    std::string title;
    std::string note;
    std::string room;
};

double down_to_hair(double value) { return value > 0 ? std::max(value, hair) : 0; }

Box box_of(const Json& plane, std::size_t index, const Part& part, double across, double down)
{
    Box box;
    box.plane = index;
    const std::uint64_t stride = number(plane["stride"]);
    const std::uint64_t seen = plane["row_bytes"].is_null() ? stride : number(plane["row_bytes"]);
    const std::uint64_t rows =
        plane["rows"].is_null() ? (stride != 0 ? number(plane["size"]) / stride : 0) : number(plane["rows"]);
    const std::uint64_t padding = stride - std::min(stride, seen);
    box.row = static_cast<double>(stride) * across;
    box.seen = box.row - std::min(box.row, down_to_hair(static_cast<double>(padding) * across));
    box.height = std::max(static_cast<double>(rows) * down, hair);
    // More than the plane itself tells nothing.
    if (stride != 0 && part.room >= stride) {
        const std::uint64_t whole_rows = part.room / stride;
        box.behind = std::min(down_to_hair(static_cast<double>(whole_rows) * down), box.height);
    }
    box.title = format("plane {}: {} rows", index, grouped(rows));
    box.note = padding == 0
                   ? format("stride {}, no padding", grouped(stride))
                   : format("stride {} = {} seen + {} padding", grouped(stride), grouped(seen), grouped(padding));
    if (part.room > 0)
        box.room = format("{} bytes behind the plane", grouped(part.room));
    return box;
}

Markup boxes(const Json& layout)
{
    constexpr double head = 56;
    constexpr double gap = 24;
    const Json& planes = layout["planes"];
    std::uint64_t widest = 1;
    for (const Json& plane : planes)
        widest = std::max(widest, number(plane["stride"]));
    const double largest = planes.size() == 1 ? 520.0 : 440.0;
    const double across = largest / static_cast<double>(widest);
    const double lines = std::max(1.0, static_cast<double>(number(layout["height"])));
    // The image's own shape, as far as it fits.
    const double shape = lines / std::max(1.0, static_cast<double>(number(layout["width"])));
    const double down = std::clamp(largest * shape, 60.0, 300.0) / lines;

    Markup content;
    double x = margin;
    double y = 0;
    double lowest = 0;
    for (std::size_t i = 0; i < planes.size(); ++i) {
        Part own;
        for (const Part& part : parts_of(layout, number(planes[i]["memory"])))
            own = part.plane == i ? part : own;
        Box box = box_of(planes[i], i, own, across, down);
        const double needs = std::max({box.row, extent(box.title), extent(box.note), extent(box.room)});
        if (x > margin && x + needs > width) {
            x = margin;
            y = lowest + gap;
        }
        const double top = y + head;
        // The lines stand on the box.
        const double line = box.room.empty() ? top - 9 : top - 25;
        content += label(x, line - 17, box.title);
        content += label(x, line, box.note, "start", "soft");
        content += label(x, line + 16, box.room, "start", "soft");
        content += rect("pad", x, top, box.row, box.height + box.behind);
        content += rect("plane p" + hue(i), x, top, box.seen, box.height);
        content += rect("frame", x, top, box.row, box.height + box.behind);
        lowest = std::max(lowest, top + box.height + box.behind);
        x += needs + gap;
    }
    return wrap("figure",
                {drawing(lowest + 2, "The rows of each plane, to scale", content),
                 wrap("figcaption",
                      {"Each plane's rows, one scale for all planes, in the shape of the image as far as that fits. "
                       "Coloured: the pixels. Hatched: padding behind each row, and whole rows of bytes behind the "
                       "plane. Padding too thin to be seen is drawn as a hair."})});
}

Markup numbers(const Json& layout)
{
    Markup rows;
    for (std::size_t i = 0; i < layout["planes"].size(); ++i) {
        const Json& plane = layout["planes"][i];
        const auto cell = [](const std::string& value) { return element("td", {{"class", "number"}}, {value}); };
        const auto value = [&](const char* member) {
            return cell(plane[member].is_null() ? "unknown" : grouped(number(plane[member])));
        };
        rows += wrap("tr", {element("th", {{"scope", "row"}},
                                    {element("span", {{"class", "key k" + hue(i)}}), format("plane {}", i)}),
                            value("memory"), value("offset"), value("stride"), value("row_bytes"), value("rows"),
                            value("size"), cell(grouped(number(plane["offset"]) + number(plane["size"])))});
    }
    return table({{"plane"},
                  {"memory", true},
                  {"offset", true},
                  {"stride", true},
                  {"bytes of pixels in a row", true},
                  {"rows", true},
                  {"bytes", true},
                  {"ends at", true}},
                 rows);
}

} // namespace

Markup layout(const Json& layout)
{
    return section("layout", "Layout",
                   {wrap("p", {format("{} {} × {}, modifier ", words(layout["format"]), words(layout["width"]),
                                      words(layout["height"])),
                               wrap("code", {words(layout["modifier"])})}),
                    bars(layout), boxes(layout), numbers(layout)});
}

} // namespace allocinfo::html
