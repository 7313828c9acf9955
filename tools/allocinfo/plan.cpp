// SPDX-License-Identifier: MIT
//
// allocinfo plan: a heap and a layout that all uses accept, as text, data and a page.
#include "commands.hpp"
#include "costs.hpp"
#include "device_heaps.hpp"
#include "html/html.hpp"
#include "output.hpp"
#include "uses.hpp"

#include <algorithm>
#include <iostream>

namespace allocinfo {
namespace {

using commonbuf::Error;
using commonbuf::Result;

/// A document, and what the exit status shall be.
struct Answer {
    Json document;
    Exit status = done;
    std::optional<Error> error;
};

Answer failure(const Error& error, Exit status)
{
    Json document = error.report != nullptr ? plan_document(*error.report, &error) : error_document("plan", error);
    return {std::move(document), status, error};
}

/// The uses that the words name, and those of the devices that the flags stand for.
Result<std::vector<commonbuf::Use>> gather_uses(const PlanOptions& options, const commonbuf::Request& request,
                                                std::vector<commonbuf::ResolvedPurpose>& usages)
{
    std::vector<commonbuf::Use> uses;
    for (const std::string& word : options.uses) {
        auto use = parse_use(word);
        if (!use)
            return use.error();
        uses.push_back(std::move(*use));
    }
    const auto usage = parse_usage_words(options.usage);
    if (!usage)
        return usage.error();
    if (*usage != commonbuf::Purpose::none) {
        auto resolution = commonbuf::resolve(*usage, request);
        if (!resolution)
            return resolution.error();
        for (commonbuf::Use& use : resolution->uses) {
            if (std::none_of(uses.begin(), uses.end(), [&use](const auto& each) { return each.name() == use.name(); }))
                uses.push_back(std::move(use));
        }
        usages = std::move(resolution->purposes);
    }
    if (uses.empty())
        return no_use();
    return uses;
}

/// What the CPU pays in the heaps that may serve, for images of about this size. One that cannot
/// be measured is told, and is no reason for no plan.
std::vector<commonbuf::CpuCost> measure_now(commonbuf::Allocator& allocator, const std::vector<std::string>& forbidden,
                                            const commonbuf::Request& request)
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

Answer answer(const PlanOptions& options)
{
    auto request = parse_image(options.format, options.size);
    if (!request)
        return failure(request.error(), usage);
    request->count = options.count;
    std::vector<commonbuf::ResolvedPurpose> usages;
    const auto uses = gather_uses(options, *request, usages);
    if (!uses)
        return failure(uses.error(), is_usage_error(uses.error()) ? usage : trouble);
    commonbuf::Allocator allocator;
    if (const auto added = add_heaps(allocator, options.heaps); !added)
        return failure(added.error(), status_of(added.error()));
    if (!options.remember.empty()) {
        if (const auto kept = allocator.remember_in(options.remember); !kept)
            return failure(kept.error(), trouble);
        // A file that cannot be written is no secret.
        commonbuf::set_log([](std::string_view message) { std::cerr << "allocinfo: " << message << '\n'; });
    }
    commonbuf::Preferences preferences;
    preferences.prefer = options.prefer;
    preferences.forbid = options.forbid;
    if (!options.cpu_costs.empty()) {
        auto costs = read_costs(options.cpu_costs);
        if (!costs)
            return failure(costs.error(), trouble);
        preferences.cpu_costs = std::move(*costs);
    }
    if (options.measure_cpu)
        preferences.cpu_costs = measure_now(allocator, options.forbid, *request);
    const auto plan = allocator.plan(*request, *uses, preferences);
    commonbuf::set_log(nullptr);
    Answer made = plan ? Answer{plan_document(plan->report(), nullptr), done, std::nullopt}
                       : failure(plan.error(), status_of(plan.error()));
    add_usages(made.document, usages);
    return made;
}

} // namespace

Exit run_plan(const PlanOptions& options, bool json)
{
    Answer made = answer(options);
    const bool page_alone = options.html == "-";
    if (page_alone)
        std::cout << html_page(made.document);
    else if (json || made.document.contains("request"))
        print(made.document, json);
    if (made.error)
        complain(*made.error);
    if (!options.html.empty() && !page_alone) {
        if (const auto written = write_file(options.html, html_page(made.document)); !written) {
            complain(written.error());
            made.status = trouble;
        }
    }
    return made.status;
}

} // namespace allocinfo
