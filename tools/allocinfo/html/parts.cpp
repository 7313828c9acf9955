// SPDX-License-Identifier: MIT
#include "parts.hpp"

#include "text.hpp"

#include <algorithm>
#include <array>

namespace allocinfo::html {

using commonbuf::text::format;

std::string words(const Json& value, const std::string& otherwise)
{
    if (value.is_null())
        return otherwise;
    if (value.is_boolean())
        return value.get<bool>() ? "yes" : "no";
    if (value.is_number_unsigned())
        return std::to_string(number(value));
    return value.is_string() ? value.get<std::string>() : value.dump();
}

std::uint64_t number(const Json& value) { return value.is_number() ? value.get<std::uint64_t>() : 0; }

std::string grouped(std::uint64_t value)
{
    std::string digits = std::to_string(value);
    for (std::size_t place = digits.size(); place > 3; place -= 3)
        digits.insert(place - 3, "\u202f"); // narrow no-break space
    return digits;
}

std::string bytes(std::uint64_t value)
{
    constexpr std::array<const char*, 5> units{"KiB", "MiB", "GiB", "TiB", "PiB"};
    constexpr double step = 1024;
    if (value < 1024)
        return format("{} bytes", value);
    double rounded = static_cast<double>(value) / step;
    std::size_t unit = 0;
    for (; rounded >= step && unit + 1 < units.size(); ++unit)
        rounded /= step;
    return format("{} bytes ({:.3g} {})", grouped(value), rounded, units.at(unit));
}

std::string verdict_class(const Json& verdict) { return verdict == "not-tried" ? "untried" : words(verdict); }

Spelled spelled(const Json& verdict)
{
    if (verdict == "verified")
        return {"✓", "verified"};
    if (verdict == "proved")
        return {"✓", "proved"};
    if (verdict == "accepted")
        return {"~", "accepted, not proved"};
    if (verdict == "refused")
        return {"✗", "refused"};
    return {"–", "not tried"};
}

Markup badge(const Json& verdict)
{
    const auto [sign, meaning] = spelled(verdict);
    return element("span", {{"class", "badge " + verdict_class(verdict)}}, {sign, " ", meaning});
}

Markup breakable(std::string_view name)
{
    Markup result;
    while (!name.empty()) {
        const auto end = std::min(name.find_first_of("_/:"), name.size() - 1) + 1;
        result += name.substr(0, end);
        name.remove_prefix(end);
        if (!name.empty())
            result += wrap("wbr", {});
    }
    return result;
}

Markup because(const Json& verdict)
{
    Markup result;
    if (verdict["call"].is_string()) {
        result += "at ";
        result += wrap("code", {breakable(words(verdict["call"]))});
    }
    if (verdict["errno"].is_string()) {
        result += " with ";
        result += wrap("code", {words(verdict["errno"])});
    }
    if (verdict["reason"].is_string())
        result += (result.empty() ? "" : ": ") + words(verdict["reason"]);
    if (!verdict["needed"].is_null() || !verdict["offered"].is_null()) {
        result += wrap("br", {});
        result += element(
            "span", {{"class", "soft small"}},
            {format("needed {}, offered {}", bytes(number(verdict["needed"])), bytes(number(verdict["offered"])))});
    }
    return result;
}

Markup table(std::initializer_list<Column> head, const Markup& rows)
{
    Markup titles;
    for (const Column& column : head)
        titles += element("th", {{"scope", "col"}, {"class", column.numbers ? "number" : "words"}}, {column.title});
    return element("div", {{"class", "wide"}},
                   {wrap("table", {wrap("thead", {wrap("tr", {titles})}), wrap("tbody", {rows})})});
}

Markup section(const std::string& id, const std::string& title, std::initializer_list<Markup> content)
{
    Markup inside = wrap("h2", {title});
    for (const Markup& part : content)
        inside += part;
    return element("section", {{"id", id}}, {inside});
}

} // namespace allocinfo::html
