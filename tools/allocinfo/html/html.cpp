// SPDX-License-Identifier: MIT
#include "html.hpp"

#include "parts.hpp"
#include "text.hpp"

namespace allocinfo {
namespace {

using commonbuf::text::format;
using namespace html;

Markup heading(const Json& request)
{
    Markup uses;
    for (const Json& use : request["uses"])
        uses += element("li", {{"class", "mono"}}, {words(use)});
    return wrap("header", {
                              wrap("h1", {format("{} {} × {}", words(request["format"]), words(request["width"]),
                                                 words(request["height"]))}),
                              element("p", {{"class", "soft"}},
                                      {format("Asked for {} buffer{}, for these uses:", words(request["count"]),
                                              request["count"] == 1 ? "" : "s")}),
                              element("ul", {{"class", "uses"}}, {uses}),
                          });
}

Markup error_lines(const Json& error)
{
    std::string what = words(error["operation"]);
    for (const char* member : {"call", "target", "errno", "detail"}) {
        if (error[member].is_string())
            what += (what.empty() ? "" : ": ") + words(error[member]);
    }
    Markup result = element("p", {{"class", "mono small"}}, {what});
    if (error["advice"].is_string())
        result += wrap("p", {wrap("b", {"What to do: "}), words(error["advice"])});
    return result;
}

/// The reason that decided, and the effect of the CPU costs or the nearest conversion.
Markup reasons(const Json& document)
{
    Markup result;
    const Json& reason = document["answer"]["reason"];
    if (reason.is_string())
        result += element("p", {{"class", "soft"}}, {words(reason)});
    for (const char* member : {"cpu_cost_effect", "nearest"}) {
        const Json& effect = document[member];
        if (effect.is_object() && effect["text"] != reason)
            result += element("p", {{"class", "soft"}}, {words(effect["text"])});
    }
    return result;
}

/// What was chosen, or that nothing serves.
Markup answer(const Json& document)
{
    if (!document["chosen"].is_object()) {
        const char* what = document["heaps"].empty() ? "No layout serves every use." : "No heap serves every use.";
        return element("div", {{"class", "answer refused"}},
                       {wrap("p", {wrap("b", {what})}), reasons(document),
                        document["error"].is_object() ? error_lines(document["error"]) : Markup()});
    }
    const Json& chosen = document["chosen"];
    const Json& layout = document["layout"];
    std::uint64_t total = 0;
    for (const Json& memory : layout["memories"])
        total += number(memory);
    const std::size_t memories = layout["memories"].size();
    const std::uint64_t count = number(document["request"]["count"]);
    return element(
        "div", {{"class", "answer " + verdict_class(chosen["verdict"])}},
        {wrap("p", {"Heap ", wrap("b", {words(chosen["heap"])}),
                    " (" + words(chosen["kind"]) + "): ", badge(chosen["verdict"])}),
         wrap("p", {format("{}, modifier {}: {} in {} memor{}", words(layout["format"]), words(layout["modifier"]),
                           bytes(total), memories, memories == 1 ? "y" : "ies"),
                    count == 1 ? "." : format(" for each buffer, {} for all {}.", bytes(total * count), count)}),
         reasons(document)});
}

Markup not_served(const Json& uses)
{
    if (uses.empty())
        return {};
    Markup rows;
    for (const Json& use : uses)
        rows += wrap("tr", {element("th", {{"class", "mono"}}, {words(use["use"])}),
                            wrap("td", {badge(use["verdict"])}), wrap("td", {because(use)})});
    return section("not-served", "Uses that no layout serves", {table({{"use"}, {"verdict"}, {"why"}}, rows)});
}

Markup set_aside(const Json& layouts)
{
    if (layouts.empty())
        return {};
    Markup rows;
    for (const Json& entry : layouts) {
        std::vector<std::string> strides;
        for (const Json& plane : entry["layout"]["planes"])
            strides.push_back(grouped(number(plane["stride"])));
        rows += wrap("tr", {element("td", {{"class", "number"}}, {commonbuf::text::join(strides, ", ")}),
                            element("td", {{"class", "number"}}, {std::to_string(entry["layout"]["memories"].size())}),
                            element("td", {{"class", "mono"}}, {words(entry["use"])}),
                            wrap("td", {badge(entry["verdict"])}), wrap("td", {because(entry)})});
    }
    return section(
        "set-aside", "Layouts set aside",
        {element("p", {{"class", "soft"}}, {"Considered before the layout above. Some use refused each of them."}),
         table({{"strides", true}, {"memories", true}, {"by"}, {"verdict"}, {"why"}}, rows)});
}

Markup body(const Json& document)
{
    if (!document.contains("request"))
        return wrap("main", {wrap("h1", {"No plan"}),
                             element("div", {{"class", "answer refused"}}, {error_lines(document["error"])})});
    Markup content = heading(document["request"]);
    content += answer(document);
    content += not_served(document["uses_not_served"]);
    if (!document["heaps"].empty())
        content += matrix(document);
    if (document["layout"].is_object())
        content += layout(document["layout"]);
    content += constraints(document["constraints"]);
    content += set_aside(document["layouts_set_aside"]);
    if (!document["heaps"].empty())
        content += verdicts(document);
    return wrap("main", {content});
}

} // namespace

std::string html_page(const Json& given)
{
    // Names come from devices and may be any bytes: what is not UTF-8 is replaced here, once.
    const std::string data = given.dump(2, ' ', false, Json::error_handler_t::replace);
    const Json document = Json::parse(data);
    const std::string title =
        document.contains("request")
            ? format("{} {}x{}: memory for {} use{}", words(document["request"]["format"]),
                     words(document["request"]["width"]), words(document["request"]["height"]),
                     document["request"]["uses"].size(), document["request"]["uses"].size() == 1 ? "" : "s")
            : "no plan";
    const Markup page = element(
        "html", {{"lang", "en"}},
        {wrap("head", {element("meta", {{"charset", "utf-8"}}),
                       // The page needs only its own style. This keeps browsers from loading or running anything else.
                       element("meta", {{"http-equiv", "Content-Security-Policy"},
                                        {"content", "default-src 'none'; style-src 'unsafe-inline'"}}),
                       element("meta", {{"name", "viewport"}, {"content", "width=device-width, initial-scale=1"}}),
                       wrap("title", {title}), wrap("style", {Markup::raw(style)})}),
         wrap("body", {body(document),
                       section("data", "The same as data",
                               {wrap("details",
                                     {wrap("summary", {"what allocinfo plan --json prints"}), wrap("pre", {data})})}),
                       wrap("footer", {"Made by allocinfo " COMMONBUF_VERSION
                                       ". Everything above is rendered from the data at its end."})})});
    return "<!DOCTYPE html>\n" + page.str() + "\n";
}

} // namespace allocinfo
