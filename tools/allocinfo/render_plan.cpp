// SPDX-License-Identifier: MIT
//
// A plan: the answer, then a tree of what was asked and of every verdict.
#include "page.hpp"

namespace allocinfo {
namespace {

void add_uses(Branch& root, const Json& uses)
{
    Branch& branch = root.add("uses");
    for (const Json& use : uses)
        branch.add("{}", text(use));
}

/// What each flag of the command line stands for.
void add_purposes(Branch& root, const Page& page, const Json& purposes)
{
    for (const Json& entry : purposes) {
        Branch& branch = root.add("{} means", text(entry["purpose"]));
        for (const Json& use : entry["uses"])
            branch.add("{}", text(use));
        for (const Json& use : entry["left_out"])
            branch.add("not {}: {}", text(use["use"]), page.faint(text(use["reason"])));
    }
}

/// The answer in two lines, before everything else.
void add_answer(Page& page, const Json& document)
{
    const Json& answer = document["answer"];
    const std::string headline = text(answer["headline"]);
    page.line(0, "{}", document["chosen"].is_object() ? page.bold(headline) : page.bad(headline));
    if (answer["reason"].is_string())
        page.line(1, "{}", text(answer["reason"]));
}

void add_layout(Branch& root, const Json& layout)
{
    Branch& branch = root.add("layout {} {}x{}, modifier {}", text(layout["format"]), plain(layout["width"]),
                              plain(layout["height"]), text(layout["modifier"]));
    for (std::size_t memory = 0; memory < layout["memories"].size(); ++memory) {
        Branch& bytes = branch.add("memory {}: {} bytes", memory, plain(layout["memories"][memory]));
        for (std::size_t plane = 0; plane < layout["planes"].size(); ++plane) {
            const Json& entry = layout["planes"][plane];
            if (entry["memory"] == memory)
                bytes.add("plane {}: offset {}, stride {}, {} bytes", plane, plain(entry["offset"]),
                          plain(entry["stride"]), plain(entry["size"]));
        }
    }
}

void add_set_aside(Branch& root, const Page& page, const Json& layouts)
{
    Branch& branch = root.add("layouts set aside");
    for (const Json& entry : layouts) {
        const Json& planes = entry["layout"]["planes"];
        branch.add("stride {}, {} memor{}: {}: {}", planes.empty() ? "unknown" : plain(planes[0]["stride"]),
                   entry["layout"]["memories"].size(), entry["layout"]["memories"].size() == 1 ? "y" : "ies",
                   text(entry["use"]), verdict_line(page, entry));
    }
}

void add_heap(Branch& heaps, const Page& page, const Json& heap, bool chosen)
{
    // A failure of the heap itself stands beside it; that of a use stands below.
    Branch& branch = heaps.add("{} {}: {}", chosen ? "*" : "-", heap_title(page, heap),
                               decided_by_use(heap) ? page.verdict(text(heap["verdict"])) : verdict_line(page, heap));
    if (heap["cpu_time_ns"].is_number())
        branch.add("CPU: {:.3f} ms for each image", heap["cpu_time_ns"].get<double>() / 1e6);
    for (const Json& use : heap["uses"])
        branch.add("{}: {}", text(use["use"]), verdict_line(page, use));
}

} // namespace

void render_plan(Page& page, const Json& document)
{
    add_answer(page, document);
    const Json& request = document["request"];
    Branch root{commonbuf::text::format("plan {} {}x{}, {} buffer{}", page.bold(text(request["format"])),
                                        plain(request["width"]), plain(request["height"]), plain(request["count"]),
                                        request["count"] == 1 ? "" : "s"),
                {}};
    add_uses(root, request["uses"]);
    add_purposes(root, page, document["purposes"]);
    for (const char* member : {"cpu_cost_effect", "nearest"}) {
        if (document[member].is_object())
            root.add("{}", text(document[member]["text"]));
    }
    if (document["layout"].is_object())
        add_layout(root, document["layout"]);
    if (!document["constraints"]["origins"].empty())
        add_origins(root.add("constraints"), page, document["constraints"]["origins"]);
    if (!document["uses_not_served"].empty()) {
        Branch& branch = root.add("uses that cannot be served");
        for (const Json& use : document["uses_not_served"])
            branch.add("{}: {}", text(use["use"]), verdict_line(page, use));
    }
    if (!document["layouts_set_aside"].empty())
        add_set_aside(root, page, document["layouts_set_aside"]);
    if (!document["heaps"].empty()) {
        Branch& heaps = root.add("heaps, best first");
        for (const Json& heap : document["heaps"])
            add_heap(heaps, page, heap, document["chosen"].is_object() && &heap == &document["heaps"].front());
    }
    page.tree(root);
}

} // namespace allocinfo
