// SPDX-License-Identifier: MIT
//
// allocinfo plan: a heap and a layout that all uses accept, as text, data and a page.
#include "../costs.hpp"
#include "../device_heaps.hpp"
#include "../html/html.hpp"
#include "../output.hpp"
#include "../uses.hpp"
#include "command.hpp"
#include "text.hpp"

#include <algorithm>
#include <iostream>

namespace allocinfo {
namespace {

using commonbuf::Allocator;
using commonbuf::Plan;
using commonbuf::Preferences;
using commonbuf::Request;
using commonbuf::ResolvedPurpose;
using commonbuf::Use;

constexpr const char* name = "plan";

void add_options(Options& options)
{
    Words& words = options.words();
    options.uses(Options::may);
    options.usage();
    options.formats();
    options.list("--prefer", words.prefer, "HEAP", "a heap or a kind of heap that goes above others");
    options.list("--forbid", words.forbid, "HEAP", "a heap or a kind of heap that must not serve");
    options.word("--remember", words.remember, "FILE", "keep verdicts in this file until the next boot");
    options.size(Options::must, "the image in pixels: 1280x720");
    options.count();
    options.word("--html", words.html, "FILE", "also write one page to this file; - is standard output");
    options.word("--cpu-costs", words.cpu_costs, "FILE",
                 "what bench-access --save wrote: if the CPU is a use, heaps that are cheap for it go above others");
    options.flag("--measure-cpu", words.measure_cpu, "the same, measured now for this size");
    options.only_one("--measure-cpu", "--cpu-costs");
    options.added_heaps();
    options.explain_words();
}

struct Uses {
    std::vector<Use> uses;
    std::vector<ResolvedPurpose> purposes;
};

/// The uses that the words name, and those of the devices that the flags stand for.
Expected<Uses> gather_uses(const Words& words, const Request& request)
{
    Uses found;
    auto named = parse_uses(words.uses);
    if (!named)
        return named.error();
    found.uses = std::move(*named);
    const auto usage = parse_usage_words(words.usage);
    if (!usage)
        return usage.error();
    if (*usage != commonbuf::Purpose::none) {
        auto resolution = commonbuf::resolve(*usage, request);
        if (!resolution)
            return Problem(resolution.error(), trouble);
        for (Use& use : resolution->uses) {
            if (std::none_of(found.uses.begin(), found.uses.end(),
                             [&use](const Use& each) { return each.name() == use.name(); }))
                found.uses.push_back(std::move(use));
        }
        found.purposes = std::move(resolution->purposes);
    }
    if (found.uses.empty())
        return wrong("there is no use", "name devices with --use, or what the image is for with --usage");
    return found;
}

/// Measures what the CPU pays in the heaps that may serve, for images of about this size. A heap
/// that cannot be measured is reported; the plan goes on without it.
std::vector<commonbuf::CpuCost> measure_now(Allocator& allocator, const std::vector<std::string>& forbidden,
                                            const Request& request)
{
    constexpr std::uint64_t least = 64U << 10U;
    constexpr std::uint64_t most = 64U << 20U;
    const std::uint64_t pixels = std::uint64_t{request.width} * request.height;
    const std::uint64_t bytes = std::clamp(std::min(pixels, most) * 4, least, most);
    std::vector<std::shared_ptr<commonbuf::Heap>> heaps;
    for (const auto& heap : allocator.heaps()) {
        if (std::none_of(forbidden.begin(), forbidden.end(),
                         [&heap](const std::string& word) { return names_heap(word, heap->info()); }))
            heaps.push_back(heap);
    }
    std::vector<commonbuf::CpuCost> costs;
    for (MeasuredHeap& measured : measure_heaps(heaps, bytes)) {
        if (measured.cost)
            costs.push_back(std::move(*measured.cost));
        else if (!measured.heap.obstacle && measured.heap.same_as.empty())
            complain(measured.cost.error());
    }
    return costs;
}

Expected<Preferences> preferences_of(const Words& words, Allocator& allocator, const Request& request)
{
    Preferences preferences;
    preferences.prefer = words.prefer;
    preferences.forbid = words.forbid;
    if (!words.cpu_costs.empty()) {
        auto costs = read_costs(words.cpu_costs);
        if (!costs)
            return Problem(costs.error(), trouble);
        preferences.cpu_costs = std::move(*costs);
    }
    if (words.measure_cpu)
        preferences.cpu_costs = measure_now(allocator, words.forbid, request);
    return preferences;
}

Expected<Plan> make_plan(const Words& words, std::vector<ResolvedPurpose>& purposes)
{
    auto request = parse_image(words.format, words.size);
    if (!request)
        return request.error();
    request->count = words.count;
    auto uses = gather_uses(words, *request);
    if (!uses)
        return uses.error();
    purposes = std::move(uses->purposes);
    Allocator allocator;
    if (const auto added = add_heaps(allocator, words.added_heaps); !added)
        return added.error();
    if (!words.remember.empty()) {
        if (const auto kept = allocator.remember_in(words.remember); !kept)
            return Problem(kept.error(), trouble);
        // The library reports a file that cannot be written only here.
        commonbuf::set_log([](std::string_view message) {
            std::cerr << "allocinfo: " << commonbuf::text::printable(message) << '\n';
        });
    }
    const auto preferences = preferences_of(words, allocator, *request);
    if (!preferences)
        return preferences.error();
    auto plan = allocator.plan(*request, uses->uses, *preferences);
    commonbuf::set_log(nullptr);
    return plan;
}

Exit run(const Words& words)
{
    if (words.json && words.html == "-")
        return give_up(name, wrong("--json and --html - both write to standard output", "name a file for --html"),
                       words.json);
    if (const auto twice = named_twice({words.remember, words.cpu_costs, words.html}))
        return give_up(name, wrong(*twice, "name another file"), words.json);
    std::vector<ResolvedPurpose> purposes;
    const auto plan = make_plan(words, purposes);
    const commonbuf::Report* found = plan ? &plan->report() : plan.error().report.get();
    Json document;
    if (found != nullptr) {
        commonbuf::Report report = *found;
        report.purposes = std::move(purposes);
        document = plan_document(report, plan ? nullptr : &plan.error());
    } else {
        document = error_document(name, plan.error());
    }
    Exit status = plan ? done : plan.error().status;
    const bool only_page = words.html == "-";
    if (only_page)
        std::cout << html_page(document);
    else if (words.json || document.contains("request"))
        print(document, words.json);
    if (!plan)
        complain(plan.error());
    if (!words.html.empty() && !only_page) {
        if (const auto written = write_file(words.html, html_page(document)); !written) {
            complain(written.error());
            status = trouble;
        }
    }
    return status;
}

} // namespace

const Command plan_command{name, "choose a heap and a layout that all uses accept", add_options, run};

} // namespace allocinfo
