// SPDX-License-Identifier: MIT
//
// The heaps x uses matrix, the order of the heaps, and every verdict in full.
#include "../page.hpp"
#include "parts.hpp"
#include "text.hpp"

namespace allocinfo::html {
namespace {

using commonbuf::text::format;

std::string anchor(std::size_t heap) { return format("heap-{}", heap); }
std::string anchor(std::size_t heap, std::size_t use) { return format("verdict-{}-{}", heap, use); }

/// "VIDIOC_PREPARE_BUF · EFAULT".
std::string where(const Json& verdict)
{
    std::string result = words(verdict["call"]);
    if (verdict["errno"].is_string())
        result += (result.empty() ? "" : " · ") + words(verdict["errno"]);
    return result;
}

/// A cell that shows its reason under the pointer or the focus, and links to it.
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
        // The decision of a use stands in the cell of that use. A heap that gave no memory has one cell.
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
    for (std::size_t i = 0; i < document["heaps"].size(); ++i) {
        const Json& heap = document["heaps"][i];
        Markup details;
        for (std::size_t j = 0; j < heap["uses"].size(); ++j) {
            const Json& use = heap["uses"][j];
            details += element("dt", {{"class", "mono"}}, {words(use["use"])});
            details += element("dd", {{"id", anchor(i, j)}}, {badge(use["verdict"]), " ", because(use)});
        }
        const std::string order = i == 0 ? "Nothing stands above it." : words(heap["why_below"]);
        list += element(
            "li", {{"class", "heap"}, {"id", anchor(i)}},
            {wrap("h3", {format("{}. {} ", i + 1, words(heap["name"])), badge(heap["verdict"])}),
             element("p", {{"class", "soft small"}},
                     {heap_facts(heap), ", ", wrap("code", {words(heap["path"])}), order.empty() ? "" : ". " + order}),
             decided_by_use(heap) ? Markup() : wrap("p", {because(heap)}),
             heap["uses"].empty() ? Markup() : wrap("dl", {details})});
    }
    return section("verdicts", "Why the heaps stand in this order",
                   {wrap("p", {std::string(commonbuf::ranking_rule())}), element("ol", {{"class", "order"}}, {list})});
}

} // namespace allocinfo::html
