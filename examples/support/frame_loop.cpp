// SPDX-License-Identifier: MIT
#include "frame_loop.hpp"

#include "interrupt.hpp"

#include <poll.h>

#include <algorithm>
#include <utility>

namespace cb = commonbuf;
using namespace std::chrono_literals;

namespace {

/// As far as wait_any() found out: it asked those that poll(2) named, and asking others costs a call each turn.
cb::Result<bool> has_signalled(const cb::Fence& fence)
{
    return fence.known() == cb::FenceState::pending ? cb::Result<bool>(false) : fence.signalled();
}

} // namespace

FrameLoop::FrameLoop(std::uint32_t frames, bool compare, HuePass& hue, SideCopy* side, cb::v4l2::Queue& camera,
                     cb::Pool pictures, cb::drm::CommitQueue& display)
    : frames_(frames),
      compare_(compare),
      hue_(hue),
      side_(side),
      camera_(camera),
      pictures_(std::move(pictures)),
      display_(display)
{}

cb::Result<Score> FrameLoop::run()
{
    lost_.given(camera_.with_device(), monotonic_now());
    if (const auto started = camera_.start(); !started)
        return started.error();
    while (!done() && !interrupted_) {
        if (const auto turned = turn(); !turned)
            return turned.error();
    }
    score_.lost = lost_.without_buffer();
    score_.dropped = lost_.dropped();
    return score_;
}

bool FrameLoop::done() const
{
    return score_.shown >= frames_ && written_.empty() && (side_ == nullptr || side_->pending() == 0);
}

cb::Status FrameLoop::turn()
{
    if (auto drawn = draw(); !drawn)
        return drawn;
    if (auto committed = commit(); !committed)
        return committed;
    if (auto waited = wait(); !waited)
        return waited;
    return look();
}

cb::Status FrameLoop::wait()
{
    std::vector<pollfd> events{
        {interrupt_fd(), POLLIN, 0},
        {camera_.with_device() > 0 ? camera_.frame_fd() : -1, POLLIN, 0}, // without buffers it polls as an error
        {camera_.poll_fd(), POLLIN, 0},
        {display_.poll_fd(), POLLIN, 0},
    };
    if (side_ != nullptr)
        side_->poll(events);
    std::vector<cb::Fence> fences;
    for (const auto* some : {&drawing_, &showing_}) {
        if (!some->empty())
            fences.push_back(some->front());
    }
    if (!written_.empty())
        fences.push_back(written_.front().over);
    // A writeback that the driver has lost is news, too: look() gives it up.
    const auto came = cb::wait_any(fences, events, written_.empty() ? cb::deadline_in(5s) : written_.front().due);
    if (!came)
        return came.error();
    if (!*came && !has_lost_a_writeback())
        return cb::Error::timed_out("wait for the devices", "nothing came in time");
    interrupted_ = events[0].revents != 0;
    has_frame_ = events[1].revents != 0;
    camera_moves_ = events[2].revents != 0;
    display_moves_ = events[3].revents != 0;
    return {};
}

bool FrameLoop::has_lost_a_writeback() const
{
    return !written_.empty() && std::chrono::steady_clock::now() >= written_.front().due;
}

cb::Status FrameLoop::look()
{
    if (auto over = drop_signalled(drawing_); !over)
        return over.error();
    const auto now_shown = drop_signalled(showing_);
    if (!now_shown)
        return now_shown.error();
    score_.shown += *now_shown;
    leaving_.erase(leaving_.begin(), leaving_.begin() + *now_shown);
    while (!written_.empty()) {
        const auto written = has_signalled(written_.front().over);
        if (!written)
            return written.error();
        const bool lost = !*written && has_lost_a_writeback();
        if (!*written && !lost)
            break;
        if (lost) {
            ++score_.unwritten;
            written_.pop_front(); // its buffer stays out of use
            continue;
        }
        if (auto compared = compare(); !compared)
            return compared;
    }
    if (camera_moves_) {
        if (const auto given = camera_.advance(); !given)
            return given.error();
    }
    lost_.given(camera_.with_device(), monotonic_now());
    if (display_moves_) {
        if (const auto made = display_.advance(); !made)
            return made.error();
    }
    if (auto taken = take_committed(); !taken)
        return taken;
    if (side_ != nullptr) {
        if (auto looked = side_->look(); !looked)
            return looked;
    }
    return has_frame_ ? capture() : cb::Status();
}

cb::Result<std::uint32_t> FrameLoop::drop_signalled(std::deque<cb::Fence>& fences)
{
    std::uint32_t count = 0;
    while (!fences.empty()) {
        const auto signalled = has_signalled(fences.front());
        if (!signalled)
            return signalled.error();
        if (!*signalled)
            break;
        fences.pop_front();
        ++count;
    }
    return count;
}

