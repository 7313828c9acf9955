// SPDX-License-Identifier: MIT
#include <commonbuf/commonbuf.hpp>
#include <drm_fourcc.h>
#include <iostream>

namespace cb = commonbuf;

static int report(const cb::Error& error)
{
    std::cerr << error.message() << '\n';
    return 1;
}

int main()
{
    const auto camera = cb::v4l2::Device::open("/dev/video0");
    if (!camera)
        return report(camera.error());
    const auto display = cb::drm::Device::open("/dev/dri/card0");
    if (!display)
        return report(display.error());

    const auto plan = cb::Allocator().plan({DRM_FORMAT_XRGB8888, 1280, 720}, {camera->capture(), display->scanout()});
    if (!plan)
        return report(plan.error()); // every heap, and why not
    std::cout << plan->explain();    // what was chosen, and why

    const auto buffer = plan->allocate();
    if (!buffer)
        return report(buffer.error());
    const auto framebuffer = display->framebuffer(*buffer); // the display reads here
    if (!framebuffer)
        return report(framebuffer.error());
    auto queue = camera->open_queue(cb::v4l2::Role::capture, plan->layout(), 4);
    if (!queue)
        return report(queue.error());
    const auto queued = queue->queue(*buffer); // the camera writes there
    return queued ? 0 : report(queued.error());
}
