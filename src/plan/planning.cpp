// SPDX-License-Identifier: MIT
#include "plan/planning.hpp"

#include "negotiate/cpu_time.hpp"
#include "explain/explain.hpp"
#include "negotiate/objection.hpp"
#include "base/text.hpp"

#include <algorithm>

namespace commonbuf {
namespace {

bool serves(const HeapVerdict& heap) { return heap.verdict.serves(); }

/// Failures of a device as such: no other layout or heap would mend them.
bool is_final(const Error& error)
{
    switch (error.category) {
    case Category::busy:
    case Category::device_gone:
    case Category::not_present:
    case Category::permission_denied: return true;
    default: return false;
    }
}

HeapVerdict forbidden(const HeapInfo& heap)
{
    return {heap, Verdict::not_tried("forbidden by the caller"), {}, {}, {}, {}};
}

Arrangement way_of(const Layout& layout)
{
    return {layout.format, is_opaque(layout.format) ? linear : layout.modifier,
            layout.memory_count > 1 ? Memories::per_plane : Memories::single};
}

} // namespace

Planning::Planning(const Request& request, std::span<const Use> uses, Means means,
                   std::vector<ResolvedPurpose> purposes)
    : uses_(uses),
      means_(std::move(means))
{
    report_.purposes = std::move(purposes);
    report_.request = request;
    report_.preferences = means_.preferences;
    for (const Use& use : uses) {
        report_.uses.push_back(use.name());
        cpu_ = negotiate::together(cpu_, use.importer().cpu_access());
    }
}

Result<Plan> Planning::run()
{
    const auto supports = ask();
    if (!supports)
        return give_up(supports.error());
    negotiate::Candidates candidates(report_.request, *supports, means_.preferences.constraints,
                                     [this](const ImageWay& way) { return proposals(way); });

    std::optional<Report> first;
    bool any = false;
    while (const auto candidate = candidates.next()) {
        any = true;
        const auto served = attempt(*candidate);
        if (!served)
            return give_up(served.error());
        if (*served)
            return finished();
        if (!first && !report_.heaps.empty())
            first = report_;
    }
    if (!any) {
        report_.nearest = candidates.nearest();
        Error error = candidates.why_none();
        if (report_.nearest) {
            error.detail += "; " + explain::describe(*report_.nearest, report_.uses.size());
            error.advice = "convert there, or add a format that all of them have";
        }
        if (no_proposal_)
            error.detail += "; " + no_proposal_->message();
        return give_up(std::move(error));
    }
    // What is said of the least padded layout says most.
    if (first) {
        first->set_aside = report_.set_aside;
        report_ = std::move(*first);
    }
    Error error;
    error.category = Category::incompatible;
    error.operation =
        text::format("plan {} {}x{}", to_string(report_.request.format), report_.request.width, report_.request.height);
    error.detail = explain::summary(report_);
    if (no_proposal_)
        error.detail += "; " + no_proposal_->message();
    return give_up(std::move(error));
}

/// How the heaps that serve here would lay the image out themselves.
std::vector<negotiate::Proposal> Planning::proposals(const ImageWay& way)
{
    std::vector<negotiate::Proposal> all;
    for (const auto& heap : means_.heaps) {
        if (!is_tryable(heap->info()) || is_forbidden(*heap))
            continue;
        auto layouts = heap->propose(way);
        if (!layouts) {
            if (!no_proposal_)
                no_proposal_ = layouts.error();
            continue;
        }
        for (const Layout& layout : *layouts)
            all.push_back({heap->info().name, layout});
    }
    return all;
}

Result<std::vector<negotiate::UseSupport>> Planning::ask()
{
    std::vector<negotiate::UseSupport> supports;
    supports.reserve(uses_.size());
    std::optional<Error> unsupported;
    for (const Use& use : uses_) {
        auto support = use.importer().support(report_.request);
        if (support) {
            supports.push_back({use.name(), std::move(*support)});
            continue;
        }
        report_.not_served.push_back({use.name(), Verdict::refused(support.error())});
        if (is_final(support.error()))
            return support.error();
        if (!unsupported)
            unsupported = support.error();
        supports.push_back({use.name(), std::make_shared<const Support>()});
    }
    if (unsupported) {
        // The others may share a way, to which this one could be converted.
        report_.nearest = negotiate::Candidates(report_.request, supports).nearest();
        unsupported->category = Category::incompatible;
        if (uses_.size() > 1 && report_.nearest)
            unsupported->detail += "; " + explain::describe(*report_.nearest, report_.uses.size());
        return std::move(*unsupported);
    }
    return supports;
}

/// What the uses make of a layout; nothing when one refuses it.
Result<std::optional<Layout>> Planning::fitted(Layout layout, const Constraints& constraints)
{
    // A size that one device asks for may be rounded up by the next one, and so on.
    constexpr int most_rounds = 4;
    for (int round = 0; round < most_rounds; ++round) {
        const auto before = layout.memory_sizes;
        for (const Use& use : uses_) {
            const auto answer = use.importer().fit(layout);
            if (!answer) {
                if (is_final(answer.error()))
                    return answer.error();
                report_.set_aside.push_back({layout, use.name(), Verdict::refused(answer.error())});
                return std::nullopt;
            }
            for (std::uint32_t i = 0; i < layout.memory_count; ++i)
                layout.memory_sizes[i] = std::max(layout.memory_sizes[i], answer->memory_sizes[i]);
        }
        if (const Status sized = negotiate::fit_sizes(layout, constraints); !sized) {
            report_.set_aside.push_back({layout, report_.uses.front(), Verdict::refused(sized.error())});
            return std::nullopt;
        }
        if (layout.memory_sizes == before)
            break;
    }
    // Where nobody knows what lies where, all of it counts.
    if (is_opaque(layout.format))
        layout.planes[0].size = layout.memory_sizes[0];
    return layout;
}

/// By its own name or kind, or by another name of the same region.
bool Planning::is_forbidden(const Heap& heap) const
{
    const auto& words = means_.preferences.forbid;
    return std::any_of(words.begin(), words.end(), [&](const std::string& word) {
        return negotiate::names(word, heap.info()) ||
               std::any_of(means_.heaps.begin(), means_.heaps.end(), [&](const auto& other) {
                   return other->info().same_as == heap.info().name && other->info().name == word;
               });
    });
}

void Planning::note_contiguity(const Proof& proof)
{
    for (Origin& origin : proof.contiguity()) {
        report_.constraints.contiguous = true;
        report_.constraints.add_origin(std::move(origin));
    }
}

/// Best first.
void Planning::order_heaps()
{
    report_.cpu_cost_effect = negotiate::order(report_.heaps, means_.preferences, cpu_, report_.layout->total_size());
}

/// Whether some heap serves every use with this layout; the report has the rest.
Result<bool> Planning::attempt(const negotiate::Candidate& candidate)
{
    const auto layout = fitted(candidate.layout, candidate.constraints);
    if (!layout)
        return layout.error();
    if (!*layout)
        return false;
    auto allowed = means_.heaps;
    const auto first_forbidden = std::stable_partition(allowed.begin(), allowed.end(),
                                                       [this](const auto& heap) { return !is_forbidden(*heap); });
    const std::vector<std::shared_ptr<Heap>> banned(first_forbidden, allowed.end());
    allowed.erase(first_forbidden, allowed.end());
    auto proof = Proof::begin(**layout, report_.request.count, uses_, allowed, *means_.cache);
    if (!proof) {
        if (is_final(proof.error().error))
            return proof.error().error;
        report_.set_aside.push_back({**layout, proof.error().use, Verdict::refused(proof.error().error)});
        return false;
    }
    report_.layout = **layout;
    report_.constraints = candidate.constraints;
    report_.heaps.clear();
    for (const auto& heap : allowed)
        report_.heaps.push_back(proof->attempt(*heap, candidate.constraints));
    for (const auto& heap : banned)
        report_.heaps.push_back(forbidden(heap->info()));
    note_contiguity(*proof);
    order_heaps();
    if (!report_.heaps.empty() && serves(report_.heaps.front()))
        return true;
    set_aside(**layout);
    return false;
}

/// Notes which use refused a layout on every heap on which it was tried.
void Planning::set_aside(const Layout& layout)
{
    for (std::size_t i = 0; i < report_.uses.size(); ++i) {
        const Verdict* last = nullptr;
        bool always = true;
        for (const HeapVerdict& heap : report_.heaps) {
            if (heap.uses.size() <= i)
                continue;
            last = &heap.uses[i].verdict;
            always = always && last->outcome == Outcome::refused;
        }
        if (last != nullptr && always) {
            report_.set_aside.push_back({layout, report_.uses[i], *last});
            return;
        }
    }
}

Plan Planning::finished()
{
    auto state = std::make_shared<PlanState>();
    const Outcome best = report_.heaps.front().verdict.outcome;
    for (const HeapVerdict& entry : report_.heaps) {
        if (entry.verdict.outcome != best)
            break;
        state->serving.push_back(*std::find_if(means_.heaps.begin(), means_.heaps.end(), [&entry](const auto& heap) {
            return heap->info().name == entry.heap.name;
        }));
    }
    state->report = std::make_shared<const Report>(std::move(report_));
    state->heaps = means_.heaps;
    state->preferences = means_.preferences;
    state->cache = means_.cache;
    state->cpu = cpu_;
    return Plan(std::move(state));
}

Error Planning::give_up(Error error)
{
    error.report = std::make_shared<const Report>(std::move(report_));
    return error;
}

/// What the added uses ask of a layout that stands. Errors: incompatible.
Result<Constraints> Planning::added_constraints(const Plan& plan, std::span<const negotiate::UseSupport> supports) const
{
    const Layout& layout = plan.layout();
    const Arrangement way = way_of(layout);
    Constraints added;
    for (const negotiate::UseSupport& use : supports) {
        const Support::Entry* entry = negotiate::find_entry(*use.support, way);
        if (entry == nullptr)
            return Error::incompatible("add " + use.use, text::format("it does not take {}", to_string(way)),
                                       "plan anew with all uses together");
        auto both = merge(added, *entry->constraints);
        if (!both)
            return both.error();
        added = std::move(*both);
    }
    if (const auto against = negotiate::objection(layout, added))
        return Error::incompatible("add " + report_.uses.front(),
                                   text::format("{} does not do: {}", to_string(layout), against->reason),
                                   "plan anew with all uses together");
    return added;
}

Result<Plan> Planning::extend(const Plan& plan)
{
    const std::string operation = "add " + report_.uses.front();
    const Report& old = plan.report();
    const auto supports = ask();
    if (!supports)
        return give_up(supports.error());
    const auto added = added_constraints(plan, *supports);
    if (!added)
        return give_up(added.error());
    const auto all = merge(old.constraints, *added);
    if (!all)
        return give_up(all.error());
    const auto layout = fitted(plan.layout(), *added);
    if (!layout)
        return give_up(layout.error());
    if (!*layout || **layout != plan.layout()) {
        const std::string why = *layout ? "it needs " + to_string(**layout) : report_.set_aside.back().verdict.reason;
        return give_up(Error::incompatible(operation,
                                           text::format("the buffers are {}: {}", to_string(plan.layout()), why),
                                           "plan anew with all uses together"));
    }
    auto proof = Proof::begin(plan.layout(), 1, uses_, plan.state().serving, *means_.cache);
    if (!proof)
        return give_up(proof.error().error);

    std::vector<std::string> uses = old.uses;
    uses.insert(uses.end(), report_.uses.begin(), report_.uses.end());
    report_.request = old.request;
    report_.uses = std::move(uses);
    report_.layout = plan.layout();
    report_.constraints = *all;
    for (const HeapVerdict& before : old.heaps) {
        HeapVerdict now = before;
        const auto& serving = plan.state().serving;
        const auto heap = std::find_if(serving.begin(), serving.end(),
                                       [&before](const auto& each) { return each->info().name == before.heap.name; });
        if (heap != serving.end()) {
            const HeapVerdict more = proof->attempt(**heap, *added);
            now.uses.insert(now.uses.end(), more.uses.begin(), more.uses.end());
            now.verdict = std::max(before.verdict, more.verdict,
                                   [](const Verdict& a, const Verdict& b) { return a.outcome < b.outcome; });
        } else if (serves(now)) {
            now.verdict =
                Verdict::not_tried("it stood below the heaps of the plan: the added use was not tried with it");
        }
        report_.heaps.push_back(std::move(now));
    }
    note_contiguity(*proof);
    cpu_ = negotiate::together(cpu_, plan.state().cpu);
    order_heaps();
    if (serves(report_.heaps.front()))
        return finished();
    return give_up(Error::incompatible(operation, explain::summary(report_), "plan anew with all uses together"));
}

} // namespace commonbuf