cb::Status FrameLoop::capture()
{
    auto frame = camera_.try_dequeue();
    if (!frame)
        return frame.error();
    if (!*frame)
        return {};
    lost_.came((*frame)->sequence, (*frame)->timestamp);
    const cb::Buffer& buffer = (*frame)->buffer;
    Loan lent = camera_.lend(buffer);
    if (number_ >= frames_)
        return {};
    ++*in_flight_;
    const Counted counted(nullptr, [count = in_flight_](void*) { --*count; });
    // It counts as long as anybody has it.
    const auto both = std::make_shared<const std::pair<Counted, Loan>>(counted, std::move(lent));
    Loan shared(both, both->second.get());
    const std::size_t being_captured = camera_.with_device() > 0 ? 1 : 0;
    score_.in_flight = std::max(score_.in_flight, *in_flight_ + being_captured);
    captured_.push_back({shared, counted, number_, accesses(buffer)});
    if (side_ != nullptr) {
        if (auto given = side_->encode(std::move(shared), number_); !given)
            return given;
    }
    ++number_;
    return {};
}

std::uint64_t FrameLoop::accesses(const cb::Buffer& buffer) const
{
    return buffer.cpu_accesses() - (side_ != nullptr ? side_->looks_at(buffer) : 0);
}

cb::Status FrameLoop::draw()
{
    while (!captured_.empty() && hue_.has_room()) {
        const auto picture = pictures_.acquire(cb::Deadline{});
        if (!picture && picture.error().category == cb::Category::timed_out)
            return {}; // the display has them all
        if (!picture)
            return picture.error();
        Captured camera = std::move(captured_.front());
        captured_.pop_front();
        score_.copies += accesses(*camera.frame) - camera.cpu_accesses;
        auto over = hue_.submit(*camera.frame, *picture, turn_of(camera.number));
        if (!over)
            return over.error();
        drawing_.push_back(*over);
        drawn_.push_back({std::move(camera), *picture, picture->cpu_accesses(), std::move(*over)});
    }
    return {};
}

cb::Status FrameLoop::commit()
{
    while (!drawn_.empty() && display_.waiting() == 0 && (!free_writebacks_.empty() || written_.empty())) {
        Drawn drawn = std::move(drawn_.front());
        drawn_.pop_front();
        score_.copies += drawn.picture.cpu_accesses() - drawn.cpu_accesses;
        cb::drm::Commit next(display_.display());
        next.show(display_.display().primary(), drawn.picture, drawn.over);
        // The GPU's driver ends what hangs: the kernel may wait for it.
        next.wait_by(cb::drm::FenceWait::kernel);
        if (!lit_)
            next.enable();
        Shown shown{std::move(drawn.camera), std::nullopt};
        if (!free_writebacks_.empty()) {
            shown.writeback = std::move(free_writebacks_.front());
            free_writebacks_.pop_front();
            next.write_back(*shown.writeback);
        }
        const auto number = display_.submit(std::move(next));
        if (!number)
            return number.error();
        lit_ = true;
        committed_.emplace(*number, std::move(shown));
        if (auto taken = take_committed(); !taken)
            return taken;
    }
    return {};
}

cb::Status FrameLoop::take_committed()
{
    for (cb::drm::Committed& each : display_.pop_committed()) {
        const auto found = committed_.find(each.number);
        if (found == committed_.end())
            continue;
        score_.in_fences += each.kernel_waits ? 1U : 0U;
        showing_.push_back(each.shown);
        leaving_.push_back(std::exchange(on_screen_, found->second.camera.counted));
        for (const cb::Buffer& buffer : each.replaced) {
            if (auto released = pictures_.release(buffer, each.shown); !released)
                return released;
        }
        if (found->second.writeback)
            written_.push_back({std::move(found->second), std::move(each.written), cb::deadline_in(4s)});
        committed_.erase(found);
    }
    for (const cb::drm::WithheldCommit& each : display_.pop_withheld())
        return each.error;
    return {};
}

cb::Status FrameLoop::compare()
{
    const Written written = std::move(written_.front());
    written_.pop_front();
    last_picture_ = written.shown.writeback;
    free_writebacks_.push_back(*last_picture_);
    if (!compare_)
        return {};
    const auto wrong = wrong_pixels(*written.shown.camera.frame, *last_picture_, turn_of(written.shown.camera.number),
                                    cb::deadline_in(1s));
    if (!wrong)
        return wrong.error();
    ++score_.compared;
    score_.wrong_pixels += *wrong;
    return {};
}
