// SPDX-License-Identifier: MIT
#include <commonbuf/commonbuf.hpp>
#include <drm_fourcc.h>
#include <iostream>

int main()
{
    namespace cb = commonbuf;
    const auto camera = cb::v4l2::Device::open("/dev/video0");
    const auto display = cb::drm::Device::open("/dev/dri/card0");
    if (!camera || !display)
        return std::cerr << (camera ? display.error() : camera.error()).message() << '\n', 1;

    const auto plan = cb::Allocator().plan({DRM_FORMAT_XRGB8888, 1280, 720}, {camera->capture(), display->scanout()});
    if (!plan)
        return std::cerr << plan.error().message() << '\n', 2; // every heap, and why not
    std::cout << plan->explain();                              // what was chosen, and why

    const auto buffer = plan->allocate();
    const auto framebuffer = buffer.and_then([&](const cb::Buffer& image) { return display->framebuffer(image); });
    auto queue = camera->open_queue(cb::v4l2::Role::capture, plan->layout(), 4);
    return buffer && framebuffer && queue && queue->queue(*buffer) ? 0 : 3; // the camera writes where the display reads
}
