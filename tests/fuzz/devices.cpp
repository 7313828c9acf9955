// SPDX-License-Identifier: MIT
//
// Drivers that answer anything: the formats of a plane and what a camera makes of a
// format come from the fuzzer. Plans must come out or be refused, and nothing may leak.
#include "input.hpp"

#include "fake/machine.hpp"

#include <commonbuf/commonbuf.hpp>

#include <cstdlib>
#include <cstring>
#include <drm_fourcc.h>
#include <linux/videodev2.h>

using namespace commonbuf;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz::Input input(data, size);
    fake::Machine machine;
    machine.add_heap("system", {.capacity = 1U << 30U});
    machine.add_udmabuf();
    const auto limit = input.take<std::uint8_t>();
    const Request request{DRM_FORMAT_XRGB8888, input.take<std::uint16_t>() % 512U + 1U,
                          input.take<std::uint16_t>() % 512U + 1U};
    unsigned asked = 0;
    fake::CameraModel camera;
    camera.formats = {V4L2_PIX_FMT_XBGR32};
    camera.distort = [&](v4l2_format& format) {
        if (++asked % 8U < limit % 8U)
            return;
        v4l2_pix_format& pix = format.fmt.pix;
        const auto which = input.take<std::uint8_t>();
        if ((which & 1U) != 0)
            pix.bytesperline = input.take<std::uint32_t>();
        if ((which & 2U) != 0)
            pix.sizeimage = input.take<std::uint32_t>() & 0xfffffffU;
        if ((which & 4U) != 0)
            pix.width = input.take<std::uint16_t>();
        if ((which & 8U) != 0)
            pix.field = input.take<std::uint8_t>();
    };
    machine.add_camera("video0", camera);

    const auto count = std::size_t{input.take<std::uint8_t>()} * 2;
    fake::CardModel card;
    card.formats = {DRM_FORMAT_XRGB8888};
    card.in_formats.resize(count);
    for (std::byte& each : card.in_formats)
        each = input.take<std::byte>();
    machine.add_card("card0", card);
    {
        const auto v4l2 = v4l2::Device::open("/dev/video0");
        const auto drm = drm::Device::open("/dev/dri/card0");
        if (!v4l2 || !drm)
            std::abort();
        for (const auto& uses :
             {std::vector<Use>{v4l2->capture()}, std::vector<Use>{v4l2->capture(), drm->scanout()}}) {
            const auto plan = Allocator().plan(request, uses);
            if (plan) {
                if (!validate(plan->layout()))
                    std::abort();
            } else if (plan.error().message().empty()) {
                std::abort();
            }
        }
    }
    if (!machine.leaks().empty())
        std::abort();
    return 0;
}
