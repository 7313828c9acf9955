// SPDX-License-Identifier: MIT
#include "plan/planning.hpp"

#include "base/text.hpp"
#include "explain/explain.hpp"
#include "format/twins.hpp"
#include "negotiate/objection.hpp"
#include "negotiate/sizes.hpp"
#include "plan/ranking.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace commonbuf {
namespace {

constexpr const char* plan_anew = "plan anew with all uses together";

Error give_up(Error error, Report report)
{
    error.report = std::make_shared<const Report>(std::move(report));
    return error;
}

constexpr auto name_of_heap = [](const std::shared_ptr<Heap>& heap) -> const std::string& { return heap->info().name; };
constexpr auto name_of_judged = [](const HeapVerdict& each) -> const std::string& { return each.heap.name; };

/// Why a heap or a use could not be tried; nothing if all heaps have their answers.
std::optional<Category> undecided(const std::vector<HeapVerdict>& heaps)
{
    for (const HeapVerdict& heap : heaps) {
        if (!heap.heap.obstacle && heap.verdict.outcome == Outcome::not_tried && heap.verdict.category)
            return heap.verdict.category;
        for (const UseVerdict& use : heap.uses) {
            if (use.verdict.outcome == Outcome::not_tried && use.verdict.category)
                return use.verdict.category;
        }
    }
    return std::nullopt;
}

/// Whether the best heap merely may lie where a device reaches it.
bool is_reach_in_doubt(const Constraints& constraints, const HeapVerdict& best)
{
    constexpr std::uint32_t all = 64;
    return best.verdict.outcome == Outcome::accepted && constraints.address_bits < all &&
           best.heap.memory.address_bits.value_or(all) > constraints.address_bits;
}

/// The verdicts of an old plan, with those of the added uses on its heaps.
std::vector<HeapVerdict> joined(const Plan& old, const std::vector<HeapVerdict>& added)
{
    std::vector<HeapVerdict> result;
    for (HeapVerdict heap : old.report().heaps) {
        const auto more = std::ranges::find(added, heap.heap.name, name_of_judged);
        if (more != added.end()) {
            heap.uses.insert(heap.uses.end(), more->uses.begin(), more->uses.end());
            if (heap.verdict.outcome < more->verdict.outcome)
                heap.verdict = more->verdict;
        } else if (heap.verdict.serves()) {
            heap.verdict =
                Verdict::not_tried("it stood below the heaps of the plan: the added use was not tried with it");
        }
        result.push_back(std::move(heap));
    }
    return result;
}

} // namespace

Planning::Planning(Request request, std::span<const Use> uses, const PlanningContext& context,
                   std::vector<ResolvedPurpose> purposes)
    : request_(std::move(request)),
      uses_(uses),
      context_(context),
      purposes_(std::move(purposes))
{
    for (const Use& use : uses) {
        names_.push_back(use.name());
        cpu_ = ranking::together(cpu_, use.importer().cpu_access());
    }
}

