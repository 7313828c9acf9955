// SPDX-License-Identifier: MIT
#pragma once

#include "negotiate/candidates.hpp"
#include "plan/proof.hpp"
#include "plan/verdict_cache.hpp"

#include <commonbuf/heap.hpp>
#include <commonbuf/plan.hpp>
#include <commonbuf/preferences.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/use.hpp>

#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace commonbuf {

/// What a plan carries besides its report.
struct PlanState {
    std::shared_ptr<const Report> report;
    std::vector<std::shared_ptr<Heap>> serving; ///< in the order of the choice
    std::vector<std::shared_ptr<Heap>> heaps;   ///< all that were looked at
    Preferences preferences;
    std::shared_ptr<VerdictCache> cache;
    std::optional<Access> cpu; ///< what the CPU does in all uses together
};

/// What an allocator plans with.
struct Means {
    const std::vector<std::shared_ptr<Heap>>& heaps;
    const Preferences& preferences;
    std::shared_ptr<VerdictCache> cache;
};

/// One call of Allocator::plan() or Allocator::add(): collects what every use supports,
/// merges it, proves the layouts on the heaps, and ranks what is left.
class Planning {
public:
    Planning(const Request& request, std::span<const Use> uses, Means means,
             std::vector<ResolvedPurpose> purposes = {});

    Result<Plan> run();

    /// The layout and the heaps of a plan, with these uses besides its own.
    Result<Plan> extend(const Plan& plan);

private:
    Result<std::vector<negotiate::UseSupport>> ask();
    Result<std::optional<Layout>> fitted(Layout layout, const Constraints& constraints);
    Result<bool> attempt(const negotiate::Candidate& candidate);
    std::vector<negotiate::Proposal> proposals(const ImageWay& way);
    bool is_forbidden(const Heap& heap) const;
    void order_heaps();
    void note_contiguity(const Proof& proof);
    void set_aside(const Layout& layout);
    Result<Constraints> added_constraints(const Plan& plan, std::span<const negotiate::UseSupport> supports) const;
    Plan finished();
    Error give_up(Error error);

    std::span<const Use> uses_;
    Means means_;
    Report report_;
    std::optional<Access> cpu_;        ///< what the CPU does in all uses together
    std::optional<Error> no_proposal_; ///< the first heap that could not say its layout
};

} // namespace commonbuf
