// SPDX-License-Identifier: MIT
//
// The facade: collect what every use supports, merge it, prove the layouts on the
// heaps, and rank what is left.
#include "buffer_state.hpp"
#include "negotiate/candidates.hpp"
#include "negotiate/explain.hpp"
#include "negotiate/rank.hpp"
#include "proof.hpp"
#include "text/text.hpp"

#include <commonbuf/allocator.hpp>

#include <algorithm>
#include <cerrno>
#include <optional>

namespace commonbuf {
namespace {

bool serves(const HeapVerdict& heap) { return heap.verdict.outcome <= Outcome::accepted; }

/// Failures of a device as such: no other layout or heap would mend them.
bool is_final(const Error& error)
{
    switch (error.category) {
    case Category::busy:
    case Category::device_lost:
    case Category::not_present:
    case Category::permission_denied: return true;
    default: return false;
    }
}

/// Whether a heap has no room left. Other things run out too (EMFILE), and no other
/// heap would mend that.
bool is_full(const Error& error)
{
    return error.sys_errno == ENOMEM || error.sys_errno == ENOSPC ||
           (error.category == Category::exhausted && error.sys_errno == 0);
}

/// One call of Allocator::plan().
class Planning {
public:
    Planning(const Request& request, std::span<const Use> uses, const std::vector<std::shared_ptr<Heap>>& heaps)
        : uses_(uses),
          heaps_(heaps)
    {
        report_.request = request;
        for (const Use& use : uses)
            report_.uses.push_back(use.name());
    }

    Result<Plan> run()
    {
        const auto supports = ask();
        if (!supports)
            return give_up(supports.error());
        const auto candidates = negotiate::candidates(report_.request, *supports);
        if (!candidates)
            return give_up(candidates.error());

        std::optional<Report> first;
        for (const negotiate::Candidate& candidate : *candidates) {
            const auto served = attempt(candidate);
            if (!served)
                return give_up(served.error());
            if (*served)
                return plan();
            if (!first && !report_.heaps.empty())
                first = report_;
        }
        // What is said of the least padded layout says most.
        if (first) {
            first->set_aside = report_.set_aside;
            report_ = std::move(*first);
        }
        Error error;
        error.category = Category::incompatible;
        error.operation = text::format("plan {} {}x{}", to_string(report_.request.format), report_.request.width,
                                       report_.request.height);
        error.detail = negotiate::summary(report_);
        return give_up(std::move(error));
    }

private:
    Result<std::vector<negotiate::UseSupport>> ask()
    {
        std::vector<negotiate::UseSupport> supports;
        std::optional<Error> unsupported;
        for (const Use& use : uses_) {
            auto support = use.importer().support(report_.request);
            if (support) {
                supports.push_back({use.name(), std::move(*support)});
                continue;
            }
            report_.not_served.push_back({use.name(), refused(support.error(), "support")});
            if (is_final(support.error()))
                return fail(support.error());
            if (!unsupported)
                unsupported = support.error();
        }
        if (unsupported) {
            unsupported->category = Category::incompatible;
            return fail(std::move(*unsupported));
        }
        return supports;
    }

    /// What the uses make of a layout; nothing when one refuses it.
    Result<std::optional<Layout>> fitted(Layout layout)
    {
        for (const Use& use : uses_) {
            const auto answer = use.importer().fit(layout);
            if (!answer) {
                if (is_final(answer.error()))
                    return fail(answer.error());
                report_.set_aside.push_back({layout, use.name(), refused(answer.error(), "fit")});
                return std::nullopt;
            }
            for (std::uint32_t i = 0; i < layout.memory_count; ++i)
                layout.memory_sizes[i] = std::max(layout.memory_sizes[i], answer->memory_sizes[i]);
        }
        // Where nobody knows what lies where, all of it counts.
        if (is_opaque(layout.format))
            layout.planes[0].size = layout.memory_sizes[0];
        return layout;
    }

