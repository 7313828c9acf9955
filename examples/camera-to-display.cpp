// SPDX-License-Identifier: MIT
//
// Frames from a V4L2 camera to a KMS display through one set of buffers, without a
// copy: the camera writes where the display reads. With a writeback connector, each
// picture that the display showed is compared with the frame that was captured.
//
// Nothing waits but poll(): the display waits for the previous writeback (IN_FENCE_FD), the
// camera gets a buffer back when the display's fence says that the next frame is on the
// screen (OUT_FENCE_PTR), and pictures are compared when their writeback fence signals.
// All of these surely signal, so the kernel may wait for them.
//
//   camera-to-display --camera /dev/video0 --display /dev/dri/card0 --connector HDMI-A-1
#include "support/camera.hpp"
#include "support/lost_frames.hpp"
#include "support/master.hpp"
#include "support/png.hpp"
#include "support/wait_for.hpp"

#include <commonbuf/commonbuf.hpp>

#include <CLI/CLI.hpp>
#include <drm_fourcc.h>
#include <poll.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
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
    std::uint32_t lost = 0;    ///< for want of a buffer
    std::uint32_t dropped = 0; ///< by the camera itself, which had one
    std::uint32_t out_of_order = 0;
    std::uint32_t compared = 0;
    std::uint64_t wrong_pixels = 0;
    std::uint64_t copies = 0;    ///< CPU accesses between capture and display
    std::uint32_t in_fences = 0; ///< commits that the kernel held until a fence had signalled
};

volatile std::sig_atomic_t interrupted = 0;

/// How many pixels differ, the unused byte of XRGB8888 apart.
cb::Result<std::uint64_t> difference(const cb::Buffer& captured, const cb::Buffer& shown, cb::Deadline deadline)
{
    auto left = captured.read(deadline);
    if (!left)
        return left.error();
    auto right = shown.read(deadline);
    if (!right)
        return right.error();
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
        return ended.error();
    if (const auto ended = right->end(); !ended)
        return ended.error();
    return wrong;
}

/// One event loop: frames come from the camera, are shown in their order, and go back to the
/// camera when nothing looks at them any more.
class Pipeline {
public:
    Pipeline(const Options& options, cb::drm::CommitQueue& display, cb::v4l2::Queue& queue)
        : options_(options),
          display_(display),
          queue_(queue)
    {}

    /// Gives the camera a buffer of its own.
    cb::Status add(const cb::Buffer& buffer)
    {
        ours_.insert(buffer.id());
        return queue_.queue_when_ready(buffer);
    }

    /// Lets the display write what it shows into this buffer too.
    void add_writeback(const cb::Buffer& buffer)
    {
        free_writebacks_.push_back(buffer);
        writes_back_ = true;
    }

    cb::Result<Score> run()
    {
        lost_.given(queue_.with_device(), monotonic_now());
        if (const auto started = queue_.start(); !started)
            return started.error();
        while ((score_.shown < options_.frames || !written_.empty()) && interrupted == 0) {
            if (const auto turned = turn(); !turned)
                return turned.error();
        }
        score_.lost = lost_.without_buffer();
        score_.dropped = lost_.dropped();
        score_.out_of_order = lost_.out_of_order();
        return score_;
    }

private:
    /// A captured buffer; the last holder gives it back to the camera.
    using Lease = std::shared_ptr<const cb::Buffer>;

    struct Writeback {
        Lease frame;
        cb::Buffer picture;
        cb::Fence written;
    };

