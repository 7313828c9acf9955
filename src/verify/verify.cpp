// SPDX-License-Identifier: MIT
//
// Proof by content of a plan: every use works in real buffers, one after the other.
#include "base/text.hpp"

#include <commonbuf/allocator.hpp>

#include <algorithm>

namespace commonbuf {
namespace {

/// As many buffers as a device has at once in practice, or fewer where the heap has
/// room for no more than the plan asked for.
Result<std::vector<Buffer>> make_buffers(const Plan& plan)
{
    constexpr std::uint32_t usual = 4;
    const std::uint32_t wanted = std::max(usual, plan.report().request.count);
    std::vector<Buffer> buffers;
    for (std::uint32_t i = 0; i < wanted; ++i) {
        auto buffer = plan.allocate();
        if (buffer && buffer->fallback().empty()) {
            buffers.push_back(std::move(*buffer));
            continue;
        }
        if (i >= plan.report().request.count)
            break;
        if (!buffer)
            return buffer.error();
        return Error::out_of_memory("verify " + plan.chosen().heap.name, buffer->fallback());
    }
    return buffers;
}

Content failed(const Error& error)
{
    Content content;
    content.result = Sameness::failed;
    content.stage = error.operation;
    content.reason = error.message();
    content.sys_errno = error.sys_errno;
    return content;
}

} // namespace

Result<Verification> Allocator::verify(const Plan& plan, std::span<const Use> uses, const VerifyOptions& options)
{
    if (uses.empty() || options.frames == 0)
        return Error::invalid_argument("verify", "there is no use, or no frame to look at");
    const auto buffers = make_buffers(plan);
    if (!buffers)
        return buffers.error();
    Verification verification;
    verification.heap = plan.chosen().heap.name;
    verification.buffers = static_cast<std::uint32_t>(buffers->size());
    for (const Use& use : uses) {
        auto content = use.importer().verify(*buffers, options.frames, options.deadline);
        verification.uses.push_back({use.name(), content ? std::move(*content) : failed(content.error())});
    }
    return verification;
}

} // namespace commonbuf