Result<Plan> Planning::run() const
{
    const Answers answers = ask();
    Report report = begun_report();
    report.not_served = answers.not_served;
    if (answers.error) {
        // The others may share an arrangement, to which this one could be converted.
        Error error = *answers.error;
        if (!error.concerns_device() && !error.is_transient()) {
            report.nearest = negotiate::Candidates(request_, answers.supports).nearest();
            if (error.category != Category::invalid_argument) // nothing fits what is none
                error.category = Category::incompatible;
            if (uses_.size() > 1 && report.nearest)
                error.detail += "; " + explain::describe(*report.nearest, names_.size());
        }
        return give_up(std::move(error), std::move(report));
    }

    // Asking for a device's own memory takes its queue for a moment, and drivers warn in the
    // kernel's log of sizes that they do not have. So it is tried only if the caller prefers it, if
    // nothing else serves, or if nobody knows whether a device reaches what does.
    Heaps heaps = context_.heaps;
    Heaps own = context_.own_heaps;
    if (std::ranges::any_of(own, [this](const auto& heap) {
            return ranking::preference(heap->info(), context_.preferences).has_value();
        })) {
        heaps.insert(heaps.end(), own.begin(), own.end());
        own.clear();
    }
    Search found = search(answers.supports, heaps, {});
    const auto serves = [&found] { return !found.attempts.empty() && found.attempts.back().serves(); };
    const bool incompatible = !found.why_none || found.why_none->category == Category::incompatible;
    if ((serves() ? is_reach_in_doubt(found.attempts.back().constraints, found.attempts.back().heaps.front())
                  : incompatible) &&
        !own.empty()) {
        heaps.insert(heaps.end(), own.begin(), own.end());
        found = search(answers.supports, heaps, std::move(found));
    }

    // What is said of the least padded layout says most.
    const auto shown = serves() ? std::prev(found.attempts.end())
                                : std::find_if(found.attempts.begin(), found.attempts.end(),
                                               [](const Attempt& each) { return !each.heaps.empty(); });
    if (shown != found.attempts.end()) {
        report.layout = shown->layout;
        report.constraints = shown->constraints;
        report.heaps = shown->heaps;
        report.cpu_cost_effect = shown->cpu_cost_effect;
    }
    for (const Attempt& each : found.attempts) {
        if (each.refusal)
            report.set_aside.push_back(*each.refusal);
    }
    if (serves())
        return finished(std::move(report), *shown, heaps, cpu_);

    report.nearest = found.nearest;
    // What was not tried may serve at the next call.
    const auto open = shown != found.attempts.end() ? undecided(shown->heaps) : std::nullopt;
    Error error = found.why_none ? *found.why_none
                                 : Error::incompatible(text::format("plan {} {}x{}", to_string(request_.format),
                                                                    request_.width, request_.height),
                                                       explain::summary(report));
    if (!found.why_none && open)
        error.category = *open;
    if (report.nearest) {
        error.detail += "; " + explain::describe(*report.nearest, names_.size());
        error.advice = "convert there, or add a format that all of them have";
    }
    if (found.proposals.error && !error.concerns_device())
        error.detail += "; " + found.proposals.error->message();
    return give_up(std::move(error), std::move(report));
}

/// Tries the candidates until one serves. `before` is a search that failed with fewer heaps: its
/// verdicts hold, and only the new heaps are tried.
Planning::Search Planning::search(std::span<const negotiate::UseSupport> supports, const Heaps& heaps,
                                  Search before) const
{
    Search result;
    result.proposals = std::move(before.proposals);
    negotiate::Candidates candidates(request_, supports, context_.preferences.constraints);
    while (true) {
        if (const auto candidate = candidates.next()) {
            const auto known = std::ranges::find(before.attempts, candidate->layout, &Attempt::candidate);
            auto made = attempt(*candidate, heaps, known != before.attempts.end() ? &*known : nullptr);
            if (!made) {
                result.why_none = made.error();
                return result;
            }
            result.attempts.push_back(std::move(*made));
            if (result.attempts.back().serves())
                return result;
        } else if (const auto image = candidates.wanted()) {
            gather(result.proposals, *image, heaps);
            candidates.propose(result.proposals.by_arrangement[image->arrangement]);
        } else {
            break;
        }
    }
    if (result.attempts.empty()) {
        result.nearest = candidates.nearest();
        result.why_none = candidates.why_none();
    }
    return result;
}

/// Asks the heaps that were not asked yet how they would lay the image out themselves.
void Planning::gather(Proposals& proposals, const WantedImage& image, const Heaps& heaps) const
{
    const auto [known, is_new] = proposals.by_arrangement.try_emplace(image.arrangement);
    for (const auto& heap : heaps) {
        // The first search asked the heaps of the allocator.
        const bool asked = !is_new && std::find(context_.own_heaps.begin(), context_.own_heaps.end(), heap) ==
                                          context_.own_heaps.end();
        if (asked || !is_tryable(heap->info()) || is_forbidden(*heap, heaps))
            continue;
        const auto layouts = heap->propose(image);
        if (!layouts) {
            if (!proposals.error)
                proposals.error = layouts.error();
            continue;
        }
        for (const Layout& layout : *layouts)
            known->second.push_back({heap->info().name, layout});
    }
}

