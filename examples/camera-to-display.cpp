// SPDX-License-Identifier: MIT
//
// Frames from a V4L2 camera to a KMS display through one set of buffers, without a copy: the camera
// writes where the display reads. Only one call waits. MeasuredStream looks on: it counts what was
// lost, and compares what the display showed, as far as it wrote that back, with what was captured.
//
//   camera-to-display --camera /dev/video0 --display /dev/dri/card0 --connector HDMI-A-1
#include "support/interrupt.hpp"
#include "support/measured_stream.hpp"
#include "support/run_app.hpp"
#include "support/screen.hpp"

#include <commonbuf/commonbuf.hpp>

#include <array>
#include <deque>
#include <drm_fourcc.h>
#include <iostream>
#include <memory>
#include <poll.h>
#include <vector>

namespace {

namespace cb = commonbuf;
using namespace std::chrono_literals;

/// Shows what the camera captures until there is enough of it or the user presses Ctrl-C.
cb::Status show(cb::v4l2::Queue& queue, cb::drm::CommitQueue& commits, MeasuredStream& measured)
{
    using Loan = std::shared_ptr<const cb::Buffer>; // the last holder gives it back to the camera
    std::deque<Loan> captured;
    Loan on_screen;
    std::array<pollfd, 3> events{}; // only who has something is asked for it
    auto& [interrupted, has_buffer, has_frame] = events;
    while (measured.goes_on()) {
        if (has_buffer.revents != 0) {
            if (const auto given = queue.advance(); !given)
                return given.error();
        }
        measured.given(queue);
        if (has_frame.revents != 0) {
            const auto taken = queue.try_dequeue();
            if (!taken)
                return taken.error();
            if (*taken) {
                measured.captured(**taken);
                captured.push_back(queue.lend((*taken)->buffer));
            }
        }

        auto is_shown = commits.shown().signalled(); // the last one: one commit at a time
        if (!is_shown)
            return is_shown.error();
        if (*is_shown && !captured.empty() && measured.wants_more()) {
            const Loan frame = std::move(captured.front());
            captured.pop_front();
            cb::drm::Commit commit(commits.display());
            commit.show(commits.display().primary(), *frame);
            if (!on_screen)
                commit.enable();
            measured.shows(frame, commit);
            const auto done = commits.commit(std::move(commit), cb::deadline_in(1s));
            if (!done)
                return done.error();
            measured.committed(*done);
            is_shown = false;
            on_screen = frame; // the one before waits in the camera's queue for its fence
        }

        interrupted = {interrupt_fd(), POLLIN, 0};
        has_buffer = {queue.poll_fd(), POLLIN, 0};
        has_frame = {queue.with_device() > 0 ? queue.frame_fd() : -1, POLLIN,
                     0}; // without buffers it polls as an error
        std::vector<cb::Fence> fences = measured.fences();
        if (!*is_shown)
            fences.push_back(commits.shown());
        const auto came = cb::wait_any(fences, events, measured.patience());
        if (!came || (!*came && !measured.has_lost_a_writeback()))
            return came ? measured.nothing_came(queue, captured.size()) : came.error();
        if (interrupted.revents != 0)
            return {};
        if (auto looked = measured.look(); !looked)
            return looked;
    }
    return {};
}

cb::Result<bool> stream(const StreamOptions& options)
{
    const auto camera = cb::v4l2::Device::open(options.camera);
    const auto card = cb::drm::Device::open(options.display);
    if (!camera || !card)
        return camera ? card.error() : camera.error();
    constexpr std::uint32_t count = 10; // buffers: a third of a second of slack at 30 frames a second
    const auto plan = cb::Allocator().plan({DRM_FORMAT_XRGB8888, options.width, options.height, count},
                                           {camera->capture(), card->scanout()});
    if (!plan)
        return plan.error(); // every heap, and why not
    std::cout << plan->explain() << '\n' << std::flush;

    const auto screen =
        Screen::open(*card, {.connector = options.connector, .width = options.width, .height = options.height});
    if (!screen)
        return screen.error();
    const auto buffers = plan->allocate(count);
    if (!buffers)
        return buffers.error();
    auto queue = camera->open_queue(cb::v4l2::Role::capture, plan->layout(), count);
    if (!queue)
        return queue.error();
    for (const cb::Buffer& buffer : *buffers) {
        if (const auto queued = queue->queue(buffer); !queued)
            return queued.error();
    }
    auto measured = MeasuredStream::create(options, *camera, (*screen)->display(), *buffers);
    if (!measured)
        return measured.error();
    return queue->start()
        .and_then([&] { return show(*queue, (*screen)->queue(), *measured); })
        .and_then([&] { return (*screen)->off(); })
        .and_then([&] { return measured->report(); });
}

} // namespace

int main(int count, char** words)
{
    return run_app(count, words, "Shows a camera on a display through one set of buffers, without a copy.", stream);
}
