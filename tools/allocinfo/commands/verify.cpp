// SPDX-License-Identifier: MIT
//
// allocinfo verify: makes a plan, lets every device really work in its memory, and says
// whether the bytes are what they should be.
#include "../device_heaps.hpp"
#include "../uses.hpp"
#include "command.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

namespace allocinfo {
namespace {

using namespace commonbuf;

constexpr const char* name = "verify";

void add_options(Options& options)
{
    options.uses(Options::must);
    options.format(Options::must, "four characters or a name");
    options.size(Options::must, "the image in pixels: 1280x720");
    options.count();
    options.number("--frames", options.words().frames, "how many frames to compare (default 30)");
    options.number("--seconds", options.words().seconds, "how long each use may take (default 60)");
    options.added_heaps();
    options.word("--remember", options.words().remember, "FILE", "keep what is shown in this file, as plan does");
    options.explain_words();
}

Json difference_json(const Difference& first)
{
    return {{"frame", first.frame}, {"plane", first.plane},       {"memory", first.memory}, {"row", first.row},
            {"byte", first.byte},   {"expected", first.expected}, {"found", first.found}};
}

Json content_json(const UseContent& use)
{
    const Content& content = use.content;
    const auto text = [](const std::string& words) { return words.empty() ? Json(nullptr) : Json(words); };
    return {
        {"use", use.use},
        {"result", to_string(content.result)},
        {"frames", content.frames},
        {"wrong_bytes", content.wrong_bytes},
        {"first", content.first ? difference_json(*content.first) : Json(nullptr)},
        {"cause", content.cause == Cause::none ? Json(nullptr) : Json(to_string(content.cause))},
        {"stage", text(content.stage)},
        {"errno", content.sys_errno == 0 ? Json(nullptr) : Json(errno_name(content.sys_errno))},
        {"reason", text(content.reason)},
        {"known", use.verdict.outcome == Outcome::not_tried ? Json(nullptr) : Json(to_string(use.verdict.outcome))},
        {"known_reason", text(use.verdict.reason)},
    };
}

struct Verified {
    std::optional<Plan> plan;    ///< none if every use is left alone
    std::optional<Problem> busy; ///< why there is none
    Verification verification{};
};

/// The uses of devices that nobody else has, and in `left_alone` the others, each with its reason.
std::vector<Use> free_uses(Allocator& allocator, const Request& request, const std::vector<Use>& uses,
                           std::vector<UseContent>& left_alone)
{
    std::vector<Use> free;
    for (const Use& use : uses) {
        const auto alone = allocator.plan(request, {use});
        if (alone || alone.error().category != Category::busy) {
            free.push_back(use);
            continue;
        }
        Content content{.result = Sameness::not_checked, .reason = "it is left alone: " + alone.error().message()};
        left_alone.push_back({use.name(), std::move(content), {}});
    }
    return free;
}

Expected<Verified> verify(const Words& words)
{
    auto request = parse_image(words.format, words.size);
    if (!request)
        return request.error();
    request->count = words.count;
    auto uses = parse_uses(words.uses);
    if (!uses)
        return uses.error();
    Allocator allocator;
    if (const auto added = add_heaps(allocator, words.added_heaps); !added)
        return added.error();
    if (!words.remember.empty()) {
        if (const auto kept = allocator.remember_in(words.remember); !kept)
            return Problem(kept.error(), trouble);
    }
    auto plan = allocator.plan(*request, *uses);
    std::vector<UseContent> left_alone;
    if (!plan && plan.error().category == Category::busy) {
        *uses = free_uses(allocator, *request, *uses, left_alone);
        if (uses->empty()) {
            Verification nothing;
            nothing.uses = std::move(left_alone);
            return Verified{std::nullopt, plan.error(), std::move(nothing)};
        }
        plan = allocator.plan(*request, *uses);
    }
    if (!plan)
        return plan.error();
    constexpr std::uint32_t day = 86400;
    const auto time = std::chrono::seconds(std::min(words.seconds, day)) * static_cast<int>(uses->size());
    auto verification =
        allocator.verify(*plan, *uses, {.frames = words.frames, .deadline = commonbuf::deadline_in(time)});
    if (!verification)
        return verification.error();
    for (UseContent& use : left_alone)
        verification->uses.push_back(std::move(use));
    return Verified{*plan, std::nullopt, std::move(*verification)};
}

Json document_of(const Verified& verified)
{
    if (verified.plan)
        return plan_document(verified.plan->report(), nullptr);
    if (verified.busy->report != nullptr)
        return plan_document(*verified.busy->report, &*verified.busy);
    return error_document(name, *verified.busy);
}

Exit run(const Words& words)
{
    const auto verified = verify(words);
    if (!verified) {
        const Problem& problem = verified.error();
        if (problem.report == nullptr)
            return give_up(name, problem, words.json);
        Json document = plan_document(*problem.report, &problem);
        document["command"] = name;
        print(document, words.json);
        complain(problem);
        return problem.status;
    }
    Json document = document_of(*verified);
    document["command"] = name;
    Json contents = Json::array();
    Exit status = done;
    for (const UseContent& use : verified->verification.uses) {
        contents.push_back(content_json(use));
        if (use.content.result == Sameness::different || use.content.result == Sameness::failed)
            status = no_heap;
    }
    document["verification"] = {{"heap", verified->plan ? Json(verified->verification.heap) : Json(nullptr)},
                                {"buffers", verified->verification.buffers},
                                {"uses", std::move(contents)}};
    print(document, words.json);
    return status;
}

} // namespace

const Command verify_command{name, "plan, let every device really work in that memory, and compare the bytes",
                             add_options, run};

} // namespace allocinfo