/// Asks every use for its arrangements.
Planning::Answers Planning::ask() const
{
    Answers answers;
    answers.supports.reserve(uses_.size());
    for (const Use& use : uses_) {
        auto support = use.importer().support(request_);
        if (support) {
            answers.supports.push_back({use.name(), std::move(*support)});
            continue;
        }
        answers.not_served.push_back({use.name(), Verdict::refused(support.error()).settled()});
        if (stops_planning(support.error())) {
            answers.error = support.error();
            return answers;
        }
        if (!answers.error)
            answers.error = support.error();
        answers.supports.push_back({use.name(), std::make_shared<const Support>()});
    }
    return answers;
}

/// One candidate on these heaps: the middle of every plan. Errors: those that concern a device.
Result<Planning::Attempt> Planning::attempt(const negotiate::Candidate& candidate, const Heaps& heaps,
                                            const Attempt* before) const
{
    Attempt result{candidate.layout, candidate.layout, candidate.constraints, {}, {}, {}, {}};
    if (before != nullptr) {
        result = *before;
        // A layout that a use refused as such needs no heap.
        if (result.heaps.empty() && result.refusal)
            return result;
        result.refusal.reset();
    } else {
        auto fitted = fit(candidate.layout, candidate.constraints);
        if (!fitted)
            return fitted.error();
        result.layout = fitted->layout;
        result.refusal = std::move(fitted->refusal);
        if (result.refusal)
            return result;
    }
    Heaps allowed;
    Heaps banned;
    for (const auto& heap : heaps) {
        if (std::ranges::find(result.heaps, name_of_heap(heap), name_of_judged) == result.heaps.end())
            (is_forbidden(*heap, heaps) ? banned : allowed).push_back(heap);
    }
    if (const Status proved = prove_and_grow(result, candidate.constraints, allowed); !proved)
        return proved.error();
    if (result.refusal)
        return result;
    for (const auto& heap : banned)
        result.heaps.push_back({heap->info(), Verdict::not_tried("forbidden by the caller"), {}, {}, {}, {}});
    result.cpu_cost_effect = ranking::order(result.heaps, context_.preferences, cpu_, result.layout.total_size());
    if (!result.serves())
        result.refusal = refusal_everywhere(result);
    return result;
}

/// What the uses make of a layout. Errors: those that concern a device.
Result<Planning::Fitted> Planning::fit(Layout layout, const Constraints& constraints) const
{
    // A size that one device asks for may be rounded up by the next one, and so on.
    constexpr int max_rounds = 4;
    for (int round = 0; round < max_rounds; ++round) {
        const auto before = layout.memory_sizes;
        for (const Use& use : uses_) {
            const auto answer = use.importer().fit(layout);
            if (!answer) {
                if (stops_planning(answer.error()))
                    return answer.error();
                return Fitted{layout, LayoutVerdict{layout, use.name(), Verdict::refused(answer.error()).settled()}};
            }
            for (std::uint32_t i = 0; i < layout.memory_count; ++i)
                layout.memory_sizes[i] = std::max(layout.memory_sizes[i], answer->memory_sizes[i]);
        }
        if (const Status sized = negotiate::fit_sizes(layout, constraints); !sized)
            return Fitted{layout, LayoutVerdict{layout, names_.front(), Verdict::refused(sized.error())}};
        if (layout.memory_sizes == before)
            break;
    }
    // If nobody knows what lies where, all of it counts.
    for (std::uint32_t i = 0; is_opaque(layout.format) && i < layout.memory_count; ++i)
        layout.planes[i].size = layout.memory_sizes[i];
    return Fitted{layout, {}};
}

