// SPDX-License-Identifier: MIT
//
// What a plan says first: one answer, and the one reason that decided.
#include "base/text.hpp"
#include "explain/explain.hpp"

#include <commonbuf/explain.hpp>

#include <algorithm>

namespace commonbuf {
namespace {

using text::format;

/// "refused by v4l2:/dev/video0:capture at VIDIOC_PREPARE_BUF with EFAULT: the reason".
std::string known_of(const HeapVerdict& heap)
{
    const auto decided = std::find_if(heap.uses.begin(), heap.uses.end(), [&heap](const UseVerdict& use) {
        return use.verdict.outcome == heap.verdict.outcome && !use.verdict.serves();
    });
    const bool by_use = decided != heap.uses.end();
    return explain::describe(by_use ? decided->verdict : heap.verdict, by_use ? decided->use : "");
}

std::string_view in_words(Outcome outcome)
{
    switch (outcome) {
    case Outcome::verified: return "verified";
    case Outcome::proved: return "proved";
    case Outcome::accepted: return "accepted, not proved";
    case Outcome::refused: return "refused";
    case Outcome::not_tried: break;
    }
    return "not tried";
}

/// What puts the first heap above the second.
std::string decided(const Report& report)
{
    const HeapVerdict& first = report.heaps.front();
    if (report.heaps.size() == 1)
        return "it is the only heap";
    const HeapVerdict& second = report.heaps[1];
    const std::string& name = first.heap.name;
    const std::string& other = second.heap.name;
    if (!second.below_by)
        return format("the next one is {}", other);
    switch (*second.below_by) {
    case RankKey::outcome:
        return second.verdict.serves() ? format("it is {}; {} is only {}", in_words(first.verdict.outcome), other,
                                                in_words(second.verdict.outcome))
                                       : format("{} is {}", other, known_of(second));
    case RankKey::preference: return format("the caller prefers {} to {}", name, other);
    case RankKey::cpu_time:
        return report.cpu_cost_effect ? explain::describe(*report.cpu_cost_effect, report.heaps)
                                      : format("it costs the CPU less than {}", other);
    case RankKey::scarcity: return format("{} is scarce memory, kept for devices that can use nothing else", other);
    case RankKey::kind:
        return format("{} memory comes before {} memory ({})", to_string(first.heap.kind), to_string(second.heap.kind),
                      other);
    case RankKey::name: return format("{} is as good; the name decides", other);
    }
    return {};
}

/// Why no layout serves every use.
std::string no_layout(const Report& report)
{
    if (report.nearest)
        return explain::describe(*report.nearest, report.uses.size());
    if (!report.not_served.empty())
        return explain::describe(report.not_served.front().verdict, report.not_served.front().use);
    if (!report.set_aside.empty())
        return explain::describe(report.set_aside.back().verdict, report.set_aside.back().use);
    return {};
}

} // namespace

Answer answer(const Report& report)
{
    if (!report.heaps.empty()) {
        const HeapVerdict& first = report.heaps.front();
        if (first.verdict.serves() && report.layout)
            return {
                format("heap {}, {}: {}", first.heap.name, in_words(first.verdict.outcome), to_string(*report.layout)),
                decided(report)};
        return {"no heap serves every use", format("the nearest is {}: {}", first.heap.name, known_of(first))};
    }
    if (report.layout)
        return {"no heap serves every use", "this machine has no heaps"};
    return {"no layout serves every use", no_layout(report)};
}

std::string why_below(const Report& report, std::size_t heap)
{
    if (heap == 0 || heap >= report.heaps.size() || !report.heaps[heap].below_by)
        return {};
    const HeapVerdict& above = report.heaps[heap - 1];
    const HeapVerdict& below = report.heaps[heap];
    const std::string& name = above.heap.name;
    switch (*below.below_by) {
    case RankKey::outcome:
        return format("Below {}: {} comes after {}.", name, in_words(below.verdict.outcome),
                      in_words(above.verdict.outcome));
    case RankKey::preference: return format("Below {}: the caller prefers that one.", name);
    case RankKey::cpu_time:
        if (!below.cpu_time || !above.cpu_time)
            return format("Below {}: what it costs the CPU was not measured.", name);
        return format("Below {}: it costs the CPU {} for each image, and {} costs {}.", name,
                      explain::in_words(*below.cpu_time), name, explain::in_words(*above.cpu_time));
    case RankKey::scarcity:
        return format("Below {}: this memory is scarce, and kept for devices that can use nothing else.", name);
    case RankKey::kind:
        return format("Below {}: {} comes after {}.", name, to_string(below.heap.kind), to_string(above.heap.kind));
    case RankKey::name: return format("As good as {}; the name decides.", name);
    }
    return {};
}

std::string_view ranking_rule() noexcept
{
    return "Heaps are ranked by what is known of them: verified, then proved, then accepted, then not tried, then "
           "refused. A heap is "
           "as good as its worst use. Among equals decide, in this order: what the caller prefers; what the CPU pays, "
           "if it was measured (twice as much or more); whether the memory is scarce, that is set aside for devices "
           "that need it; the kind of heap; the name.";
}

} // namespace commonbuf
