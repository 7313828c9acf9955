// SPDX-License-Identifier: MIT
//
// What devices ask of the layout and the memory, and which device asks for what.
#include "parts.hpp"

#include <map>

namespace allocinfo::html {
namespace {

/// A number in groups of digits; yes or no for a truth value.
std::string shown(const Json& value, bool truth)
{
    if (truth && value.is_number())
        return value == 0 ? "no" : "yes";
    return value.is_number_unsigned() ? grouped(number(value)) : words(value, "no limit");
}

} // namespace

Markup constraints(const Json& constraints)
{
    // Not by a list of known names, so that new constraints are shown too.
    std::map<std::string, Markup> asked;
    for (const Json& origin : constraints["origins"]) {
        const auto together = constraints.find(words(origin["constraint"]));
        const bool truth = together != constraints.end() && together->is_boolean();
        asked[words(origin["constraint"])] +=
            wrap("li", {wrap("b", {shown(origin["value"], truth)}), " ",
                        element("span", {{"class", "mono"}}, {words(origin["device"])}), " ",
                        element("span", {{"class", "soft mono"}}, {words(origin["call"])})});
    }
    Markup rows;
    Markup quiet;
    for (const auto& [name, value] : constraints.items()) {
        if (name == "origins")
            continue;
        const auto who = asked.find(name);
        const bool nobody = who == asked.end();
        (nobody ? quiet : rows) += element(
            "tr", {{"class", nobody ? "nobody" : "asked"}},
            {element("th", {{"scope", "row"}, {"class", "mono"}}, {name}),
             element("td", {{"class", "number"}}, {shown(value, false)}),
             wrap("td", {nobody ? Markup("nobody asks") : element("ul", {{"class", "origins"}}, {who->second})})});
        if (!nobody)
            asked.erase(who);
    }
    for (const auto& [name, who] : asked)
        rows += wrap("tr", {element("th", {{"scope", "row"}, {"class", "mono"}}, {name}), wrap("td", {}),
                            wrap("td", {element("ul", {{"class", "origins"}}, {who})})});
    rows += quiet;
    return section("constraints", "Constraints and who asks for them",
                   {table({{"constraint"}, {"together", true}, {"value, device and call"}}, rows)});
}

} // namespace allocinfo::html