    cb::Status turn()
    {
        // Those that the display still reads wait in the queue for its fence.
        for (const cb::Buffer& buffer : std::exchange(returned_, {})) {
            if (auto queued = queue_.queue_when_ready(buffer); !queued)
                return queued;
        }
        lost_.given(queue_.with_device(), monotonic_now());
        if (may_show()) {
            if (auto shown = show(); !shown)
                return shown;
        }
        std::vector<pollfd> events{
            {queue_.with_device() > 0 ? queue_.frame_fd() : -1, POLLIN, 0}, // without buffers it polls as an error
            {queue_.poll_fd(), POLLIN, 0},
        };
        const auto to_show = waits_ ? wait_for(shown_, events) : true;
        const auto to_write = written_.empty() ? true : wait_for(written_.front().written, events);
        if (!to_show || !to_write)
            return (to_show ? to_write : to_show).error();
        const bool over = !*to_show || !*to_write; // since the last look, or since the commit
        constexpr int patience = 2000;             // milliseconds
        const int ready = ::poll(events.data(), events.size(), over ? 0 : patience);
        if (ready == 0 && !over)
            return cb::Error::timed_out("wait for the camera and the display", "nothing came for 2 s; " + standing());
        if (ready < 0)
            return {}; // a signal: look whether it was SIGINT
        return look();
    }

    /// Who has what, for whoever has to find out who does not answer.
    std::string standing() const
    {
        return std::to_string(queue_.with_device()) + " buffers are with the camera, " +
               std::to_string(queue_.waiting()) + " wait for the display to release them, " +
               std::to_string(captured_.size()) + " wait to be shown; the last commit is " + (waits_ ? "not " : "") +
               "on the screen, and " + std::to_string(written_.size()) + " writebacks are not complete";
    }

    /// What came meanwhile. A fence that failed is an error here.
    cb::Status look()
    {
        if (waits_) {
            const auto done = shown_.signalled();
            if (!done)
                return done.error();
            score_.shown += *done ? 1U : 0U;
            waits_ = !*done;
        }
        while (!written_.empty()) {
            const auto done = written_.front().written.signalled();
            if (!done)
                return done.error();
            if (!*done)
                break;
            if (auto compared = compare(); !compared)
                return compared;
        }
        if (const auto given = queue_.advance(); !given)
            return given.error();
        lost_.given(queue_.with_device(), monotonic_now());
        return queue_.with_device() > 0 ? capture() : cb::Status{};
    }

    /// One commit at a time, and room for the picture of it.
    bool may_show() const
    {
        return !waits_ && !captured_.empty() && score_.shown < options_.frames &&
               (!writes_back_ || !free_writebacks_.empty());
    }

    cb::Status capture()
    {
        auto frame = queue_.try_dequeue();
        if (!frame)
            return frame.error();
        if (!*frame)
            return {};
        lost_.came((*frame)->sequence, (*frame)->timestamp);
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
        score_.copies += frame->cpu_accesses() - accesses_[frame->id()];

        cb::drm::Commit commit(display_.display());
        commit.show(display_.display().primary(), *frame).wait_by(cb::drm::FenceWait::kernel);
        if (!lit_)
            commit.enable();
        std::optional<cb::Buffer> picture;
        if (writes_back_) {
            picture = std::move(free_writebacks_.front());
            free_writebacks_.pop_front();
            commit.write_back(*picture);
        }
        auto done = display_.commit(std::move(commit), cb::deadline_in(1s));
        if (!done)
            return done.error();
        lit_ = true;
        score_.in_fences += done->kernel_waits ? 1U : 0U;
        if (picture)
            written_.push_back({frame, std::move(*picture), std::move(done->written)});
        shown_ = std::move(done->shown);
        waits_ = true;
        // The display reads it until the next one is on the screen; the camera waits for that.
        on_screen_ = std::move(frame);
        return {};
    }

    cb::Status compare()
    {
        const Writeback done = std::move(written_.front());
        written_.pop_front();
        free_writebacks_.push_back(done.picture);
        if (!options_.compare)
            return {};
        const auto wrong = difference(*done.frame, done.picture, cb::deadline_in(1s));
        if (!wrong)
            return wrong.error();
        ++score_.compared;
        score_.wrong_pixels += *wrong;
        return {};
    }

