// SPDX-License-Identifier: MIT
#include "explain/explain.hpp"
#include "base/text.hpp"

#include <commonbuf/explain.hpp>

#include <algorithm>

namespace commonbuf {

std::string Report::explain() const
{
    using explain::describe;
    const bool served = !heaps.empty() && heaps.front().verdict.serves();
    const Answer first = answer(*this);
    std::string text =
        text::format("{} {}x{}: {}\n", to_string(request.format), request.width, request.height, first.headline);
    if (!first.reason.empty())
        text += text::format("  {}\n", first.reason);
    for (const ResolvedPurpose& entry : purposes) {
        text += text::format("  {} is {}\n", to_string(entry.purpose), text::join(entry.uses, ", "));
        for (const UseVerdict& each : entry.left_out)
            text += text::format("      without {}: {}\n", each.use, each.verdict.reason);
    }
    // The reason above may be one of these already.
    const auto add = [&](const std::string& sentence) {
        if (sentence != first.reason)
            text += text::format("  {}\n", sentence);
    };
    if (nearest)
        add(describe(*nearest, uses.size()));
    if (cpu_cost_effect)
        add(describe(*cpu_cost_effect, heaps));
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

namespace commonbuf::explain {
namespace {

const char* what(std::optional<Access> access)
{
    if (access == Access::read)
        return "reading";
    return access == Access::write ? "writing" : "reading and writing";
}

std::string time_in(const HeapVerdict& heap)
{
    return heap.cpu_time ? text::format("{} in {}", in_words(*heap.cpu_time), heap.heap.name)
                         : text::format("an unknown time in {}, which was not measured", heap.heap.name);
}

} // namespace

std::string describe(const Verdict& verdict, std::string_view use)
{
    std::string text{verdict.outcome == Outcome::not_tried ? "not tried" : to_string(verdict.outcome)};
    if (!use.empty())
        text += text::format(" by {}", use);
    if (!verdict.call.empty())
        text += text::format(" at {}", verdict.call);
    if (verdict.sys_errno != 0)
        text += text::format(" with {}", errno_name(verdict.sys_errno));
    if (!verdict.reason.empty())
        text += ": " + verdict.reason;
    return text;
}

std::string in_words(std::chrono::nanoseconds time)
{
    constexpr double milli = 1e6;
    constexpr std::int64_t min_in_milliseconds = 10'000;
    if (time.count() < min_in_milliseconds)
        return text::format("{} ns", time.count());
    return text::format("{:.2f} ms", static_cast<double>(time.count()) / milli);
}

std::string describe(const NearestConversion& nearest, std::size_t uses)
{
    constexpr std::size_t max_shown = 8;
    std::string lacking;
    for (const NearestConversion::Lacking& each : nearest.lacking) {
        std::vector<std::string> has;
        for (const Arrangement& arrangement : each.has) {
            has.push_back(has.size() < max_shown ? to_string(arrangement) : "...");
            if (has.size() > max_shown)
                break;
        }
        lacking += text::format("{}{} lacks it (it has {})", lacking.empty() ? "" : "; ", each.use,
                                has.empty() ? "none of the formats" : text::join(has, ", "));
    }
    return text::format("nearest is {}, which {} of {} uses take: {}", to_string(nearest.arrangement), nearest.taken_by,
                        uses, lacking);
}

std::string describe(const CpuCostEffect& effect, const std::vector<HeapVerdict>& heaps)
{
    const auto other = std::ranges::find(heaps, effect.without, [](const auto& heap) { return heap.heap.name; });
    switch (effect.kind) {
    case CpuCostEffect::Kind::no_cpu_use: return "the CPU costs decide nothing: the CPU is not among the uses";
    case CpuCostEffect::Kind::not_measured: return "no heap that serves is among the CPU costs";
    case CpuCostEffect::Kind::unchanged:
        return text::format("the CPU costs changed nothing: {} an image takes {}", what(effect.access),
                            time_in(heaps.front()));
    case CpuCostEffect::Kind::changed: break;
    }
    return text::format("the CPU costs decided: {} an image takes {}, and {}", what(effect.access),
                        time_in(heaps.front()), other != heaps.end() ? time_in(*other) : effect.without);
}

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
        if (!entry.verdict.call.empty())
            text += " at " + entry.verdict.call;
        if (entry.verdict.sys_errno != 0)
            text += " with " + errno_name(entry.verdict.sys_errno);
        for (const UseVerdict& use : entry.uses) {
            if (use.verdict.outcome == Outcome::refused)
                text += " by " + use.use;
        }
    }
    return text;
}

} // namespace commonbuf::explain
