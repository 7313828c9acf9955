// SPDX-License-Identifier: MIT
#include "test_stream.hpp"

#include "picture.hpp"

#include <linux/videodev2.h>

namespace cb = commonbuf;
using namespace std::chrono_literals;

std::chrono::nanoseconds test_stream_time(std::size_t number) { return std::chrono::milliseconds(number + 1); }

cb::Status feed_test_stream(cb::v4l2::M2m& encoder, cb::v4l2::M2m& decoder, const std::vector<cb::Buffer>& pictures)
{
    // A buffer for each picture on the whole way, since there are few. The decoder reads the
    // very buffers that the encoder writes.
    const auto count = static_cast<std::uint32_t>(pictures.size());
    const cb::Layout& layout = pictures.at(0).layout();
    const auto plan = cb::Allocator().plan({cb::Format::v4l2(V4L2_PIX_FMT_FWHT), layout.width, layout.height, count},
                                           {encoder.capture(), decoder.output()});
    if (!plan)
        return plan.error();
    const auto coded = plan->allocate(count);
    if (!coded)
        return coded.error();
    if (auto opened = encoder.open_queues(layout, plan->layout(), count); !opened)
        return opened;
    if (auto opened = decoder.open_output(plan->layout(), count); !opened)
        return opened;
    for (std::uint32_t i = 0; i < count; ++i) {
        cb::v4l2::Payload payload;
        payload.timestamp = test_stream_time(i);
        if (auto queued = encoder.capture_queue()->queue_when_ready((*coded)[i]); !queued)
            return queued;
        if (auto drawn = draw_picture(pictures[i], i, cb::deadline_in(1s)); !drawn)
            return drawn;
        if (auto queued = encoder.output_queue()->queue_when_ready(pictures[i], {}, payload); !queued)
            return queued;
    }
    if (auto started = encoder.start(); !started)
        return started;
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto frame = encoder.capture_queue()->dequeue(cb::deadline_in(2s));
        if (!frame)
            return frame.error();
        cb::v4l2::Payload payload;
        payload.bytes_used[0] = frame->bytes_used[0];
        payload.timestamp = frame->timestamp;
        if (auto queued = decoder.output_queue()->queue_when_ready(frame->buffer, {}, payload); !queued)
            return queued;
    }
    return {};
}
