// SPDX-License-Identifier: MIT
//
// Frames from a V4L2 camera to a KMS display through one set of buffers, without a
// copy: the camera writes where the display reads. With a writeback connector, each
// picture that the display showed is compared with the frame that was captured.
//
//   camera-to-display --camera /dev/video0 --display /dev/dri/card0 --connector HDMI-A-1
#include "support/kms.hpp"
#include "support/png.hpp"

#include <commonbuf/commonbuf.hpp>

#include <CLI/CLI.hpp>
#include <drm_fourcc.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <deque>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace cb = commonbuf;
using namespace std::chrono_literals;

struct Options {
    std::string camera = "@vivid-001-vid-cap";
    std::string display = "@vkms";
    std::string connector;
    std::uint32_t width = 640;
    std::uint32_t height = 480;
    std::uint32_t frames = 300;
    std::uint32_t rate = 30;
    bool compare = true;
    std::string picture;
};

struct Score {
    std::uint32_t shown = 0;
    std::uint32_t lost = 0;
    std::uint32_t late = 0; ///< of the lost ones, those for which the camera had a buffer
    std::uint32_t out_of_order = 0;
    std::uint32_t compared = 0;
    std::uint64_t wrong_pixels = 0;
    std::uint64_t copies = 0; ///< CPU accesses between capture and display
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

/// How many pixels differ, the unused byte of XRGB8888 apart.
cb::Result<std::uint64_t> difference(const cb::Buffer& captured, const cb::Buffer& shown, cb::Deadline deadline)
{
    auto left = captured.read(deadline);
    if (!left)
        return cb::fail(left.error());
    auto right = shown.read(deadline);
    if (!right)
        return cb::fail(right.error());
    std::uint64_t wrong = 0;
    const cb::Layout& a = captured.layout();
    const cb::Layout& b = shown.layout();
    constexpr std::size_t pixel = 4;
    for (std::size_t y = 0; y < a.height; ++y) {
        const auto* from = left->plane(0).data() + y * a.planes[0].stride;
        const auto* to = right->plane(0).data() + y * b.planes[0].stride;
        for (std::size_t x = 0; x < a.width * pixel; x += pixel)
            wrong += std::equal(from + x, from + x + pixel - 1, to + x) ? 0U : 1U;
    }
    if (const auto ended = left->end(); !ended)
        return cb::fail(ended.error());
    if (const auto ended = right->end(); !ended)
        return cb::fail(ended.error());
    return wrong;
}

/// One event loop: frames come from the camera, wait for the display to be ready, are
/// shown, and go back to the camera when nothing looks at them any more.
class Pipeline {
public:
    Pipeline(const Options& options, const cb::drm::Device& device, kms::Display& display, cb::v4l2::Queue& queue)
        : options_(options),
          device_(device),
          display_(display),
          queue_(queue)
    {}

    /// Gives the camera a buffer of its own.
    cb::Status add(const cb::Buffer& buffer)
    {
        ours_.insert(buffer.id());
        ++with_camera_;
        return queue_.queue(buffer);
    }

    /// Lets the display write what it shows into this buffer.
    cb::Status set_writeback(const cb::Buffer& buffer)
    {
        const auto framebuffer = device_.framebuffer(buffer);
        if (!framebuffer)
            return cb::fail(framebuffer.error());
        writeback_ = buffer;
        writeback_id_ = framebuffer->id();
        return {};
    }

    cb::Result<Score> run()
    {
        if (const auto started = queue_.start(); !started)
            return cb::fail(started.error());
        while ((score_.shown < options_.frames || written_) && interrupted == 0) {
            if (const auto turned = turn(); !turned)
                return cb::fail(turned.error());
        }
        return score_;
    }

private:
    /// A captured buffer; the last holder gives it back to the camera.
    using Lease = std::shared_ptr<const cb::Buffer>;

    struct Commit {
        Lease frame;
        cb::UniqueFd shown;
    };
    struct Writeback {
        Lease frame;
        cb::UniqueFd written;
    };

