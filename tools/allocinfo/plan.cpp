// SPDX-License-Identifier: MIT
//
// allocinfo plan: a heap and a layout that all uses accept, as text, data and a page.
#include "commands.hpp"
#include "html/html.hpp"
#include "output.hpp"
#include "uses.hpp"

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

Answer answer(const PlanOptions& options)
{
    auto request = parse_image(options.format, options.size);
    if (!request)
        return failure(request.error(), usage);
    request->count = options.count;
    std::vector<commonbuf::Use> uses;
    for (const std::string& word : options.uses) {
        auto use = parse_use(word);
        if (!use)
            return failure(use.error(), is_usage_error(use.error()) ? usage : trouble);
        uses.push_back(std::move(*use));
    }
    commonbuf::Allocator allocator;
    const auto plan = allocator.plan(*request, uses);
    if (!plan)
        return failure(plan.error(), status_of(plan.error()));
    return {plan_document(plan->report(), nullptr), done, std::nullopt};
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
