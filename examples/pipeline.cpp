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
#include "support/gpu.hpp"
#include "support/hue_pass.hpp"
#include "support/hue_reference.hpp"
#include "support/master.hpp"
#include "support/png.hpp"
#include "support/side_copy.hpp"

#include <commonbuf/commonbuf.hpp>

#include <CLI/CLI.hpp>
#include <drm_fourcc.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <iomanip>
#include <iostream>
#include <map>
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

struct Score {
    std::uint32_t shown = 0;
    std::uint32_t lost = 0;
    std::uint32_t late = 0; ///< of the lost ones, those for which the camera had a buffer
    std::uint32_t compared = 0;
    std::uint64_t wrong_pixels = 0;
    std::uint64_t copies = 0; ///< CPU accesses between the devices
    std::uint32_t in_fences = 0;
    std::size_t in_flight = 0; ///< at most, at once
};

volatile std::sig_atomic_t interrupted = 0;

/// Asks the camera for a frame rate; one that it does not have is no failure.
void set_rate(const cb::v4l2::Device& camera, std::uint32_t rate)
{
    v4l2_streamparm parameters{};
    parameters.type = camera.info().multiplanar ? V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE : V4L2_BUF_TYPE_VIDEO_CAPTURE;
    parameters.parm.capture.timeperframe = {1, rate};
    ::ioctl(camera.fd(), VIDIOC_S_PARM, &parameters);
}

class Pipeline {
public:
    Pipeline(const Options& options, HuePass& hue, SideCopy* side, cb::v4l2::FencedQueue& camera, cb::Pool pictures,
             cb::drm::CommitQueue& display)
        : options_(options),
          hue_(hue),
          side_(side),
          camera_(camera),
          pictures_(std::move(pictures)),
          display_(display)
    {}

    void add_writeback(const cb::Buffer& buffer) { free_writebacks_.push_back(buffer); }

    cb::Result<Score> run()
    {
        writes_back_ = !free_writebacks_.empty();
        if (const auto started = camera_.start(); !started)
            return cb::fail(started.error());
        while (!done() && interrupted == 0) {
            if (const auto turned = turn(); !turned)
                return cb::fail(turned.error());
        }
        return score_;
    }

    /// What the display showed last, as far as it wrote it back.
    const std::optional<cb::Buffer>& last_picture() const noexcept { return last_picture_; }

private:
    using Lease = SideCopy::Lease;

    struct Captured {
        Lease frame;
        std::uint32_t number = 0;
        std::uint64_t cpu_accesses = 0; ///< see accesses(), when it was captured
    };
    /// The GPU works on it, or has done so.
    struct Drawn {
        Captured camera;
        cb::Buffer picture;
        std::uint64_t cpu_accesses = 0; ///< of the picture, when it was taken
        cb::Fence over;
    };
    struct Shown {
        Captured camera;
        std::optional<cb::Buffer> writeback;
    };
    struct Written {
        Shown shown;
        cb::Fence over;
    };

    bool done() const
    {
        return score_.shown >= options_.frames && written_.empty() && (side_ == nullptr || side_->pending() == 0);
    }

    cb::Status turn()
    {
        // Who still reads one of them has a job on it, whose fence the camera's queue waits for.
        for (const cb::Buffer& buffer : std::exchange(returned_, {})) {
            if (auto queued = camera_.queue(buffer, {}); !queued)
                return queued;
        }
        if (auto drawn = draw(); !drawn)
            return drawn;
        if (auto committed = commit(); !committed)
            return committed;
        if (auto waited = wait(); !waited)
            return waited;
        return look();
    }

