// SPDX-License-Identifier: MIT
//
// A picture that Vulkan renders into a buffer, without a window and without a swapchain, on a
// display that is another device than the GPU.
//
//     buffer ─► GPU draws ─► fence ─► display shows (IN_FENCE_FD)
//
//   offscreen [CARD] [GPU]           offscreen /dev/dri/card0 Intel
//
// The commit goes to the kernel while the GPU still draws. Where the card has a writeback
// connector, what it shows is compared with what should have been drawn.
#include "support/bands.hpp"
#include "support/gpu.hpp"
#include "support/one_shot.hpp"
#include "support/picture.hpp"
#include "support/run_example.hpp"
#include "support/screen.hpp"

#include <commonbuf/commonbuf.hpp>
#include <commonbuf/vulkan.hpp>

#include <drm_fourcc.h>
#include <vulkan/vulkan.h>

#include <utility>
#include <vector>

namespace {

namespace cb = commonbuf;
using namespace std::chrono_literals;

constexpr std::uint32_t width = 640;
constexpr std::uint32_t height = 480;

bool draws(const Gpu& gpu)
{
    std::uint32_t count = 0;
    vkGetPhysicalDeviceQueueFamilyProperties(gpu.device().physical(), &count, nullptr);
    std::vector<VkQueueFamilyProperties> families(count);
    vkGetPhysicalDeviceQueueFamilyProperties(gpu.device().physical(), &count, families.data());
    return (families.at(gpu.family()).queueFlags & VK_QUEUE_GRAPHICS_BIT) != 0;
}

cb::Result<std::string> render(const Words& words)
{
    const auto card = cb::drm::Device::open(words[0]);
    if (!card)
        return card.error();
    const auto gpu = Gpu::create(words[1], false);
    if (!gpu)
        return gpu.error();
    if (!draws(**gpu))
        return cb::Error::unsupported("render with " + (*gpu)->device().name(),
                                      "its first queue family with compute has no graphics");

    cb::Allocator allocator;
    const auto plan =
        allocator.plan({DRM_FORMAT_XRGB8888, width, height}, {(*gpu)->device().color_attachment(), card->scanout()});
    if (!plan)
        return plan.error();
    const auto buffer = plan->allocate();
    if (!buffer)
        return buffer.error();
    const auto image = (*gpu)->device().import_image(*buffer, {.flags = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT});
    if (!image)
        return image.error();

    const auto screen = Screen::open(*card, {.width = width, .height = height});
    if (!screen)
        return screen.error();

    // The other device hands the image over, and takes it back.
    Bands bands((*gpu)->handle());
    const auto shot = OneShot::create(**gpu);
    if (!shot)
        return shot.error();
    const cb::vulkan::Families families = cb::vulkan::families((*gpu)->device());
    const cb::vulkan::Work work{VK_PIPELINE_STAGE_2_COLOR_ATTACHMENT_OUTPUT_BIT,
                                VK_ACCESS_2_COLOR_ATTACHMENT_READ_BIT | VK_ACCESS_2_COLOR_ATTACHMENT_WRITE_BIT,
                                VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL};
    (*shot)->barrier(cb::vulkan::acquire_image(families, image->handle(), work, cb::vulkan::Contents::undefined));
    if (const auto recorded = bands.record((*shot)->commands(), *image); !recorded)
        return recorded.error();
    (*shot)->barrier(cb::vulkan::release_image(families, image->handle(), work));
    cb::Job job("render");
    job.writes(*buffer);
    const auto drawn = (*shot)->submit(job, VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT);
    if (!drawn)
        return drawn.error();

    const cb::drm::Display& display = (*screen)->display();
    cb::drm::Commit commit(display);
    // The GPU's driver ends what hangs, so that the kernel may wait for it.
    commit.enable().show(display.primary(), *buffer, *drawn).wait_by(cb::drm::FenceWait::kernel);
    const auto committed = (*screen)->queue().commit(std::move(commit), cb::deadline_in(1s));
    if (!committed)
        return committed.error();
    if (const auto shown = committed->shown.wait(cb::deadline_in(2s)); !shown)
        return shown.error();

    const auto written = (*screen)->written_back();
    if (!written)
        return written.error();
    if (*written) {
        const auto expected = allocator.plan({DRM_FORMAT_XRGB8888, width, height}, {cb::cpu(cb::Access::read_write)})
                                  .and_then([](const cb::Plan& cpu_plan) { return cpu_plan.allocate(); });
        if (!expected)
            return expected.error();
        const auto alike = Bands::draw(*expected, cb::deadline_in(1s)).and_then([&] {
            return expect_alike("what the display shows and what was to be drawn", **written, *expected, 1,
                                cb::deadline_in(1s));
        });
        if (!alike)
            return alike.error();
    }
    return (*gpu)->device().name() + " rendered, the display showed it" +
           (*written ? " as it was to be" : "; not compared: the card has no writeback") +
           (committed->kernel_waits ? "; the kernel waited for the GPU" : "; the GPU was done before the commit");
}

} // namespace

int main(int count, char** words) { return run_example(count, words, {"@vkms", ""}, render); }