    cb::Status turn()
    {
        for (const cb::Buffer& buffer : std::exchange(returned_, {})) {
            if (auto queued = queue_.queue(buffer); !queued)
                return queued;
            ++with_camera_;
        }
        // One writeback at a time: drivers such as vkms lose one that overlaps another.
        if (!pending_ && !written_ && !captured_.empty() && score_.shown < options_.frames) {
            if (auto shown = show(); !shown)
                return shown;
        }
        std::array<pollfd, 3> events{{
            {with_camera_ > 0 ? queue_.fd() : -1, POLLIN, 0}, // without buffers it polls as an error
            {pending_ ? pending_->shown.get() : -1, POLLIN, 0},
            {written_ ? written_->written.get() : -1, POLLIN, 0},
        }};
        constexpr int patience = 2000; // milliseconds
        const int ready = ::poll(events.data(), events.size(), patience);
        if (ready == 0)
            return cb::fail(cb::Category::timed_out, "wait for the camera and the display", "nothing came for 2 s");
        if (ready < 0)
            return {}; // a signal: look whether it was SIGINT
        if (events[1].revents != 0)
            shown();
        if (events[2].revents != 0) {
            if (auto compared = compare(); !compared)
                return compared;
        }
        return events[0].revents != 0 ? capture() : cb::Status{};
    }

    cb::Status capture()
    {
        auto frame = queue_.try_dequeue();
        if (!frame)
            return cb::fail(frame.error());
        if (!*frame)
            return {};
        --with_camera_;
        const std::uint32_t sequence = (*frame)->sequence;
        if (last_ && sequence <= *last_)
            ++score_.out_of_order;
        else if (last_) {
            const std::uint32_t lost = sequence - *last_ - 1;
            score_.lost += lost;
            // It had somewhere to write: the camera itself, or its driver, was late.
            if (with_camera_ > 0)
                score_.late += lost;
        }
        last_ = sequence;
        score_.copies += ours_.contains((*frame)->buffer.id()) ? 0U : 1U;
        captured_.emplace_back(new cb::Buffer((*frame)->buffer), [this](const cb::Buffer* buffer) {
            returned_.push_back(*buffer);
            delete buffer;
        });
        accesses_[(*frame)->buffer.id()] = (*frame)->buffer.cpu_accesses();
        return {};
    }

    cb::Status show()
    {
        Lease frame = std::move(captured_.front());
        captured_.pop_front();
        const auto framebuffer = device_.framebuffer(*frame);
        if (!framebuffer)
            return cb::fail(framebuffer.error());
        score_.copies += frame->cpu_accesses() - accesses_[frame->id()];
        auto fences = display_.show(framebuffer->id(), writeback_id_);
        if (!fences)
            return cb::fail(fences.error());
        if (writeback_id_ != 0)
            written_ = Writeback{frame, std::move(fences->written)};
        pending_ = Commit{std::move(frame), std::move(fences->shown)};
        return {};
    }

    void shown()
    {
        ++score_.shown;
        on_screen_ = std::move(pending_->frame); // what was there before is free
        pending_.reset();
    }

    cb::Status compare()
    {
        const Lease frame = std::move(written_->frame);
        written_.reset();
        if (!options_.compare)
            return {};
        const auto wrong = difference(*frame, *writeback_, cb::in(1s));
        if (!wrong)
            return cb::fail(wrong.error());
        ++score_.compared;
        score_.wrong_pixels += *wrong;
        return {};
    }

