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
#include <commonbuf/verdict.hpp>

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace commonbuf {

class VerdictCache; // the library's own

/// Options of Allocator::verify().
struct VerifyOptions {
    std::uint32_t frames = 30;                                 ///< for each use
    Deadline deadline = deadline_in(std::chrono::seconds(60)); ///< for all uses together
};

struct UseContent {
    std::string use; ///< as the use names itself
    Content content;
    Verdict verdict; ///< what is known now of this use and heap; not_tried if that did not change
};

/// What proof by content found out about a plan.
struct Verification {
    std::string heap; ///< where the buffers came from
    std::uint32_t buffers = 0;
    std::vector<UseContent> uses;
};

/// Finds memory and a layout that a set of uses accepts, and proves it by trying.
///
/// Thread-compatible: one call at a time on one object.
class COMMONBUF_API Allocator {
public:
    /// Plan with the heaps of this machine, found at the first plan. If none of them serves, or
    /// Preferences::prefer names it, also with the own memory of the uses' devices
    /// (Importer::own_heap()).
    Allocator();

    /// Plan with these heaps and no others. Their names must differ, and none may be null: otherwise every
    /// plan fails with invalid_argument.
    explicit Allocator(std::vector<std::shared_ptr<Heap>> heaps);

    /// Add a heap: of GBM, of Vulkan, of the caller's own. It is ranked like the others;
    /// Preferences::prefer puts it in front.
    ///
    /// Errors: invalid_argument (no heap, or one of that name is there already).
    Status add_heap(std::shared_ptr<Heap> heap);

    /// Keep verdicts in a file too, for other processes under the same boot. The file holds the
    /// names of drivers and heaps with the results of trials, and only its owner may read it.
    /// Without it verdicts live as long as the allocator and its copies. If the file cannot be
    /// written later, the log says so, and plans do not fail.
    ///
    /// Whoever can write the file decides what counts as proved: keep it in a folder that only
    /// this user can write. Errors: invalid_argument (the file holds something else, or is not a
    /// regular file), and those of reading it.
    Status remember_in(std::string path);

    /// Plan one image that all uses accept. The `report` of an error holds every heap and every
    /// use with its verdict.
    ///
    /// The first plan takes a few milliseconds for each heap and use: it allocates and imports.
    /// Afterwards the verdicts are known, by the identities of the use and the heap and by the layout.
    /// What fails for a reason that may pass is not remembered. A device that refuses at work what it
    /// took in a trial replaces the verdict (refuted()). Devices are left as they were, even if the program is
    /// killed meanwhile: while a trial has another format set on a camera or a video output, a
    /// child process stands by to put it back. It raises no SIGCHLD, wait(2) does not see it, and
    /// it is gone when this returns. It costs as much as fork(2); if the system does not allow
    /// it, the trial goes on without.
    ///
    /// Buffers of a plan can be made as long as the plan lives; the uses need not outlive the
    /// call.
    ///
    /// Errors: invalid_argument (sizes, unknown format, no use or one without an importer, senseless CPU
    /// costs, heaps that the constructor says more of); busy,
    /// not_present, permission_denied, not_master, device_gone, lease_revoked or device_failed (a
    /// device cannot be used now); too_many_files (the descriptors ran out, so that trials say
    /// nothing); incompatible (no layout or no heap serves every use; Report::nearest tells where a
    /// conversion would do); another category that may pass (a device could not be asked).
    Result<Plan> plan(const Request& request, std::span<const Use> uses, const Preferences& preferences = {});
    Result<Plan> plan(const Request& request, std::initializer_list<Use> uses, const Preferences& preferences = {})
    {
        return plan(request, std::span(uses.begin(), uses.size()), preferences);
    }

    /// Plan with the devices that resolve() finds for a purpose; Report::purposes names them.
    /// `gpu` are the uses of the caller's GPU.
    ///
    /// Errors: those of resolve() and of plan().
    Result<Plan> plan(const Request& request, Purpose purpose, const Preferences& preferences = {},
                      std::span<const Use> gpu = {});

    /// Add a use to a plan. The new plan has the same layout, and those of the heaps that the new
    /// use can use too. Ask it whether a buffer still serves (Plan::serves()); the old plan stays
    /// as it is.
    ///
    /// Errors: incompatible (the new use takes neither this layout nor memory of these
    /// heaps; the report says why: plan anew with all uses), and those of plan().
    Result<Plan> add(const Plan& plan, const Use& use);

    /// Tell that a use refused, at work, memory of the plan's first heap that it took in its trial: at
    /// an atomic commit, for example. The verdict becomes a refusal with this error, also in the
    /// file of remember_in(), so that the next plan is another one and says why. V4L2 queues, DRM
    /// framebuffers and Vulkan imports tell it by themselves of the buffers of a plan.
    ///
    /// Returns whether that changed what is known. It does not if the error may pass
    /// (Error::is_final()), or if nothing is remembered of the use or the heap (empty identities).
    bool refuted(const Plan& plan, const Use& use, const Error& error);

    /// Prove a plan by content: let every use really work in buffers of its first heap, one use
    /// after the other, and compare. A use that fails or cannot be checked is an entry that says
    /// so, not an error.
    ///
    /// What it shows is remembered like the verdicts of trials. Different bytes are a refusal. The same
    /// bytes are Outcome::verified, if the heap's memory is known to be in one piece or the use does
    /// as well in memory that certainly has breaks (of udmabuf): otherwise a later buffer could
    /// differ from these. Verification::uses says so.
    ///
    /// The devices stream or show pictures during the call. A camera or codec that another
    /// program streams from, and a display that another program is master of, are left alone.
    /// Formats, controls and displays are put back afterwards. Call it with the uses of the plan,
    /// before frames flow.
    ///
    /// Errors: out_of_memory (the heap has no room for the buffers), invalid_argument (no
    /// frames, no uses), unsupported (the library was built without proof by content).
    Result<Verification> verify(const Plan& plan, std::span<const Use> uses, const VerifyOptions& options = {});
    Result<Verification> verify(const Plan& plan, std::initializer_list<Use> uses, const VerifyOptions& options = {})
    {
        return verify(plan, std::span(uses.begin(), uses.size()), options);
    }

    /// The heaps that plans choose from, except those that uses bring.
    const std::vector<std::shared_ptr<Heap>>& heaps();

private:
    Result<Plan> plan(const Request& request, std::span<const Use> uses, const Preferences& preferences,
                      std::vector<ResolvedPurpose> purposes);
    std::vector<std::shared_ptr<Heap>> own_heaps(std::span<const Use> uses);

    std::vector<std::shared_ptr<Heap>> heaps_;
    Status sensible_;   ///< what is wrong with the caller's heaps
    bool finds_ = true; ///< plans with the heaps of this machine, not with the caller's
    bool found_ = false;
    std::shared_ptr<VerdictCache> cache_;
};

} // namespace commonbuf
