// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/content.hpp>
#include <commonbuf/deadline.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/heap.hpp>
#include <commonbuf/plan.hpp>
#include <commonbuf/preferences.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/purpose.hpp>
#include <commonbuf/use.hpp>
#include <commonbuf/report.hpp>

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace commonbuf {

class VerdictCache; // the library's own

/// How Allocator::verify() goes about it.
struct VerifyOptions {
    std::uint32_t frames = 30;                        ///< for each use
    Deadline deadline = in(std::chrono::seconds(60)); ///< for all uses together
};

struct UseContent {
    std::string use; ///< as the use names itself
    Content content;
};

/// What proof by content found out about a plan.
struct Verification {
    std::string heap; ///< which the buffers came from
    std::uint32_t buffers = 0;
    std::vector<UseContent> uses;
};

/// Finds memory and a layout that a set of uses accepts, and proves it by trying.
///
/// Thread-compatible: one call at a time on one object.
class COMMONBUF_API Allocator {
public:
    /// The heaps of this machine, found at the first plan. Where none of them serves, or
    /// Preferences::prefer names them, also those that the devices of a plan's uses are
    /// themselves (Importer::own_heap()).
    Allocator();

    /// These heaps and no others. Their names must differ.
    explicit Allocator(std::vector<std::shared_ptr<Heap>> heaps);

    /// One heap more, beside those that there are: of GBM, of Vulkan, of the caller's own. It is
    /// ranked as they are; Preferences::prefer puts it in front.
    ///
    /// Errors: invalid_argument (no heap; there is one of that name already).
    Status add_heap(std::shared_ptr<Heap> heap);

    /// Keeps verdicts in a file too, for other processes under the same boot: the names of
    /// drivers and heaps with what became of trials, for its owner alone. Without it
    /// verdicts live as long as the allocator and its copies. A file that cannot be written
    /// later is told to the log and fails no plan.
    ///
    /// Whoever can write the file decides what counts as proved: keep it in a folder of
    /// this user's own. Errors: invalid_argument (the file holds something else), and what
    /// reading gives.
    Status remember_in(std::string path);

    /// A plan for one image that all uses accept, or an error whose `report` holds
    /// every heap and every use with its verdict.
    ///
    /// Costs a few milliseconds for each heap and use the first time: it allocates and
    /// imports. Afterwards the verdicts are known, by the use's identity, the heap and the
    /// layout, until a device refuses what it took before. Devices are left as they were,
    /// even when the program is killed meanwhile: while a trial has another format set on
    /// a camera or a video output, a child process stands by that puts it back. It raises
    /// no SIGCHLD, wait(2) does not see it, and it is gone when this returns. It costs what
    /// fork(2) costs; where the system allows none, the trial goes on without.
    ///
    /// Buffers of a plan may be made as long as the plan lives; the uses need not outlive
    /// the call.
    ///
    /// Errors: invalid_argument (sizes, unknown format, no use, CPU costs without sense), busy, device_lost,
    /// not_present or permission_denied (a device cannot be used now), incompatible
    /// (no layout or no heap serves every use; Report::nearest says where a conversion
    /// would do).
    Result<Plan> plan(const Request& request, std::span<const Use> uses, const Preferences& preferences = {});
    Result<Plan> plan(const Request& request, std::initializer_list<Use> uses, const Preferences& preferences = {})
    {
        return plan(request, std::span(uses.begin(), uses.size()), preferences);
    }

    /// The short form: a plan for what the image is for, with the devices that resolve()
    /// finds; Report::purposes says which. `gpu` are the uses of the caller's GPU.
    ///
    /// Errors: those of resolve() and of plan().
    Result<Plan> plan(const Request& request, Purpose purpose, const Preferences& preferences = {},
                      std::span<const Use> gpu = {});

    /// What a plan becomes with one use more: the same layout, and those of its heaps that
    /// the new use can use too. Ask the new plan whether a buffer still serves
    /// (Plan::serves()); the old plan stays as it is.
    ///
    /// Errors: incompatible (the new use takes neither this layout nor memory of these
    /// heaps; the report says which and why: plan anew with all uses), and those of plan().
    Result<Plan> add(const Plan& plan, const Use& use);

    /// Proof by content: lets every use of a plan really work in buffers of its first
    /// heap, one use after the other, and compares. A use that fails or cannot be
    /// checked is an entry that says so, not an error.
    ///
    /// The devices stream or show pictures for the time of the call (a camera or codec
    /// that somebody else streams from, and a display that somebody else is master of,
    /// are left alone); formats, controls and displays are put back afterwards. Call it
    /// with the uses of the plan, before frames flow.
    ///
    /// Errors: exhausted (the heap has no room for the buffers), invalid_argument (no
    /// frames, no uses).
    Result<Verification> verify(const Plan& plan, std::span<const Use> uses, const VerifyOptions& options = {});
    Result<Verification> verify(const Plan& plan, std::initializer_list<Use> uses, const VerifyOptions& options = {})
    {
        return verify(plan, std::span(uses.begin(), uses.size()), options);
    }

    /// The heaps that plans choose from, but for those that uses bring.
    const std::vector<std::shared_ptr<Heap>>& heaps();

private:
    Result<Plan> plan(const Request& request, std::span<const Use> uses, const Preferences& preferences,
                      std::vector<ResolvedPurpose> purposes);
    std::vector<std::shared_ptr<Heap>> heaps_with_own(std::span<const Use> uses);

    std::vector<std::shared_ptr<Heap>> heaps_;
    bool finds_ = true; ///< the heaps of this machine, not those of the caller
    bool found_ = false;
    std::shared_ptr<VerdictCache> cache_;
};

} // namespace commonbuf
