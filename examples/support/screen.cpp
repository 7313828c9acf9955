// SPDX-License-Identifier: MIT
#include "screen.hpp"

#include <drm_fourcc.h>

namespace cb = commonbuf;
using namespace std::chrono_literals;

cb::Result<std::unique_ptr<Screen>> Screen::open(const cb::drm::Device& card, const cb::drm::DisplayRequest& request,
                                                 cb::Fencing fencing)
{
    // The library shows pictures where the program may: being master is the program's own affair.
    auto master = Master::become(card);
    if (!master)
        return master.error();
    const auto display = cb::drm::Display::choose(card, request);
    if (!display)
        return display.error();
    auto queue = cb::drm::CommitQueue::create(*display, fencing);
    if (!queue)
        return queue.error();
    return std::unique_ptr<Screen>(new Screen(std::move(*master), std::move(*queue)));
}

Screen::~Screen()
{
    // Where that fails the kernel turns it off: the framebuffers go with the buffers.
    if (!off_)
        static_cast<void>(off());
}

cb::Status Screen::off()
{
    off_ = true;
    return queue_.commit(cb::drm::Commit(display()).disable(), cb::deadline_in(1s)).map([](const auto&) {});
}

cb::Result<std::optional<cb::Buffer>> Screen::written_back()
{
    const auto buffers = writeback_buffers(display());
    if (!buffers)
        return buffers.error();
    if (buffers->empty())
        return std::nullopt;
    const cb::Buffer& buffer = buffers->front();
    // The connector joins the CRTC, which the kernel counts as a modeset.
    const auto done = queue_.commit(cb::drm::Commit(display()).write_back(buffer).allow_modeset(), cb::deadline_in(1s));
    if (!done)
        return done.error();
    if (const auto written = done->written.wait(cb::deadline_in(2s)); !written)
        return written.error();
    return std::optional(buffer);
}

cb::Result<std::vector<cb::Buffer>> writeback_buffers(const cb::drm::Display& display)
{
    if (display.writeback() == nullptr)
        return std::vector<cb::Buffer>();
    constexpr std::uint32_t count = 2;
    return cb::Allocator()
        .plan({DRM_FORMAT_XRGB8888, display.mode().width, display.mode().height, count},
              {display.device().scanout(), cb::cpu(cb::Access::read)})
        .and_then([](const cb::Plan& plan) { return plan.allocate(count); });
}