    cb::Status wait()
    {
        std::vector<pollfd> events;
        if (camera_.with_device() > 0) // without buffers it polls as an error
            events.push_back({camera_.frame_fd(), POLLIN, 0});
        const auto add = [&events](const cb::Result<int>& fd) {
            if (fd && *fd >= 0)
                events.push_back({*fd, POLLIN, 0});
        };
        add(camera_.fd());
        add(display_.fd());
        if (side_ != nullptr)
            side_->poll(events);
        // A failed one has nothing to poll, and look() finds it.
        for (const auto* fences : {&drawing_, &showing_}) {
            if (!fences->empty())
                add(fences->front().fd());
        }
        if (!written_.empty())
            add(written_.front().over.fd());
        constexpr int patience = 5000; // milliseconds
        const int ready = ::poll(events.data(), events.size(), patience);
        if (ready == 0)
            return cb::fail(cb::Category::timed_out, "wait for the devices", "nothing came for 5 s");
        return {}; // or a signal: the loop looks whether it was SIGINT
    }

    cb::Status look()
    {
        if (auto over = drop_signalled(drawing_); !over)
            return cb::fail(over.error());
        const auto now_shown = drop_signalled(showing_);
        if (!now_shown)
            return cb::fail(now_shown.error());
        score_.shown += *now_shown;
        while (!written_.empty()) {
            const auto written = written_.front().over.signalled();
            if (!written)
                return cb::fail(written.error());
            if (!*written)
                break;
            if (auto compared = compare(); !compared)
                return compared;
        }
        if (const auto given = camera_.advance(); !given)
            return cb::fail(given.error());
        if (const auto made = display_.advance(); !made)
            return cb::fail(made.error());
        if (auto taken = take_committed(); !taken)
            return taken;
        if (side_ != nullptr) {
            if (auto looked = side_->look(); !looked)
                return looked;
        }
        return capture();
    }

    /// Fences in the order of their work; how many have signalled.
    static cb::Result<std::uint32_t> drop_signalled(std::deque<cb::Fence>& fences)
    {
        std::uint32_t count = 0;
        while (!fences.empty()) {
            const auto signalled = fences.front().signalled();
            if (!signalled)
                return cb::fail(signalled.error());
            if (!*signalled)
                break;
            fences.pop_front();
            ++count;
        }
        return count;
    }

    cb::Status capture()
    {
        while (camera_.with_device() > 0) {
            const bool had_room = camera_.with_device() > 1;
            auto frame = camera_.try_dequeue();
            if (!frame)
                return cb::fail(frame.error());
            if (!*frame)
                return {};
            const std::uint32_t sequence = (*frame)->sequence;
            const std::uint32_t lost = last_ ? sequence - *last_ - 1 : 0;
            score_.lost += lost;
            // It had somewhere to write: the camera itself, or its driver, was late.
            score_.late += had_room ? lost : 0;
            last_ = sequence;

            const cb::Buffer& buffer = (*frame)->buffer;
            if (number_ >= options_.frames) {
                returned_.push_back(buffer);
                continue;
            }
            Lease lease(new cb::Buffer(buffer), [this](const cb::Buffer* back) {
                returned_.push_back(*back);
                --in_flight_;
                delete back;
            });
            score_.in_flight = std::max(score_.in_flight, ++in_flight_);
            captured_.push_back({lease, number_, accesses(buffer)});
            if (side_ != nullptr) {
                if (auto given = side_->encode(std::move(lease), number_); !given)
                    return given;
            }
            ++number_;
        }
        return {};
    }

    /// By the CPU, but for those that only compare.
    std::uint64_t accesses(const cb::Buffer& buffer) const
    {
        return buffer.cpu_accesses() - (side_ != nullptr ? side_->looks_at(buffer) : 0);
    }

    cb::Status draw()
    {
        while (!captured_.empty() && hue_.has_room()) {
            const auto picture = pictures_.acquire(cb::Deadline{});
            if (!picture && picture.error().category == cb::Category::timed_out)
                return {}; // the display has them all
            if (!picture)
                return cb::fail(picture.error());
            Captured camera = std::move(captured_.front());
            captured_.pop_front();
            score_.copies += accesses(*camera.frame) - camera.cpu_accesses;
            auto over = hue_.submit(*camera.frame, *picture, turn_of(camera.number));
            if (!over)
                return cb::fail(over.error());
            drawing_.push_back(*over);
            drawn_.push_back({std::move(camera), *picture, picture->cpu_accesses(), std::move(*over)});
        }
        return {};
    }

