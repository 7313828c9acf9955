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
#include "support/master.hpp"
#include "support/png.hpp"
#include "support/side_copy.hpp"

#include <commonbuf/commonbuf.hpp>

#include <CLI/CLI.hpp>
#include <drm_fourcc.h>

#include <csignal>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace cb = commonbuf;
using namespace std::chrono_literals;

struct Options {
    std::string camera = "@vivid-000-vid-cap";
    std::string display = "@vkms";
    std::string connector;
    std::string gpu;
    std::string encoder = "@stateful-encoder";
    std::string decoder = "@stateful-decoder";
    std::uint32_t width = 640;
    std::uint32_t height = 480;
    std::uint32_t frames = 300;
    std::uint32_t rate = 30;
    bool compare = true;
    bool code = true;
    bool validate = false;
    std::string picture;
};

void report(const Score& score, const Options& options, const SideCopy* side, const Gpu& gpu)
{
    std::cout << score.shown << " frames shown, " << score.lost << " lost, " << score.copies << " CPU copies, at most "
              << score.in_flight << " in flight at once\n";
    if (score.dropped > 0)
        std::cout << score.dropped << " more dropped by the camera itself, which had a buffer for them: it was late, "
                  << "as on a busy machine\n";
    if (score.compared > 0)
        std::cout << score.compared << " pictures compared with what the CPU makes of the frame, " << score.wrong_pixels
                  << " wrong pixels\n";
    else
        std::cout << "nothing compared: " << (options.compare ? "the card has no writeback" : "as asked") << '\n';
    if (side != nullptr)
        std::cout << side->decoded() << " frames encoded and decoded, " << side->coded_bytes() << " bytes, at least "
                  << std::fixed << std::setprecision(1) << side->worst_psnr().value_or(0) << " dB\n";
    std::cout << score.in_fences << " commits waited in the kernel for the GPU (IN_FENCE_FD)\n";
    if (gpu.validates())
        std::cout << "Vulkan validation, synchronisation too: " << gpu.complaints() << " messages\n";
    if (std::getenv("COMMONBUF_CHECK") != nullptr)
        std::cout << "access checker: " << cb::checker_findings() << " reports\n";
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
    constexpr std::uint32_t writeback_buffers = 2;
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
    std::cout << frames->explain() << pictures->explain() << std::endl;

    // The library shows pictures where the program may: being master is the program's own affair.
    const auto master = Master::become(*card);
    if (!master)
        return master.error();
    auto chosen = cb::drm::Display::choose(
        *card, {.connector = options.connector, .width = options.width, .height = options.height});
    if (!chosen)
        return chosen.error();
    auto display = cb::drm::CommitQueue::create(std::move(*chosen));
    if (!display)
        return display.error();
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
    set_rate(*camera, options.rate);

    FrameLoop loop(options.frames, options.compare, **hue, side.get(), *queue, std::move(*pool), *display);
    for (std::uint32_t i = 0; i < camera_buffers; ++i) {
        const auto buffer = frames->allocate();
        if (!buffer)
            return buffer.error();
        if (const auto queued = queue->queue_when_ready(*buffer); !queued)
            return queued.error();
    }
    if (display->display().writeback() != nullptr) {
        const auto plan = allocator.plan({DRM_FORMAT_XRGB8888, options.width, options.height},
                                         {card->scanout(), cb::cpu(cb::Access::read)});
        if (!plan)
            return plan.error();
        for (std::uint32_t i = 0; i < writeback_buffers; ++i) {
            const auto buffer = plan->allocate();
            if (!buffer)
                return buffer.error();
            loop.add_writeback(*buffer);
        }
    }
    // Images go with their buffers, which may be in use until here.
    const struct Finish {
        HuePass& hue;
        ~Finish() { hue.finish(); }
    } finish{**hue};
    const auto score = loop.run();
    if (!score)
        return score.error();
    if (FrameLoop::stopped())
        std::cout << "interrupted\n";
    if (!options.picture.empty() && loop.last_picture()) {
        if (const auto written = write_png(*loop.last_picture(), cb::deadline_in(1s), options.picture); !written)
            return written.error();
    }
    report(*score, options, side.get(), **gpu);
    return cb::checker_findings() == 0 && score->lost == 0 && score->copies == 0 && score->wrong_pixels == 0 &&
           (*gpu)->complaints() == 0;
}

int run(int count, char** words)
{
    Options options;
    CLI::App app("A camera's frames through a GPU to a display, and through a codec, without a copy.");
    app.add_option("--camera", options.camera, "path, or @name of a V4L2 capture node")->capture_default_str();
    app.add_option("--display", options.display, "path, or @driver of a DRM card")->capture_default_str();
    app.add_option("--connector", options.connector, "such as HDMI-A-1 (default: the first that is connected)");
    app.add_option("--gpu", options.gpu, "part of the Vulkan device's name (default: the first that can do it)");
    app.add_option("--encoder", options.encoder, "path, or @name of an FWHT encoder")->capture_default_str();
    app.add_option("--decoder", options.decoder, "path, or @name of an FWHT decoder")->capture_default_str();
    app.add_option("--width", options.width, "pixels")->capture_default_str();
    app.add_option("--height", options.height, "pixels")->capture_default_str();
    app.add_option("--frames", options.frames, "how many to show")->capture_default_str();
    app.add_option("--rate", options.rate, "frames a second to ask the camera for")->capture_default_str();
    app.add_flag("!--no-codec", options.code, "do not encode and decode beside");
    app.add_flag("!--no-compare", options.compare, "do not compare what was shown with the reference");
    app.add_flag("--validate", options.validate, "turn Vulkan's validation layers on");
    app.add_option("--picture", options.picture, "PNG file for the last picture that the display showed");
    CLI11_PARSE(app, count, words);
    struct sigaction action {};
    action.sa_handler = [](int) { FrameLoop::stop(); };
    ::sigaction(SIGINT, &action, nullptr);

    const auto good = stream(options);
    if (!good) {
        if (good.error().report != nullptr)
            std::cerr << good.error().report->explain();
        std::cerr << "pipeline: " << good.error().message() << '\n';
        return 1;
    }
    return *good ? 0 : 1;
}

} // namespace

int main(int count, char** words)
{
    try {
        return run(count, words);
    } catch (const std::exception& error) {
        std::cerr << "pipeline: " << error.what() << '\n';
        return 1;
    }
}
