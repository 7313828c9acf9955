// SPDX-License-Identifier: MIT
#include "explain/explain.hpp"
#include "base/text.hpp"

namespace commonbuf {
namespace {

std::string describe(const Verdict& verdict)
{
    std::string text{to_string(verdict.outcome)};
    if (!verdict.stage.empty())
        text += text::format(" at {}", verdict.stage);
    if (verdict.sys_errno != 0)
        text += text::format(" with {}", errno_name(verdict.sys_errno));
    if (!verdict.reason.empty())
        text += ": " + verdict.reason;
    return text;
}

} // namespace

std::string Report::explain() const
{
    const bool served = !heaps.empty() && heaps.front().verdict.outcome <= Outcome::accepted;
    std::string text = text::format("{} {}x{}: ", to_string(request.format), request.width, request.height);
    if (served)
        text += text::format("heap {}, {}\n", heaps.front().heap.name, to_string(*layout));
    else
        text += layout ? "no heap serves every use\n" : "no layout serves every use\n";

    for (const ResolvedUsage& entry : usages) {
        text += text::format("  {} is {}\n", to_string(entry.usage), text::join(entry.uses, ", "));
        for (const UseVerdict& each : entry.left_out)
            text += text::format("      without {}: {}\n", each.use, each.verdict.reason);
    }
    if (!nearest.empty())
        text += text::format("  {}\n", nearest);
    if (!cpu_costs.empty())
        text += text::format("  {}\n", cpu_costs);
    for (const UseVerdict& entry : not_served)
        text += text::format("  use {}: {}\n", entry.use, describe(entry.verdict));
    for (const LayoutVerdict& entry : set_aside)
        text += text::format("  layout with stride {} set aside: {}: {}\n", entry.layout.planes[0].stride, entry.use,
                             describe(entry.verdict));
    for (const HeapVerdict& entry : heaps) {
        const bool chosen = served && &entry == heaps.data();
        text +=
            text::format("  {} {} ({}{}): {}\n", chosen ? "*" : "-", entry.heap.name, to_string(entry.heap.kind),
                         entry.heap.scarce ? ", scarce" : "",
                         entry.uses.empty() ? describe(entry.verdict) : std::string(to_string(entry.verdict.outcome)));
        for (const UseVerdict& use : entry.uses)
            text += text::format("      {}: {}\n", use.use, describe(use.verdict));
    }
    return text;
}

} // namespace commonbuf

namespace commonbuf::negotiate {

std::string summary(const Report& report)
{
    if (report.heaps.empty()) {
        if (report.set_aside.empty())
            return "this machine has no heaps";
        const LayoutVerdict& last = report.set_aside.back();
        return text::format("no layout serves every use; {}: {}", last.use, last.verdict.reason);
    }
    std::string text = "no heap serves every use";
    for (const HeapVerdict& entry : report.heaps) {
        text += text::format("{}{} {}", &entry == report.heaps.data() ? ": " : ", ", entry.heap.name,
                             to_string(entry.verdict.outcome));
        if (!entry.verdict.stage.empty())
            text += " at " + entry.verdict.stage;
        if (entry.verdict.sys_errno != 0)
            text += " with " + errno_name(entry.verdict.sys_errno);
        for (const UseVerdict& use : entry.uses) {
            if (use.verdict.outcome == Outcome::refused)
                text += " by " + use.use;
        }
    }
    return text;
}

} // namespace commonbuf::negotiate