    cb::Status commit()
    {
        while (!drawn_.empty() && display_.waiting() == 0 && (!writes_back_ || !free_writebacks_.empty())) {
            Drawn drawn = std::move(drawn_.front());
            drawn_.pop_front();
            score_.copies += drawn.picture.cpu_accesses() - drawn.cpu_accesses;
            cb::drm::Commit next(display_.display());
            next.show(display_.display().primary(), drawn.picture, drawn.over);
            // The GPU's driver ends what hangs: the kernel may wait for it.
            next.wait_by(cb::drm::FenceWait::kernel);
            if (!lit_)
                next.light();
            Shown shown{std::move(drawn.camera), std::nullopt};
            if (writes_back_) {
                shown.writeback = std::move(free_writebacks_.front());
                free_writebacks_.pop_front();
                next.write_back(*shown.writeback);
            }
            const auto number = display_.submit(std::move(next));
            if (!number)
                return cb::fail(number.error());
            lit_ = true;
            committed_.emplace(*number, std::move(shown));
            if (auto taken = take_committed(); !taken)
                return taken;
        }
        return {};
    }

    cb::Status take_committed()
    {
        for (cb::drm::Committed& each : display_.take_committed()) {
            const auto found = committed_.find(each.number);
            if (found == committed_.end())
                continue;
            score_.in_fences += each.kernel_waits ? 1U : 0U;
            showing_.push_back(each.shown);
            for (const cb::Buffer& buffer : each.replaced) {
                if (auto released = pictures_.release(buffer, each.shown); !released)
                    return released;
            }
            if (found->second.writeback)
                written_.push_back({std::move(found->second), std::move(each.written)});
            committed_.erase(found);
        }
        for (const cb::drm::WithheldCommit& each : display_.take_withheld())
            return cb::fail(each.error);
        return {};
    }

    cb::Status compare()
    {
        const Written written = std::move(written_.front());
        written_.pop_front();
        last_picture_ = written.shown.writeback;
        free_writebacks_.push_back(*last_picture_);
        if (!options_.compare)
            return {};
        const auto wrong =
            wrong_pixels(*written.shown.camera.frame, *last_picture_, turn_of(written.shown.camera.number), cb::in(1s));
        if (!wrong)
            return cb::fail(wrong.error());
        ++score_.compared;
        score_.wrong_pixels += *wrong;
        return {};
    }

    const Options& options_;
    HuePass& hue_;
    SideCopy* side_;
    cb::v4l2::FencedQueue& camera_;
    cb::Pool pictures_;
    cb::drm::CommitQueue& display_;
    Score score_;
    std::vector<cb::Buffer> returned_;
    std::size_t in_flight_ = 0;
    std::uint32_t number_ = 0;
    std::optional<std::uint32_t> last_;
    bool lit_ = false;
    bool writes_back_ = false;
    std::deque<cb::Buffer> free_writebacks_;
    std::optional<cb::Buffer> last_picture_;
    std::deque<cb::Fence> drawing_;
    std::deque<cb::Fence> showing_;
    // Leases last: they go first, and give their buffers back to what is above.
    std::deque<Captured> captured_;
    std::deque<Drawn> drawn_;
    std::map<std::uint64_t, Shown> committed_;
    std::deque<Written> written_;
};

void report(const Score& score, const Options& options, const SideCopy* side, const Gpu& gpu)
{
    std::cout << score.shown << " frames shown, " << score.lost << " lost, " << score.copies << " CPU copies, at most "
              << score.in_flight << " in flight at once\n";
    if (score.late > 0)
        std::cout << score.late
                  << " of the lost were not for want of a buffer: the camera was late (a busy machine?)\n";
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
        std::cout << "access checker: " << cb::check_findings() << " reports\n";
}