    const Options& options_;
    const cb::drm::Device& device_;
    kms::Display& display_;
    cb::v4l2::Queue& queue_;
    Score score_;
    std::set<cb::BufferId> ours_;
    std::map<cb::BufferId, std::uint64_t> accesses_; ///< as they were at capture
    std::optional<std::uint32_t> last_;
    std::uint32_t with_camera_ = 0;
    std::vector<cb::Buffer> returned_;
    std::optional<cb::Buffer> writeback_;
    std::uint32_t writeback_id_ = 0;
    std::deque<Lease> captured_;
    std::optional<Commit> pending_;
    Lease on_screen_;
    std::optional<Writeback> written_;
};

cb::Result<Score> stream(const Options& options)
{
    const auto camera = cb::v4l2::Device::open(options.camera);
    if (!camera)
        return cb::fail(camera.error());
    const auto device = cb::drm::Device::open(options.display);
    if (!device)
        return cb::fail(device.error());

    constexpr std::uint32_t buffer_count = 10; // a third of a second of slack at 30 frames a second
    cb::Allocator allocator;
    const auto plan = allocator.plan({DRM_FORMAT_XRGB8888, options.width, options.height, buffer_count},
                                     {camera->capture(), device->scanout()});
    if (!plan)
        return cb::fail(plan.error());
    std::cout << plan->explain() << std::endl;

    auto display = kms::Display::create(*device, options.connector, options.width, options.height);
    if (!display)
        return cb::fail(display.error());
    auto queue = camera->open_queue(cb::v4l2::Role::capture, plan->layout(), buffer_count);
    if (!queue)
        return cb::fail(queue.error());
    set_rate(*camera, options.rate);

    Pipeline pipeline(options, *device, *display, *queue);
    for (std::uint32_t i = 0; i < buffer_count; ++i) {
        const auto buffer = plan->allocate();
        if (!buffer)
            return cb::fail(buffer.error());
        if (const auto added = pipeline.add(*buffer); !added)
            return cb::fail(added.error());
    }
    std::optional<cb::Buffer> picture;
    if (display->has_writeback()) {
        const auto pictures = allocator.plan({DRM_FORMAT_XRGB8888, options.width, options.height},
                                             {device->scanout(), cb::cpu(cb::Access::read)});
        if (!pictures)
            return cb::fail(pictures.error());
        const auto buffer = pictures->allocate();
        if (!buffer)
            return cb::fail(buffer.error());
        if (const auto set = pipeline.set_writeback(*buffer); !set)
            return cb::fail(set.error());
        picture = *buffer;
    }
    auto score = pipeline.run();
    if (score && !options.picture.empty() && picture) {
        if (const auto written = write_png(*picture, cb::in(1s), options.picture); !written)
            return cb::fail(written.error());
    }
    return score;
}

int run(int count, char** words)
{
    Options options;
    CLI::App app("Shows a camera on a display through one set of buffers, without a copy.");
    app.add_option("--camera", options.camera, "path, or @name of a V4L2 capture node")->capture_default_str();
    app.add_option("--display", options.display, "path, or @driver of a DRM card")->capture_default_str();
    app.add_option("--connector", options.connector, "such as HDMI-A-1 (default: the first that is connected)");
    app.add_option("--width", options.width, "pixels")->capture_default_str();
    app.add_option("--height", options.height, "pixels")->capture_default_str();
    app.add_option("--frames", options.frames, "how many to show")->capture_default_str();
    app.add_option("--rate", options.rate, "frames a second to ask the camera for")->capture_default_str();
    app.add_flag("!--no-compare", options.compare, "do not compare what was shown with what was captured");
    app.add_option("--picture", options.picture, "PNG file for the last picture that the display showed");
    CLI11_PARSE(app, count, words);
    std::signal(SIGINT, [](int) { interrupted = 1; });

    const auto score = stream(options);
    if (!score) {
        if (score.error().report != nullptr)
            std::cerr << score.error().report->explain();
        std::cerr << "camera-to-display: " << score.error().message() << '\n';
        return 1;
    }
    std::cout << score->shown << " frames shown, " << score->lost << " lost, " << score->out_of_order
              << " out of order, " << score->copies << " CPU copies\n";
    if (score->late > 0)
        std::cout << score->late
                  << " of the lost were not for want of a buffer: the camera was late (a busy machine?)\n";
    if (score->compared > 0)
        std::cout << score->compared << " pictures compared with what the display showed, " << score->wrong_pixels
                  << " wrong pixels\n";
    else
        std::cout << "nothing compared: " << (options.compare ? "the card has no writeback" : "as asked") << '\n';
    const bool good = score->lost == 0 && score->out_of_order == 0 && score->copies == 0 && score->wrong_pixels == 0;
    return good ? 0 : 1;
}

} // namespace

int main(int count, char** words)
{
    try {
        return run(count, words);
    } catch (const std::exception& error) {
        std::cerr << "camera-to-display: " << error.what() << '\n';
        return 1;
    }
}
