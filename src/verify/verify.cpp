// SPDX-License-Identifier: MIT
//
// Proof by content of a plan: every use works in real buffers, one after the other.
#include "verify/provers.hpp"

#include <commonbuf/allocator.hpp>
#include <commonbuf/use.hpp>

#include <algorithm>
#include <vector>

namespace commonbuf {
namespace {

/// As many buffers as a device has at once in practice, or fewer if the heap has room only for
/// those that the plan asked for.
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
    return {.result = Sameness::failed,
            .stage = error.call.empty() ? error.operation : error.call,
            .reason = error.message(),
            .sys_errno = error.sys_errno};
}

#ifdef COMMONBUF_HAVE_V4L2
Result<Content> verify_queue(const v4l2::UsedQueue& queue, const std::string& identity, const content::Stream& stream)
{
    if (queue.device.info().metadata)
        return content::not_checked("metadata is different in each frame: nothing says what it should be");
    if (queue.device.info().memory_to_memory)
        return content::verify_m2m(queue, stream);
    if (queue.role == v4l2::Role::capture)
        return content::verify_capture(queue.device, identity, stream);
    return content::not_checked("what an output makes of a picture leaves the machine: nothing here sees it");
}
#endif

} // namespace

Result<Content> verify(const Use& use, std::span<const Buffer> buffers, std::uint32_t frames, Deadline deadline)
{
    if (buffers.empty() || frames == 0)
        return Error::invalid_argument("verify " + use.name(), "there is no buffer or no frame to look at");
    const content::Stream stream{buffers, frames, deadline};
    if (auto* own = dynamic_cast<Verifiable*>(&use.importer()))
        return own->verify(buffers, frames, deadline);
#ifdef COMMONBUF_HAVE_DRM
    if (const auto planes = drm::planes_of(use))
        return content::verify_display(drm::device_of(use).value(), *planes, stream);
#endif
#ifdef COMMONBUF_HAVE_V4L2
    if (const auto queue = v4l2::queue_of(use))
        return verify_queue(*queue, use.identity(), stream);
#endif
#ifdef COMMONBUF_HAVE_VULKAN
    if (const auto images = vulkan::images_of(use))
        return content::verify_images(*images, stream);
#endif
    if (use.importer().cpu_access())
        return content::verify_cpu(stream);
    return content::not_checked("this device has no way to compare what it does with what it should do");
}

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
        auto content = commonbuf::verify(use, *buffers, options.frames, options.deadline);
        verification.uses.push_back({use.name(), content ? std::move(*content) : failed(content.error())});
    }
    return verification;
}

} // namespace commonbuf