cb::Result<bool> stream(const Options& options)
{
    const auto camera = cb::v4l2::Device::open(options.camera);
    if (!camera)
        return cb::fail(camera.error());
    const auto card = cb::drm::Device::open(options.display);
    if (!card)
        return cb::fail(card.error());
    const auto gpu = Gpu::create(options.gpu, options.validate);
    if (!gpu)
        return cb::fail(gpu.error());
    const auto hue = HuePass::create(**gpu);
    if (!hue)
        return cb::fail(hue.error());
    std::unique_ptr<SideCopy> side;
    if (options.code) {
        auto opened = SideCopy::open(options.encoder, options.decoder);
        if (!opened)
            return cb::fail(opened.error());
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
        return cb::fail(frames.error());
    const auto pictures = allocator.plan({DRM_FORMAT_XRGB8888, options.width, options.height, picture_buffers},
                                         {(*hue)->output(), card->scanout()});
    if (!pictures)
        return cb::fail(pictures.error());
    std::cout << frames->explain() << pictures->explain() << std::endl;

    // The library shows pictures where the program may: being master is the program's own affair.
    const auto master = Master::become(*card);
    if (!master)
        return cb::fail(master.error());
    auto chosen = cb::drm::Display::choose(
        *card, {.connector = options.connector, .width = options.width, .height = options.height});
    if (!chosen)
        return cb::fail(chosen.error());
    auto display = cb::drm::CommitQueue::create(std::move(*chosen));
    if (!display)
        return cb::fail(display.error());
    if (side) {
        if (const auto started = side->start(frames->layout(), camera_buffers); !started)
            return cb::fail(started.error());
    }
    auto pool = cb::Pool::create(*pictures, picture_buffers);
    if (!pool)
        return cb::fail(pool.error());
    auto queue = camera->open_queue(cb::v4l2::Role::capture, frames->layout(), camera_buffers);
    if (!queue)
        return cb::fail(queue.error());
    set_rate(*camera, options.rate);
    auto fenced = cb::v4l2::FencedQueue::create(std::move(*queue));
    if (!fenced)
        return cb::fail(fenced.error());

    Pipeline pipeline(options, **hue, side.get(), *fenced, std::move(*pool), *display);
    for (std::uint32_t i = 0; i < camera_buffers; ++i) {
        const auto buffer = frames->allocate();
        if (!buffer)
            return cb::fail(buffer.error());
        if (const auto queued = fenced->queue(*buffer, {}); !queued)
            return cb::fail(queued.error());
    }
    if (display->display().writeback() != nullptr) {
        const auto plan = allocator.plan({DRM_FORMAT_XRGB8888, options.width, options.height},
                                         {card->scanout(), cb::cpu(cb::Access::read)});
        if (!plan)
            return cb::fail(plan.error());
        for (std::uint32_t i = 0; i < writeback_buffers; ++i) {
            const auto buffer = plan->allocate();
            if (!buffer)
                return cb::fail(buffer.error());
            pipeline.add_writeback(*buffer);
        }
    }
    // Images go with their buffers, which may be in use until here.
    const struct Finish {
        HuePass& hue;
        ~Finish() { hue.finish(); }
    } finish{**hue};
    const auto score = pipeline.run();
    if (!score)
        return cb::fail(score.error());
    if (interrupted != 0)
        std::cout << "interrupted\n";
    if (!options.picture.empty() && pipeline.last_picture()) {
        if (const auto written = write_png(*pipeline.last_picture(), cb::in(1s), options.picture); !written)
            return cb::fail(written.error());
    }
    report(*score, options, side.get(), **gpu);
    return cb::check_findings() == 0 && score->lost == 0 && score->copies == 0 && score->wrong_pixels == 0 &&
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
    action.sa_handler = [](int) { interrupted = 1; };
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
