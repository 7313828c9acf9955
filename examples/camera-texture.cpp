// SPDX-License-Identifier: MIT
//
// A camera's frame as a texture, without a copy: Vulkan samples the very buffer that the camera
// wrote, and a sampler with a conversion (VkSamplerYcbcrConversion) makes colours of its YCbCr.
// How to look at single planes instead, pipeline.cpp shows.
//
//     camera ─► NV12 ─► texture ─► sampled into XRGB8888 ─► compared with what the CPU makes of it
//
//   camera-texture [CAMERA] [GPU]    camera-texture /dev/video0 Intel
#include "support/gpu.hpp"
#include "support/one_shot.hpp"
#include "support/picture.hpp"
#include "support/run_example.hpp"
#include "support/texture_pass.hpp"

#include <commonbuf/commonbuf.hpp>
#include <commonbuf/vulkan.hpp>

#include <drm_fourcc.h>
#include <vulkan/vulkan.h>

namespace {

namespace cb = commonbuf;
using namespace std::chrono_literals;

constexpr std::uint32_t width = 640;
constexpr std::uint32_t height = 480;

/// What the CPU does too, see difference(): each pixel with the chroma sample that it lies in.
constexpr cb::vulkan::Colours colours{.model = VK_SAMPLER_YCBCR_MODEL_CONVERSION_YCBCR_601,
                                      .range = VK_SAMPLER_YCBCR_RANGE_ITU_NARROW,
                                      .x_chroma = VK_CHROMA_LOCATION_MIDPOINT,
                                      .y_chroma = VK_CHROMA_LOCATION_MIDPOINT,
                                      .chroma_filter = VK_FILTER_NEAREST};

/// One frame of the camera, in a buffer of the plan.
cb::Result<cb::Buffer> capture(const cb::v4l2::Device& camera, const cb::Plan& plan)
{
    constexpr std::uint32_t slots = 3; // many cameras want more than one
    auto queue = camera.open_queue(cb::v4l2::Role::capture, plan.layout(), slots);
    if (!queue)
        return queue.error();
    const auto buffers = plan.allocate(slots);
    if (!buffers)
        return buffers.error();
    for (const cb::Buffer& buffer : *buffers) {
        if (const auto queued = queue->queue(buffer); !queued)
            return queued.error();
    }
    if (const auto started = queue->start(); !started)
        return started.error();
    auto frame = queue->dequeue(cb::deadline_in(5s));
    if (!frame)
        return frame.error();
    // The camera stops when the queue goes; this buffer is back, and stays as it is.
    return std::move(frame->buffer);
}

cb::Result<std::string> sample(const Words& words)
{
    const auto camera = cb::v4l2::Device::open(words[0]);
    if (!camera)
        return camera.error();
    const auto gpu = Gpu::create(words[1], false);
    if (!gpu)
        return gpu.error();
    const cb::vulkan::Device& device = (*gpu)->device();

    cb::Allocator allocator;
    const cb::vulkan::ImageUsage sampled{.flags = VK_IMAGE_USAGE_SAMPLED_BIT};
    const cb::vulkan::ImageUsage drawn{.flags = VK_IMAGE_USAGE_STORAGE_BIT};
    const auto frames = allocator.plan({DRM_FORMAT_NV12, width, height, 3},
                                       {camera->capture(), device.use(sampled), cb::cpu(cb::Access::read)});
    if (!frames)
        return frames.error();
    const auto picture =
        allocator.plan({DRM_FORMAT_XRGB8888, width, height}, {device.use(drawn), cb::cpu(cb::Access::read)})
            .and_then([](const cb::Plan& plan) { return plan.allocate(); });
    if (!picture)
        return picture.error();
    const auto frame = capture(*camera, *frames);
    if (!frame)
        return frame.error();

    // The texture: the buffer as an image, and a view of it with the conversion.
    const auto conversion = device.conversion(frame->layout().format, frame->layout().modifier, colours);
    if (!conversion)
        return conversion.error();
    const auto texture = device.import_image(*frame, sampled);
    const auto target = device.import_image(*picture, drawn);
    if (!texture || !target)
        return (texture ? target : texture).error();
    const auto view = texture->view({.conversion = *conversion});
    if (!view)
        return view.error();

    TexturePass pass((*gpu)->handle());
    const auto shot = OneShot::create(**gpu);
    if (!shot)
        return shot.error();
    const cb::vulkan::Families families = cb::vulkan::families(device);
    const cb::vulkan::Work reads{VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT, VK_ACCESS_2_SHADER_READ_BIT,
                                 VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL};
    const cb::vulkan::Work draws{VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT, VK_ACCESS_2_SHADER_WRITE_BIT,
                                 VK_IMAGE_LAYOUT_GENERAL};
    const VkImageSubresourceRange planes = cb::vulkan::whole(
        texture->is_disjoint() ? VK_IMAGE_ASPECT_PLANE_0_BIT | VK_IMAGE_ASPECT_PLANE_1_BIT : VK_IMAGE_ASPECT_COLOR_BIT);
    (*shot)->barrier(cb::vulkan::acquire_image(families, texture->handle(), reads, cb::vulkan::Contents::kept, planes));
    (*shot)->barrier(cb::vulkan::acquire_image(families, target->handle(), draws, cb::vulkan::Contents::undefined));
    if (const auto recorded = pass.record((*shot)->commands(), *conversion, *view, *target); !recorded)
        return recorded.error();
    (*shot)->barrier(cb::vulkan::release_image(families, texture->handle(), reads, planes));
    (*shot)->barrier(cb::vulkan::release_image(families, target->handle(), draws));
    cb::Job job("sample");
    job.reads(*frame).writes(*picture);
    if (const auto done = (*shot)->submit(job, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT); !done)
        return done.error();

    // Reading waits for the job. Where the GPU takes the chroma samples to be is its own affair
    // (conversion->changed() says so); for every second pixel of every second row it is the same.
    constexpr int rounding = 3;
    constexpr std::uint32_t step = 2;
    if (const auto alike =
            expect_alike("the texture and the camera's frame", *picture, *frame, rounding, cb::deadline_in(2s), step);
        !alike)
        return alike.error();
    return "a frame of " + camera->info().name + ", sampled by " + device.name() + ", is as the CPU sees it" +
           (conversion->changed().empty() ? "" : " (" + conversion->changed() + ")");
}

} // namespace

int main(int count, char** words) { return run_example(count, words, {"@vivid-000-vid-cap", ""}, sample); }
