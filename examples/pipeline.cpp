// SPDX-License-Identifier: MIT
//
// Camera, GPU, codec and display, without a copy and without waiting:
//
//     camera ─► NV12 ─► GPU turns the hue ─► XRGB8888 ─► display ─► writeback ─► compared
//                 └──► encoder ─► decoder ─► compared
//
// Each buffer is one that all who touch it accept; fences go from device to device. One event
// loop waits in poll(2) and nowhere else. What the display shows is held against what the CPU
// makes of the camera's frame, pixel for pixel.
//
//   pipeline --camera /dev/video0 --display /dev/dri/card0 --gpu Intel
#include "support/camera.hpp"
#include "support/frame_loop.hpp"
#include "support/gpu.hpp"
#include "support/hue_pass.hpp"
#include "support/png.hpp"
#include "support/run_app.hpp"
#include "support/screen.hpp"
#include "support/side_copy.hpp"
#include "support/stream_options.hpp"

#include <commonbuf/commonbuf.hpp>

#include <CLI/CLI.hpp>
#include <drm_fourcc.h>

#include <iomanip>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace cb = commonbuf;
using namespace std::chrono_literals;

struct Options : StreamOptions {
    Options() { camera = "@vivid-000-vid-cap"; }

    std::string gpu;
    std::string encoder = "@stateful-encoder";
    std::string decoder = "@stateful-decoder";
    bool code = true;
    bool validate = false;

    void add_to(CLI::App& app)
    {
        StreamOptions::add_to(app);
        app.add_option("--gpu", gpu, "part of the Vulkan device's name (default: the first that can do it)");
        app.add_option("--encoder", encoder, "path, or @name of an FWHT encoder")->capture_default_str();
        app.add_option("--decoder", decoder, "path, or @name of an FWHT decoder")->capture_default_str();
        app.add_flag("!--no-codec", code, "do not encode and decode beside");
        app.add_flag("--validate", validate, "turn Vulkan's validation layers on");
    }
};

void report(const Score& score, const Options& options, const SideCopy* side, const Gpu& gpu)
{
    std::cout << score.shown << " frames shown, " << score.lost << " lost, " << score.copies << " CPU copies, at most "
              << score.in_flight << " in flight at once\n";
    std::cout << score.dropped_and_compared("what the CPU makes of the frame", options.compare);
    if (side != nullptr)
        std::cout << side->decoded() << " frames encoded and decoded, " << side->coded_bytes() << " bytes, at least "
                  << std::fixed << std::setprecision(1) << side->worst_psnr().value_or(0) << " dB\n";
    std::cout << score.in_fences << " commits waited in the kernel for the GPU (IN_FENCE_FD)\n";
    if (gpu.validates())
        std::cout << "Vulkan validation, synchronisation too: " << gpu.complaints() << " messages\n";
    std::cout << checker_line();
}

cb::Result<bool> stream(const Options& options)
{
    const auto camera = cb::v4l2::Device::open(options.camera);
    if (!camera)
        return camera.error();
    const auto card = cb::drm::Device::open(options.display);
    if (!card)
        return card.error();
    const auto gpu = Gpu::create(options.gpu, options.validate);
    if (!gpu)
        return gpu.error();
    const auto hue = HuePass::create(**gpu);
    if (!hue)
        return hue.error();
    std::unique_ptr<SideCopy> side;
    if (options.code) {
        auto opened = SideCopy::open(options.encoder, options.decoder);
        if (!opened)
            return opened.error();
        side = std::move(*opened);
    }

    constexpr std::uint32_t camera_buffers = 12; // two fifths of a second of slack at 30 frames a second
    constexpr std::uint32_t picture_buffers = 4;
    cb::Allocator allocator;
    std::vector<cb::Use> uses{camera->capture(), (*hue)->input(), cb::cpu(cb::Access::read)};
    if (side)
        uses.push_back(side->input());
    const auto frames = allocator.plan({DRM_FORMAT_NV12, options.width, options.height, camera_buffers}, uses);
    if (!frames)
        return frames.error();
    const auto pictures = allocator.plan({DRM_FORMAT_XRGB8888, options.width, options.height, picture_buffers},
                                         {(*hue)->output(), card->scanout()});
    if (!pictures)
        return pictures.error();
    std::cout << frames->explain() << pictures->explain() << '\n' << std::flush;

    const auto screen =
        Screen::open(*card, {.connector = options.connector, .width = options.width, .height = options.height},
                     cb::Fencing::explicit_only); // all who work on the buffers are in this program
    if (!screen)
        return screen.error();
    if (side) {
        if (const auto started = side->start(frames->layout(), camera_buffers); !started)
            return started.error();
    }
    auto pool = cb::Pool::create(*pictures, picture_buffers);
    if (!pool)
        return pool.error();
    auto queue = camera->open_queue(cb::v4l2::Role::capture, frames->layout(), camera_buffers);
    if (!queue)
        return queue.error();
    queue->set_fencing(cb::Fencing::explicit_only);
    set_rate(*camera, options.rate);

    const auto buffers = frames->allocate(camera_buffers);
    if (!buffers)
        return buffers.error();
    if (const auto warm = (*hue)->warm_up(*buffers, *pool); !warm)
        return warm.error();
    FrameLoop loop(options.frames, options.compare, **hue, side.get(), *queue, std::move(*pool), (*screen)->queue());
    for (const cb::Buffer& buffer : *buffers) {
        if (const auto queued = queue->queue(buffer); !queued)
            return queued.error();
    }
    if (options.looks_at_pictures()) {
        const auto writebacks = writeback_buffers((*screen)->display());
        if (!writebacks)
            return writebacks.error();
        loop.write_back_into(*writebacks);
    }
    // Images go with their buffers, which may be in use until here.
    const struct Finish {
        HuePass& hue;
        ~Finish() { hue.finish(); }
    } finish{**hue};
    const auto score = loop.run();
    if (!score)
        return score.error();
    if (loop.interrupted())
        std::cout << "interrupted\n";
    if (!options.picture.empty() && loop.last_picture()) {
        if (const auto written = write_png(*loop.last_picture(), cb::deadline_in(1s), options.picture); !written)
            return written.error();
    }
    report(*score, options, side.get(), **gpu);
    return score->good() && (*gpu)->complaints() == 0;
}

} // namespace

int main(int count, char** words)
{
    return run_app(count, words, "A camera's frames through a GPU to a display, and through a codec, without a copy.",
                   stream);
}
