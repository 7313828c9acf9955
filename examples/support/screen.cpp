// SPDX-License-Identifier: MIT
#include "screen.hpp"

#include <drm_fourcc.h>

namespace cb = commonbuf;
using namespace std::chrono_literals;

cb::Result<std::unique_ptr<Screen>> Screen::open(const cb::drm::Device& card, std::uint32_t width, std::uint32_t height)
{
    // The library shows pictures where the program may: being master is the program's own affair.
    auto master = Master::become(card);
    if (!master)
        return master.error();
    const auto display = cb::drm::Display::choose(card, {.width = width, .height = height});
    if (!display)
        return display.error();
    auto queue = cb::drm::CommitQueue::create(*display);
    if (!queue)
        return queue.error();
    return std::unique_ptr<Screen>(new Screen(std::move(*master), std::move(*queue)));
}

Screen::~Screen()
{
    // Where that fails the kernel turns it off: the framebuffers go with the buffers.
    static_cast<void>(queue_.commit(cb::drm::Commit(display()).disable(), cb::deadline_in(1s)));
}

cb::Result<std::optional<cb::Buffer>> Screen::written_back()
{
    if (display().writeback() == nullptr)
        return std::nullopt;
    const auto plan =
        cb::Allocator().plan({DRM_FORMAT_XRGB8888, display().mode().width, display().mode().height},
                             {display().device().scanout(), cb::cpu(cb::Access::read, cb::CpuFrequency::frequent)});
    if (!plan)
        return plan.error();
    auto buffer = plan->allocate();
    if (!buffer)
        return buffer.error();
    // The connector joins the CRTC, which the kernel counts as a modeset.
    const auto done =
        queue_.commit(cb::drm::Commit(display()).write_back(*buffer).allow_modeset(), cb::deadline_in(1s));
    if (!done)
        return done.error();
    if (const auto written = done->written.wait(cb::deadline_in(2s)); !written)
        return written.error();
    return std::optional(std::move(*buffer));
}
