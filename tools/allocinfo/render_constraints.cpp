// SPDX-License-Identifier: MIT
//
// What one device asks for, as a tree: format, arrangement in memory, constraints.
#include "page.hpp"

#include <algorithm>

namespace allocinfo {

void render_constraints(Page& page, const Json& document)
{
    Branch root{commonbuf::text::format("{} at {}x{}", page.bold(text(document["use"])), plain(document["width"]),
                                        plain(document["height"])),
                {}};
    // Formats with the same constraints share a branch.
    std::vector<std::pair<std::string, const Json*>> groups;
    for (const Json& format : document["formats"]) {
        const auto same = std::find_if(groups.begin(), groups.end(),
                                       [&](const auto& group) { return *group.second == format["entries"]; });
        if (same != groups.end())
            same->first += " " + text(format["format"]);
        else
            groups.emplace_back(text(format["format"]), &format["entries"]);
    }
    for (const auto& [names, entries] : groups) {
        Branch& formats = root.add("{}", page.bold(names));
        for (const Json& entry : *entries) {
            const Json& origins = entry["constraints"]["origins"];
            Branch& way = formats.add("{}, {}{}", text(entry["modifier"]),
                                      entry["memories"] == "single" ? "all planes in one memory"
                                                                    : "each plane in a memory of its own",
                                      origins.empty() ? ": asks for nothing" : "");
            add_origins(way, page, origins);
        }
    }
    if (document["formats"].empty())
        root.add("{}", page.bad("takes no such image"));
    page.tree(root);
}

} // namespace allocinfo
