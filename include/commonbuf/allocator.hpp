// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/content.hpp>
#include <commonbuf/deadline.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/heap.hpp>
#include <commonbuf/plan.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/use.hpp>
#include <commonbuf/verdict.hpp>

#include <memory>
#include <span>
#include <vector>

namespace commonbuf {

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
    /// The heaps of this machine, found at the first plan.
    Allocator() = default;

    /// These heaps and no others.
    explicit Allocator(std::vector<std::shared_ptr<Heap>> heaps) : heaps_(std::move(heaps)), found_(true) {}

    /// A plan for one image that all uses accept, or an error whose `report` holds
    /// every heap and every use with its verdict.
    ///
    /// Costs a few milliseconds for each heap and use: it allocates and imports.
    /// Devices are left as they were. Buffers of a plan may be made as long as the
    /// plan lives; the uses need not outlive the call.
    ///
    /// Errors: invalid_argument (sizes, unknown format, no use), busy, device_lost,
    /// not_present or permission_denied (a device cannot be used now), incompatible
    /// (no layout or no heap serves every use).
    Result<Plan> plan(const Request& request, std::span<const Use> uses);
    Result<Plan> plan(const Request& request, std::initializer_list<Use> uses)
    {
        return plan(request, std::span(uses.begin(), uses.size()));
    }

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

    /// The heaps that plans choose from.
    const std::vector<std::shared_ptr<Heap>>& heaps();

private:
    std::vector<std::shared_ptr<Heap>> heaps_;
    bool found_ = false;
};

} // namespace commonbuf