/// Tries the layout of an attempt on heaps, and notes the verdicts, or the use that does not take
/// it. `asked` is what the uses ask for; what proofs found out stands in the attempt. Errors: what stops
/// planning.
Status Planning::prove(Attempt& attempt, const Constraints& asked, const Heaps& heaps, std::uint32_t count) const
{
    Proof proof({attempt.layout, negotiate::with_odd_sizes(attempt.layout, asked), asked}, count, *context_.cache);
    for (const Use& use : uses_)
        proof.add(use, heaps);
    if (const auto failed = proof.begin()) {
        if (stops_planning(failed->error))
            return failed->error;
        attempt.refusal = {attempt.layout, failed->use, Verdict::refused(failed->error).settled()};
        return {};
    }
    for (const auto& heap : heaps) {
        auto verdict = proof.attempt(*heap);
        if (!verdict)
            return verdict.error();
        attempt.heaps.push_back(std::move(*verdict));
    }
    for (Origin& origin : proof.contiguity()) {
        attempt.constraints.contiguous = true;
        attempt.constraints.add_origin(std::move(origin));
    }
    attempt.slack = proof.slack();
    return {};
}

/// Tries the layout of an attempt, with larger memories if trials show that a use wants bytes beyond it.
/// Errors: what stops planning.
Status Planning::prove_and_grow(Attempt& attempt, const Constraints& asked, const Heaps& heaps) const
{
    // What one device asks for may not do for the next one.
    constexpr int max_rounds = 3;
    // The verdicts of a search before this one are on the smaller memories.
    const bool may_grow = attempt.heaps.empty();
    for (int round = 0; round < max_rounds; ++round) {
        if (Status proved = prove(attempt, asked, heaps, request_.count); !proved || attempt.refusal)
            return proved;
        if (attempt.slack.bytes == 0 || !may_grow)
            return {};
        Layout larger = attempt.layout;
        for (std::uint32_t i = 0; i < larger.memory_count; ++i)
            larger.memory_sizes[i] += attempt.slack.bytes;
        if (!validate(larger) || negotiate::objection(larger, asked))
            return {};
        attempt.layout = larger;
        attempt.heaps.clear();
        for (Origin& origin : attempt.slack.origins) {
            attempt.constraints.min_size = std::max(attempt.constraints.min_size, origin.value);
            attempt.constraints.add_origin(std::move(origin));
        }
    }
    return {};
}

/// The use that refused a layout on every heap on which it was tried.
std::optional<LayoutVerdict> Planning::refusal_everywhere(const Attempt& attempt) const
{
    for (std::size_t i = 0; i < names_.size(); ++i) {
        const Verdict* last = nullptr;
        bool always = true;
        for (const HeapVerdict& heap : attempt.heaps) {
            if (heap.uses.size() <= i)
                continue;
            last = &heap.uses[i].verdict;
            always = always && last->outcome == Outcome::refused;
        }
        if (last != nullptr && always)
            return LayoutVerdict{attempt.layout, names_[i], *last};
    }
    return std::nullopt;
}

/// By its own name or kind, or by another name of the same region.
bool Planning::is_forbidden(const Heap& heap, const Heaps& all) const
{
    const auto& words = context_.preferences.forbid;
    return std::any_of(words.begin(), words.end(), [&](const std::string& word) {
        return ranking::names(word, heap.info()) || std::any_of(all.begin(), all.end(), [&](const auto& other) {
                   return other->info().same_as == heap.info().name && other->info().name == word;
               });
    });
}

Report Planning::begun_report() const
{
    Report report;
    report.request = request_;
    report.preferences = context_.preferences;
    report.uses = names_;
    report.purposes = purposes_;
    return report;
}

