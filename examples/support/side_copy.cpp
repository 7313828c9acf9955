// SPDX-License-Identifier: MIT
#include "side_copy.hpp"

#include <linux/videodev2.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace cb = commonbuf;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t in_between = 4; // buffers

/// Peak signal-to-noise ratio of the luma.
cb::Result<double> psnr(const cb::Buffer& original, const cb::Buffer& copy)
{
    auto left = original.read(cb::deadline_in(1s));
    if (!left)
        return left.error();
    auto right = copy.read(cb::deadline_in(1s));
    if (!right)
        return right.error();
    const cb::Layout& a = original.layout();
    const cb::Layout& b = copy.layout();
    std::uint64_t squares = 0;
    for (std::size_t y = 0; y < a.height; ++y) {
        const auto from = left->plane(0).subspan(y * a.planes[0].stride, a.width);
        const auto to = right->plane(0).subspan(y * b.planes[0].stride, a.width);
        for (std::size_t x = 0; x < a.width; ++x) {
            const int difference = std::to_integer<int>(from[x]) - std::to_integer<int>(to[x]);
            squares += static_cast<std::uint64_t>(difference * difference);
        }
    }
    if (const auto ended = left->end(); !ended)
        return ended.error();
    if (const auto ended = right->end(); !ended)
        return ended.error();
    constexpr double peak = 255;
    constexpr double without_error = 99;
    if (squares == 0)
        return without_error;
    const double mean = static_cast<double>(squares) / (static_cast<double>(a.width) * a.height);
    return 10 * std::log10(peak * peak / mean);
}

void add(std::vector<pollfd>& events, cb::v4l2::M2m& device)
{
    if (device.poll_events() != 0)
        events.push_back({device.poll_fd(), device.poll_events(), 0});
    for (const auto* queue : {device.output_queue(), device.capture_queue()}) {
        if (queue != nullptr && queue->poll_fd() >= 0)
            events.push_back({queue->poll_fd(), POLLIN, 0});
    }
}

cb::Status fill(cb::v4l2::Queue& queue, const cb::Plan& plan, std::uint32_t count)
{
    const auto buffers = plan.allocate(count);
    if (!buffers)
        return buffers.error();
    for (const cb::Buffer& buffer : *buffers) {
        if (auto queued = queue.queue_when_ready(buffer); !queued)
            return queued;
    }
    return {};
}

} // namespace

cb::Result<std::unique_ptr<SideCopy>> SideCopy::open(const std::string& encoder, const std::string& decoder)
{
    auto first = cb::v4l2::M2m::open(encoder);
    if (!first)
        return first.error();
    auto second = cb::v4l2::M2m::open(decoder);
    if (!second)
        return second.error();
    return std::unique_ptr<SideCopy>(new SideCopy(std::move(*first), std::move(*second)));
}

cb::Status SideCopy::start(const cb::Layout& pictures, std::uint32_t buffers)
{
    pictures_ = pictures;
    const auto coded =
        cb::Allocator().plan({cb::Format::v4l2(V4L2_PIX_FMT_FWHT), pictures.width, pictures.height, in_between},
                             {encoder_.capture(), decoder_.output()});
    if (!coded)
        return coded.error();
    if (auto opened = encoder_.open_queues(pictures, coded->layout(), buffers); !opened)
        return opened;
    encoder_.output_queue()->set_fencing(cb::Fencing::explicit_only); // as all jobs on the camera's frames
    if (auto opened = decoder_.open_output(coded->layout(), in_between); !opened)
        return opened;
    if (auto filled = fill(*encoder_.capture_queue(), *coded, in_between); !filled)
        return filled;
    if (auto started = encoder_.start(); !started)
        return started;
    return decoder_.start();
}

cb::Status SideCopy::encode(Loan frame, std::uint32_t number)
{
    cb::v4l2::Payload payload;
    payload.timestamp = std::chrono::milliseconds(number + 1);
    if (auto queued = encoder_.output_queue()->queue_when_ready(*frame, {}, payload); !queued)
        return queued;
    with_encoder_[frame->id()] = frame;
    originals_[payload.timestamp] = std::move(frame);
    return {};
}

void SideCopy::poll(std::vector<pollfd>& events)
{
    add(events, encoder_);
    add(events, decoder_);
}

cb::Status SideCopy::look()
{
    if (auto looked = look_at_encoder(); !looked)
        return looked;
    return look_at_decoder();
}

cb::Status SideCopy::look_at_encoder()
{
    if (const auto given = encoder_.advance(); !given)
        return given.error();
    for (;;) {
        const auto read = encoder_.output_queue()->try_dequeue();
        if (!read)
            return read.error();
        if (!*read)
            break;
        with_encoder_.erase((*read)->buffer.id());
    }
    for (;;) {
        const auto coded = encoder_.capture_queue()->try_dequeue();
        if (!coded)
            return coded.error();
        if (!*coded)
            return {};
        coded_bytes_ += (*coded)->bytes_used[0];
        cb::v4l2::Payload payload;
        payload.bytes_used[0] = (*coded)->bytes_used[0];
        payload.timestamp = (*coded)->timestamp;
        if (auto queued = decoder_.output_queue()->queue_when_ready((*coded)->buffer, {}, payload); !queued)
            return queued;
    }
}

cb::Status SideCopy::look_at_decoder()
{
    if (const auto given = decoder_.advance(); !given)
        return given.error();
    for (;;) {
        const auto read = decoder_.output_queue()->try_dequeue();
        if (!read)
            return read.error();
        if (!*read)
            break;
        if (auto queued = encoder_.capture_queue()->queue_when_ready((*read)->buffer); !queued)
            return queued;
    }
    const auto source = decoder_.pop_source_change();
    if (!source)
        return source.error();
    if (*source) {
        if (auto opened = open_pictures(**source); !opened)
            return opened;
    }
    auto* pictures = decoder_.capture_queue();
    while (pictures != nullptr && pictures->streaming() && !pictures->ended()) {
        const auto frame = pictures->try_dequeue();
        if (!frame)
            return frame.error();
        if (!*frame)
            break;
        if (auto compared = compare(**frame); !compared)
            return compared;
        if (auto queued = pictures->queue_when_ready((*frame)->buffer); !queued)
            return queued;
    }
    return {};
}

cb::Status SideCopy::open_pictures(const cb::v4l2::SourceChange& source)
{
    decoder_.close_capture();
    const std::uint32_t count = std::max(source.min_buffers, in_between);
    const auto plan = cb::Allocator().plan({pictures_.format, source.width, source.height, count},
                                           {decoder_.capture(), cb::cpu(cb::Access::read)});
    if (!plan)
        return plan.error();
    if (auto opened = decoder_.open_capture(plan->layout(), count); !opened)
        return opened;
    if (auto filled = fill(*decoder_.capture_queue(), *plan, count); !filled)
        return filled;
    return decoder_.start();
}

cb::Status SideCopy::compare(const cb::v4l2::Frame& frame)
{
    const auto original = originals_.find(frame.timestamp);
    if (original == originals_.end())
        return {};
    ++looks_[original->second->id()];
    const auto measured = psnr(*original->second, frame.buffer);
    if (!measured)
        return measured.error();
    worst_psnr_ = std::min(worst_psnr_.value_or(*measured), *measured);
    ++decoded_;
    originals_.erase(original);
    return {};
}

std::uint64_t SideCopy::looks_at(const cb::Buffer& buffer) const
{
    const auto found = looks_.find(buffer.id());
    return found != looks_.end() ? found->second : 0;
}
