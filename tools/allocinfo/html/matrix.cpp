// SPDX-License-Identifier: MIT
//
// The heaps x uses matrix, the order of the heaps, and every verdict in full.
#include "parts.hpp"

#include "text.hpp"

#include <array>
#include <optional>

namespace allocinfo::html {
namespace {

using commonbuf::text::format;

std::string anchor(std::size_t heap) { return format("heap-{}", heap); }
std::string anchor(std::size_t heap, std::size_t use) { return format("verdict-{}-{}", heap, use); }

/// "VIDIOC_PREPARE_BUF · EFAULT".
std::string where(const Json& verdict)
{
    std::string result = words(verdict["stage"]);
    if (verdict["errno"].is_string())
        result += (result.empty() ? "" : " · ") + words(verdict["errno"]);
    return result;
}

/// A cell that shows its reason when pointed at or focused, and leads to it when followed.
Markup cell(const Json& verdict, const std::string& brief, const std::string& target, const std::string& what,
            std::size_t columns)
{
    const auto [sign, meaning] = spelled(verdict["verdict"]);
    return element("td", {{"class", verdict_class(verdict["verdict"])}, {"colspan", std::to_string(columns)}},
                   {element("a", {{"href", "#" + target}},
                            {element("span", {{"class", "sign"}}, {sign}), meaning,
                             element("span", {{"class", "where mono"}}, {breakable(brief)}),
                             element("span", {{"class", "says"}},
                                     {wrap("b", {what}), badge(verdict["verdict"]), " ", because(verdict)})})});
}

/// Where the ranking's keys put `below` behind `above`, in words; nothing where they do not.
std::string why_below(const Json& above, const Json& below)
{
    static constexpr std::array<std::string_view, 4> outcomes{"proved", "accepted", "not-tried", "refused"};
    static constexpr std::array<std::string_view, 7> kinds{"dma-heap", "udmabuf", "drm-dumb", "gbm",
                                                           "v4l2",     "vulkan",  "custom"};
    const auto place = [](const auto& known, const Json& value) {
        std::size_t index = 0;
        while (index < known.size() && value != known[index])
            ++index;
        return index;
    };
    const std::string name = words(above["name"]);
    const auto by = [](std::size_t a, std::size_t b) -> std::optional<bool> {
        return a == b ? std::nullopt : std::optional(a < b);
    };
    if (const auto first = by(place(outcomes, above["verdict"]), place(outcomes, below["verdict"])))
        return *first ? format("Below {}: {} comes after {}.", name, spelled(below["verdict"]).meaning,
                               spelled(above["verdict"]).meaning)
                      : "";
    if (const auto first = by(above["scarce"] == true ? 1 : 0, below["scarce"] == true ? 1 : 0))
        return *first ? format("Below {}: this memory is scarce, and kept for devices that can use nothing else.", name)
                      : "";
    if (const auto first = by(place(kinds, above["kind"]), place(kinds, below["kind"])))
        return *first ? format("Below {}: {} comes after {}.", name, words(below["kind"]), words(above["kind"])) : "";
    return words(above["name"]) < words(below["name"]) ? format("As good as {}; the name decides.", name) : "";
}

Markup heap_facts(const Json& heap)
{
    std::string facts = words(heap["kind"]);
    if (heap["scarce"] == true)
        facts += ", scarce";
    if (heap["same_as"].is_string())
        facts += ", another name of " + words(heap["same_as"]);
    return facts;
}

} // namespace

Markup matrix(const Json& document)
{
    const Json& uses = document["request"]["uses"];
    const bool chosen = document["chosen"].is_object();
    Markup head = element("th", {{"scope", "col"}}, {"heap, best first"});
    head += element("th", {{"scope", "col"}}, {"together"});
    for (const Json& use : uses)
        head += element("th", {{"scope", "col"}, {"class", "mono"}}, {breakable(words(use))});
    Markup rows;
    for (std::size_t i = 0; i < document["heaps"].size(); ++i) {
        const Json& heap = document["heaps"][i];
        const std::string name = words(heap["name"]);
        const bool first = chosen && i == 0;
        Markup row = element("th", {{"scope", "row"}},
                             {element("a", {{"href", "#" + anchor(i)}}, {name}), first ? " (chosen)" : "",
                              element("span", {{"class", "where soft"}}, {heap_facts(heap)})});
        // What a use decided stands in that use's cell. A heap that gave no memory has one cell.
        row += cell(heap, decided_by_use(heap) ? "" : where(heap), anchor(i), format("{} for all uses together", name),
                    heap["uses"].empty() ? uses.size() + 1 : 1);
        for (std::size_t j = 0; j < heap["uses"].size(); ++j) {
            const Json& use = heap["uses"][j];
            row += cell(use, where(use), anchor(i, j), format("{} for {}", name, words(use["use"])), 1);
        }
        rows += element("tr", {{"class", first ? "chosen " + verdict_class(heap["verdict"]) : "other"}}, {row});
    }
    return section("matrix", "Heaps and uses",
                   {element("p", {{"class", "soft small"}},
                            {"Point at a cell or move to it with the Tab key to read why; follow it to see all of that "
                             "heap."}),
                    element("div", {{"class", "wide"}},
                            {element("table", {{"class", "matrix"}},
                                     {wrap("thead", {wrap("tr", {head})}), wrap("tbody", {rows})})})});
}

Markup verdicts(const Json& document)
{
    Markup list;
    const Json* above = nullptr;
    for (std::size_t i = 0; i < document["heaps"].size(); ++i) {
        const Json& heap = document["heaps"][i];
        Markup details;
        for (std::size_t j = 0; j < heap["uses"].size(); ++j) {
            const Json& use = heap["uses"][j];
            details += element("dt", {{"class", "mono"}}, {words(use["use"])});
            details += element("dd", {{"id", anchor(i, j)}}, {badge(use["verdict"]), " ", because(use)});
        }
        const std::string order = above != nullptr ? why_below(*above, heap) : "Nothing stands above it.";
        list += element(
            "li", {{"class", "heap"}, {"id", anchor(i)}},
            {wrap("h3", {format("{}. {} ", i + 1, words(heap["name"])), badge(heap["verdict"])}),
             element("p", {{"class", "soft small"}},
                     {heap_facts(heap), ", ", wrap("code", {words(heap["path"])}), order.empty() ? "" : ". " + order}),
             decided_by_use(heap) ? Markup() : wrap("p", {because(heap)}),
             heap["uses"].empty() ? Markup() : wrap("dl", {details})});
        above = &heap;
    }
    return section(
        "verdicts", "Why the heaps stand in this order",
        {wrap("p", {"What is known comes first: proved, then accepted, then not tried, then refused. Among equals, "
                    "memory that is plenty comes before memory that was set aside for devices (scarce). Then "
                    "dma-heaps, udmabuf, dumb buffers; at last the name. A heap is as good as its worst use."}),
         element("ol", {{"class", "order"}}, {list})});
}

} // namespace allocinfo::html