    const Options& options_;
    cb::drm::CommitQueue& display_;
    cb::v4l2::Queue& queue_;
    Score score_;
    std::set<cb::BufferId> ours_;
    std::map<cb::BufferId, std::uint64_t> accesses_; ///< as they were at capture
    LostFrames lost_;
    std::vector<cb::Buffer> returned_;
    std::deque<cb::Buffer> free_writebacks_;
    bool writes_back_ = false;
    std::deque<Lease> captured_;
    Lease on_screen_;
    cb::Fence shown_;
    bool lit_ = false;
    bool waits_ = false; ///< for what is on the screen next
    std::deque<Writeback> written_;
};

cb::Result<Score> stream(const Options& options)
{
    const auto camera = cb::v4l2::Device::open(options.camera);
    if (!camera)
        return camera.error();
    const auto device = cb::drm::Device::open(options.display);
    if (!device)
        return device.error();

    constexpr std::uint32_t buffer_count = 10; // a third of a second of slack at 30 frames a second
    cb::Allocator allocator;
    const auto plan = allocator.plan({DRM_FORMAT_XRGB8888, options.width, options.height, buffer_count},
                                     {camera->capture(), device->scanout()});
    if (!plan)
        return plan.error();
    std::cout << plan->explain() << std::endl;

    // The library shows pictures where the program may: being master is the program's own affair.
    const auto master = Master::become(*device);
    if (!master)
        return master.error();
    const auto display = cb::drm::Display::choose(
        *device, {.connector = options.connector, .width = options.width, .height = options.height});
    if (!display)
        return display.error();
    auto commits = cb::drm::CommitQueue::create(*display);
    if (!commits)
        return commits.error();
    auto queue = camera->open_queue(cb::v4l2::Role::capture, plan->layout(), buffer_count);
    if (!queue)
        return queue.error();
    set_rate(*camera, options.rate);

    Pipeline pipeline(options, *commits, *queue);
    for (std::uint32_t i = 0; i < buffer_count; ++i) {
        const auto buffer = plan->allocate();
        if (!buffer)
            return buffer.error();
        if (const auto added = pipeline.add(*buffer); !added)
            return added.error();
    }
    std::optional<cb::Buffer> picture;
    if (display->writeback() != nullptr) {
        const auto pictures = allocator.plan({DRM_FORMAT_XRGB8888, options.width, options.height},
                                             {device->scanout(), cb::cpu(cb::Access::read)});
        if (!pictures)
            return pictures.error();
        constexpr int in_flight = 2;
        for (int i = 0; i < in_flight; ++i) {
            const auto buffer = pictures->allocate();
            if (!buffer)
                return buffer.error();
            pipeline.add_writeback(*buffer);
            picture = *buffer;
        }
    }
    auto score = pipeline.run();
    if (const auto off = commits->commit(cb::drm::Commit(*display).disable(), cb::deadline_in(1s)); !off && score)
        return off.error();
    if (score && !options.picture.empty() && picture) {
        if (const auto written = write_png(*picture, cb::deadline_in(1s), options.picture); !written)
            return written.error();
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
    if (score->dropped > 0)
        std::cout << score->dropped << " more dropped by the camera itself, which had a buffer for them: it was late, "
                  << "as on a busy machine\n";
    if (score->compared > 0)
        std::cout << score->compared << " pictures compared with what the display showed, " << score->wrong_pixels
                  << " wrong pixels\n";
    else
        std::cout << "nothing compared: " << (options.compare ? "the card has no writeback" : "as asked") << '\n';
    std::cout << score->in_fences << " commits waited in the kernel for a fence (IN_FENCE_FD)\n";
    if (const char* checked = std::getenv("COMMONBUF_CHECK"); checked != nullptr)
        std::cout << "access checker: " << cb::checker_findings() << " reports\n";
    const bool good = cb::checker_findings() == 0 && score->lost == 0 && score->out_of_order == 0 &&
                      score->copies == 0 && score->wrong_pixels == 0;
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