    /// A trial of every use; none where one of them refuses the layout after all.
    Result<std::vector<Proof::UseTrial>> begin_trials(const Layout& layout)
    {
        std::vector<Proof::UseTrial> trials;
        for (const Use& use : uses_) {
            auto trial = use.importer().begin_trial(layout);
            if (trial) {
                trials.push_back({use.name(), std::move(*trial)});
                continue;
            }
            if (is_final(trial.error()))
                return fail(trial.error());
            report_.set_aside.push_back({layout, use.name(), refused(trial.error(), "begin a trial")});
            trials.clear();
            break;
        }
        return trials;
    }

    /// Whether some heap serves every use with this layout; the report has the rest.
    Result<bool> attempt(const negotiate::Candidate& candidate)
    {
        const auto layout = fitted(candidate.layout);
        if (!layout)
            return fail(layout.error());
        if (!*layout)
            return false;
        auto trials = begin_trials(**layout);
        if (!trials)
            return fail(trials.error());
        if (trials->empty())
            return false;
        Proof proof(**layout, report_.request.count, std::move(*trials));

        report_.layout = **layout;
        report_.constraints = candidate.constraints;
        for (Origin& origin : proof.contiguity()) {
            report_.constraints.contiguous = true;
            report_.constraints.add_origin(std::move(origin));
        }
        report_.heaps.clear();
        for (const auto& heap : heaps_)
            report_.heaps.push_back(proof.attempt(*heap));
        std::sort(report_.heaps.begin(), report_.heaps.end(), negotiate::better);
        if (!report_.heaps.empty() && serves(report_.heaps.front()))
            return true;
        set_aside(**layout);
        return false;
    }

    /// Notes which use refused a layout on every heap on which it was tried.
    void set_aside(const Layout& layout)
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

    Plan plan()
    {
        std::vector<std::shared_ptr<Heap>> serving;
        const Outcome best = report_.heaps.front().verdict.outcome;
        for (const HeapVerdict& entry : report_.heaps) {
            if (entry.verdict.outcome != best)
                break;
            serving.push_back(*std::find_if(heaps_.begin(), heaps_.end(), [&entry](const auto& heap) {
                return heap->info().name == entry.heap.name;
            }));
        }
        return {std::make_shared<const Report>(std::move(report_)), std::move(serving)};
    }

    tl::unexpected<Error> give_up(Error error)
    {
        error.report = std::make_shared<const Report>(std::move(report_));
        return fail(std::move(error));
    }

    std::span<const Use> uses_;
    const std::vector<std::shared_ptr<Heap>>& heaps_;
    Report report_;
};

} // namespace

const std::vector<std::shared_ptr<Heap>>& Allocator::heaps()
{
    if (!found_) {
        heaps_ = find_heaps();
        found_ = true;
    }
    return heaps_;
}

Result<Plan> Allocator::plan(const Request& request, std::span<const Use> uses)
{
    if (uses.empty())
        return fail(Category::invalid_argument, "plan", "there is no use", "name at least one device");
    if (const Status sensible = negotiate::check_request(request); !sensible)
        return fail(sensible.error());
    return Planning(request, uses, heaps()).run();
}

Result<Buffer> Plan::allocate() const
{
    std::string full;
    for (const auto& heap : heaps_) {
        auto memories = allocate_memories(*heap, layout());
        if (memories)
            return make_buffer(layout(), std::move(*memories), heap->info().name, full);
        // Only a full heap makes way for the next one: any other failure is news.
        if (!is_full(memories.error()))
            return fail(memories.error());
        full += (full.empty() ? "" : "; ") + memories.error().message();
    }
    return fail(Error{Category::exhausted, ENOMEM, text::format("allocate {} bytes", layout().total_size()),
                      "every heap of the plan is full: " + full, "release buffers, or plan with fewer or smaller ones",
                      nullptr});
}

} // namespace commonbuf
