// SPDX-License-Identifier: MIT
#include "page.hpp"

#include <algorithm>

namespace allocinfo {

std::string text(const Json& value, const char* otherwise)
{
    if (!value.is_string())
        return otherwise;
    // Names come from devices: no escape of theirs may reach a terminal.
    return commonbuf::text::printable(value.get_ref<const std::string&>());
}

std::string plain(const Json& value, const char* otherwise)
{
    if (value.is_null())
        return otherwise;
    if (value.is_boolean())
        return value.get<bool>() ? "yes" : "no";
    return value.is_string() ? text(value) : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string list(const Json& array)
{
    return array.empty() ? "none" : commonbuf::text::join(array.get<std::vector<std::string>>(), " ");
}

void Page::tree(const Branch& root)
{
    text_ += root.text + '\n';
    below(root, "");
}

void Page::below(const Branch& branch, const std::string& indent)
{
    for (const Branch& child : branch.children) {
        const bool last = &child == &branch.children.back();
        text_ += indent + (last ? "└─ " : "├─ ") + child.text + '\n';
        below(child, indent + (last ? "   " : "│  "));
    }
}

std::string Page::verdict(const std::string& outcome) const
{
    if (outcome == "verified" || outcome == "proved")
        return good(outcome);
    if (outcome == "accepted")
        return fair("accepted, not proved");
    if (outcome == "refused")
        return bad(outcome);
    return faint("not tried");
}

std::string Page::paint(const char* code, const std::string& words) const
{
    return colour_ == Colour::yes ? commonbuf::text::format("\033[{}m{}\033[0m", code, words) : words;
}

std::string verdict_line(const Page& page, const Json& entry)
{
    std::string result = page.verdict(text(entry["verdict"]));
    if (entry["call"].is_string())
        result += " at " + text(entry["call"]);
    if (entry["errno"].is_string())
        result += " with " + text(entry["errno"]);
    if (entry["reason"].is_string())
        result += ": " + text(entry["reason"]);
    return result;
}

bool decided_by_use(const Json& heap)
{
    return std::any_of(heap["uses"].begin(), heap["uses"].end(), [&](const Json& use) {
        return use["verdict"] == heap["verdict"] && use["call"] == heap["call"];
    });
}

std::string heap_title(const Page& page, const Json& heap)
{
    return commonbuf::text::format("{} ({}{})", page.bold(text(heap["name"])), text(heap["kind"]),
                                   heap["scarce"].get<bool>() ? ", scarce" : "");
}

void add_origins(Branch& branch, const Page& page, const Json& origins)
{
    for (const Json& origin : origins)
        branch.add("{} {}: {} {}", text(origin["constraint"]), plain(origin["value"]), text(origin["device"]),
                   page.faint("(" + text(origin["call"]) + ")"));
}

} // namespace allocinfo