Plan Planning::finished(Report report, const Attempt& attempt, const Heaps& heaps, std::optional<Access> cpu) const
{
    Heaps serving;
    // That one heap was verified too makes no proved one worse than it was.
    const Outcome worst = std::max(attempt.heaps.front().verdict.outcome, Outcome::proved);
    for (const HeapVerdict& entry : attempt.heaps) {
        if (entry.verdict.outcome > worst)
            break;
        serving.push_back(*std::ranges::find(heaps, entry.heap.name, name_of_heap));
    }
    return Plan(
        std::make_shared<PlanState>(PlanState{std::make_shared<const Report>(std::move(report)), std::move(serving),
                                              heaps, context_.preferences, context_.cache, cpu}));
}

/// What the added uses ask of a layout that stands. Errors: incompatible.
Result<Constraints> Planning::added_constraints(const Plan& plan, std::span<const negotiate::UseSupport> supports) const
{
    const Layout& layout = plan.layout();
    const Arrangement arrangement = arrangement_of(layout);
    Constraints added;
    for (const negotiate::UseSupport& use : supports) {
        const Support::Entry* entry = negotiate::find_entry(*use.support, arrangement);
        if (entry == nullptr)
            return Error::incompatible("add " + use.use, text::format("it does not take {}", to_string(arrangement)),
                                       plan_anew);
        auto both = merge(added, *entry->constraints);
        if (!both)
            return both.error();
        added = std::move(*both);
    }
    if (const auto against = negotiate::objection(layout, added))
        return Error::incompatible("add " + names_.front(),
                                   text::format("{} does not do: {}", to_string(layout), against->reason), plan_anew);
    return added;
}

Result<Plan> Planning::extend(const Plan& plan) const
{
    const std::string operation = "add " + names_.front();
    const Report& old = plan.report();
    Report report = begun_report();
    const Answers answers = ask();
    report.not_served = answers.not_served;
    if (answers.error) {
        Error error = *answers.error;
        if (!error.concerns_device() && !error.is_transient())
            error.category = Category::incompatible;
        return give_up(std::move(error), std::move(report));
    }
    const auto added = added_constraints(plan, answers.supports);
    if (!added)
        return give_up(added.error(), std::move(report));
    auto all = merge(old.constraints, *added);
    if (!all)
        return give_up(all.error(), std::move(report));

    const auto fitted = fit(plan.layout(), *added);
    if (!fitted)
        return give_up(fitted.error(), std::move(report));
    Attempt attempt{plan.layout(), plan.layout(), *added, {}, fitted->refusal, {}, {}};
    if (!attempt.refusal && fitted->layout != plan.layout())
        attempt.refusal = {fitted->layout, names_.front(), Verdict::not_tried("it needs " + to_string(fitted->layout))};
    if (!attempt.refusal) {
        if (const Status proved = prove(attempt, *added, plan.state().serving, 1); !proved)
            return give_up(proved.error(), std::move(report));
    }
    if (attempt.refusal) {
        report.set_aside.push_back(*attempt.refusal);
        return give_up(Error::incompatible(operation,
                                           text::format("the buffers are {}: {}", to_string(plan.layout()),
                                                        attempt.refusal->verdict.reason),
                                           plan_anew),
                       std::move(report));
    }

    // What the proof found out about contiguity holds for the new plan.
    all->contiguous = all->contiguous || attempt.constraints.contiguous;
    for (const Origin& origin : attempt.constraints.origins)
        all->add_origin(origin);
    const auto cpu = ranking::together(cpu_, plan.state().cpu);
    attempt.heaps = joined(plan, attempt.heaps);
    attempt.cpu_cost_effect = ranking::order(attempt.heaps, context_.preferences, cpu, attempt.layout.total_size());
    report.request = old.request;
    report.uses = old.uses;
    report.uses.insert(report.uses.end(), names_.begin(), names_.end());
    report.layout = attempt.layout;
    report.constraints = std::move(*all);
    report.heaps = attempt.heaps;
    report.cpu_cost_effect = attempt.cpu_cost_effect;
    if (attempt.serves())
        return finished(std::move(report), attempt, context_.heaps, cpu);
    Error error = Error::incompatible(operation, explain::summary(report), plan_anew);
    return give_up(std::move(error), std::move(report));
}

} // namespace commonbuf
