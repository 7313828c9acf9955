// SPDX-License-Identifier: MIT
#pragma once

#include "negotiate/candidates.hpp"
#include "plan/proof.hpp"
#include "plan/verdict_cache.hpp"

#include <commonbuf/heap.hpp>
#include <commonbuf/plan.hpp>
#include <commonbuf/preferences.hpp>
#include <commonbuf/report.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/use.hpp>

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

// How a plan is made, by an example: XR24 1366x768 (or NV12, if XR24 does not work), which a camera
// fills and a display shows.
//
// 1. ask(): every use tells its arrangements of the image. Three are there, one is shared:
//
//                                  XR24 X_TILED    XR24 LINEAR           NV12 LINEAR
//      camera  v4l2:/dev/video0         -          stride from 5464          yes
//      display drm:/dev/dri/card0      yes         stride_align 64            -
//                                  ------------    -------------------   -----------
//      shared                           -          5464, rounded to 64        -
//
// 2. negotiate::Candidates merges the constraints of a shared arrangement, and gives layouts from
//    tight to padded: strides of 5504, 5632 and 6144 bytes. If they are used up, heaps propose
//    layouts of their own (Heap::propose()).
//
// 3. fit(): the drivers round the sizes of the first layout up, until all of them agree.
//
// 4. prove(): every use tries the layout in memory of every heap (Proof). Two heaps give a matrix
//    of verdicts; a heap is as good as the worst of its uses:
//
//                      camera                     display               the heap
//      system          refused                    accepted              refused
//                      (VIDIOC_PREPARE_BUF,       (DRM_IOCTL_MODE_
//                      EFAULT: scattered)         ADDFB2)
//      linux,cma       proved                     accepted              accepted
//
//    The camera refused scattered pages and took contiguous ones, so "contiguous" joins the
//    constraints. If a use takes only memory that is larger than the layout, the memories grow, and 4
//    is done once more.
//
// 5. rank(): ranking::compare() puts linux,cma above system, by the key `outcome`.
//
// 6. linux,cma serves: it is chosen, and the plan is done. If no heap served, 3 to 5 would go on
//    with the stride of 5632. If no layout serves at all, or nobody knows whether a device reaches the
//    memory that does, 2 to 5 are done once more with the memory that the devices bring
//    (Importer::own_heap()) beside the heaps; known verdicts are kept. If that does not help either,
//    the report tells about the first layout that was tried.
//
// Allocator::add() begins with the layout of the old plan instead of 2, and then goes through 3 to 5
// with the new use only.

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

/// The verdict on memory that a device took in a trial, and refused when it was to work with it.
Verdict refused_at_work(const Error& error);

/// What an allocator plans with.
struct PlanningContext {
    std::vector<std::shared_ptr<Heap>> heaps;
    std::vector<std::shared_ptr<Heap>> own_heaps; ///< memory that devices bring, tried if `heaps` do not serve
    const Preferences& preferences;
    std::shared_ptr<VerdictCache> cache;
};

/// Makes one plan. Each stage takes values and returns values; nothing here changes after the
/// constructor.
class Planning {
public:
    Planning(Request request, std::span<const Use> uses, const PlanningContext& context,
             std::vector<ResolvedPurpose> purposes = {});

    /// Plan from the beginning. Errors: see Allocator::plan().
    Result<Plan> run() const;

    /// Plan with the layout and the heaps of an old plan, with these uses besides its own.
    /// Errors: see Allocator::add().
    Result<Plan> extend(const Plan& plan) const;

private:
    using Heaps = std::vector<std::shared_ptr<Heap>>;

    /// The answers of all uses, and those that do not take the image.
    struct Answers {
        std::vector<negotiate::UseSupport> supports;
        std::vector<UseVerdict> not_served;
        std::optional<Error> error; ///< the first that matters
    };
    /// A layout as the devices round it up, or who refuses it.
    struct Fitted {
        Layout layout;
        std::optional<LayoutVerdict> refusal;
    };
    /// What became of one candidate.
    struct Attempt {
        Layout candidate; ///< as negotiation gave it
        Layout layout;    ///< as the devices round it up
        Constraints constraints;
        std::vector<HeapVerdict> heaps; ///< best first; none if a use refused the layout as such
        std::optional<LayoutVerdict> refusal;
        std::optional<CpuCostEffect> cpu_cost_effect;
        Proof::Slack slack; ///< what uses want beyond the layout

        bool serves() const { return !heaps.empty() && heaps.front().verdict.serves(); }
    };
    /// What heaps proposed, by arrangement, and the first that could not tell.
    struct Proposals {
        std::map<Arrangement, std::vector<negotiate::Proposal>> by_arrangement;
        std::optional<Error> error;
    };
    /// What became of all candidates: the last one serves, or none does.
    struct Search {
        std::vector<Attempt> attempts;
        Proposals proposals;
        std::optional<NearestConversion> nearest;
        std::optional<Error> why_none; ///< set if there was no candidate, or a device cannot be used
    };

    Answers ask() const;
    Search search(std::span<const negotiate::UseSupport> supports, const Heaps& heaps, Search before) const;
    Result<Attempt> attempt(const negotiate::Candidate& candidate, const Heaps& heaps, const Attempt* before) const;
    Result<Fitted> fit(Layout layout, const Constraints& constraints) const;
    Status prove(Attempt& attempt, const Constraints& asked, const Heaps& heaps, std::uint32_t count) const;
    Status prove_and_grow(Attempt& attempt, const Constraints& asked, const Heaps& heaps) const;
    std::optional<LayoutVerdict> refusal_everywhere(const Attempt& attempt) const;
    void gather(Proposals& proposals, const WantedImage& image, const Heaps& heaps) const;
    bool is_forbidden(const Heap& heap, const Heaps& all) const;
    Result<Constraints> added_constraints(const Plan& plan, std::span<const negotiate::UseSupport> supports) const;
    Report begun_report() const;
    Plan finished(Report report, const Attempt& attempt, const Heaps& heaps, std::optional<Access> cpu) const;

    Request request_;
    std::span<const Use> uses_;
    const PlanningContext& context_;
    std::vector<ResolvedPurpose> purposes_;
    std::vector<std::string> names_; ///< of the uses
    std::optional<Access> cpu_;      ///< what the CPU does in all uses together
};

} // namespace commonbuf
