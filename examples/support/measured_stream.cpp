// SPDX-License-Identifier: MIT
#include "measured_stream.hpp"

#include "camera.hpp"
#include "png.hpp"
#include "screen.hpp"

#include <algorithm>
#include <iostream>
#include <utility>

namespace cb = commonbuf;
using namespace std::chrono_literals;

namespace {

/// Much more than a display takes, even on a busy machine.
constexpr auto lost_after = 4s;

/// How many pixels of XRGB8888 differ, their unused byte apart.
cb::Result<std::uint64_t> wrong_pixels(const cb::Buffer& captured, const cb::Buffer& shown, cb::Deadline deadline)
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

} // namespace

cb::Result<MeasuredStream> MeasuredStream::create(const StreamOptions& options, const cb::v4l2::Device& camera,
                                                  const cb::drm::Display& display,
                                                  const std::vector<cb::Buffer>& buffers)
{
    set_rate(camera, options.rate);
    MeasuredStream stream(options);
    for (const cb::Buffer& buffer : buffers)
        stream.accesses_[buffer.id()] = 0;
    if (!options.looks_at_pictures())
        return stream;
    const auto pictures = writeback_buffers(display);
    if (!pictures)
        return pictures.error();
    stream.free_.assign(pictures->begin(), pictures->end());
    stream.score_.writes_back = !pictures->empty();
    return stream;
}

void MeasuredStream::captured(const cb::v4l2::Frame& frame)
{
    lost_.came(frame.sequence, frame.timestamp);
    const auto known = accesses_.find(frame.buffer.id());
    score_.copies += known != accesses_.end() ? 0U : 1U;
    if (known != accesses_.end())
        known->second = frame.buffer.cpu_accesses();
}

void MeasuredStream::shows(const Loan& frame, cb::drm::Commit& commit)
{
    if (const auto known = accesses_.find(frame->id()); known != accesses_.end())
        score_.copies += frame->cpu_accesses() - known->second;
    if (free_.empty())
        return;
    next_.emplace(Writeback{frame, std::move(free_.front()), {}, {}});
    free_.pop_front();
    commit.write_back(next_->picture);
}

void MeasuredStream::committed(const cb::drm::Committed& done)
{
    ++committed_;
    score_.shown += shown_ ? 1U : 0U; // one commit at a time: the one before is on the screen
    shown_ = done.shown;
    if (auto writeback = std::exchange(next_, {})) {
        writeback->written = done.written;
        writeback->due = cb::deadline_in(lost_after);
        written_.push_back(std::move(*writeback));
    }
}

std::vector<cb::Fence> MeasuredStream::fences() const
{
    return written_.empty() ? std::vector<cb::Fence>() : std::vector{written_.front().written};
}

cb::Deadline MeasuredStream::patience() const { return written_.empty() ? cb::deadline_in(2s) : written_.front().due; }

bool MeasuredStream::has_lost_a_writeback() const
{
    return !written_.empty() && std::chrono::steady_clock::now() >= written_.front().due;
}

cb::Status MeasuredStream::look()
{
    if (shown_) {
        const auto done = shown_->signalled();
        if (!done)
            return done.error();
        score_.shown += *done ? 1U : 0U;
        if (*done)
            shown_.reset();
    }
    while (!written_.empty()) {
        const auto done = written_.front().written.signalled();
        if (!done)
            return done.error();
        const bool lost = !*done && has_lost_a_writeback();
        if (!*done && !lost)
            break;
        const Writeback writeback = std::move(written_.front());
        written_.pop_front();
        if (lost) {
            ++score_.unwritten; // its buffer stays out of use
            continue;
        }
        if (auto compared = compare(writeback); !compared)
            return compared;
    }
    return {};
}

cb::Status MeasuredStream::compare(const Writeback& done)
{
    free_.push_back(done.picture);
    last_picture_ = done.picture;
    if (!options_.compare)
        return {};
    const auto wrong = wrong_pixels(*done.frame, done.picture, cb::deadline_in(1s));
    if (!wrong)
        return wrong.error();
    ++score_.compared;
    score_.wrong_pixels += *wrong;
    return {};
}

cb::Error MeasuredStream::nothing_came(const cb::v4l2::Queue& queue, std::size_t captured) const
{
    return cb::Error::timed_out(
        "wait for the camera and the display",
        "nothing came in time; " + std::to_string(queue.with_device()) + " buffers are with the camera, " +
            std::to_string(queue.waiting()) + " wait for the display to release them, " + std::to_string(captured) +
            " wait to be shown; the last commit is " + (shown_ ? "not " : "") + "on the screen, and " +
            std::to_string(written_.size()) + " writebacks are not complete");
}

cb::Result<bool> MeasuredStream::report()
{
    score_.lost = lost_.without_buffer();
    score_.dropped = lost_.dropped();
    score_.out_of_order = lost_.out_of_order();
    if (!options_.picture.empty() && last_picture_) {
        if (const auto saved = write_png(*last_picture_, cb::deadline_in(1s), options_.picture); !saved)
            return saved.error();
    }
    std::cout << score_.shown << " frames shown, " << score_.lost << " lost, " << score_.out_of_order
              << " out of order, " << score_.copies << " CPU copies\n"
              << score_.dropped_and_compared("what the display showed", options_.compare) << checker_line();
    return score_.good();
}
