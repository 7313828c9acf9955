// SPDX-License-Identifier: MIT
#include "backends/v4l2/payload.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <limits>

namespace commonbuf::v4l2 {

Status add(const Payload& payload, const Node& node, Role role, std::span<const std::uint64_t> sizes,
           v4l2_buffer& buffer, Planes& planes)
{
    const auto wrong = [&](std::string detail) {
        return Error::invalid_argument(node.where("VIDIOC_QBUF"), std::move(detail));
    };
    const bool planar = is_planar(node, role);
    for (std::size_t i = 0; i < max_planes; ++i) {
        const std::uint32_t bytes = payload.bytes_used[i];
        const std::uint32_t offset = payload.data_offset[i];
        if (bytes == 0 && offset == 0)
            continue;
        if (role == Role::capture)
            return wrong("bytes_used and data_offset are for output queues; a capture device sets them itself");
        if (i >= sizes.size())
            return wrong(text::format("there is no memory {}: the buffer has {}", i, sizes.size()));
        if (offset != 0 && !planar)
            return Error::unsupported(node.where("VIDIOC_QBUF"),
                                      "offsets need the multi-planar API, which this node does not speak");
        std::uint32_t& used = planar ? planes[i].bytesused : buffer.bytesused;
        // No number means all that the layout asks for, behind the offset.
        const std::uint64_t all = bytes != 0 ? bytes : std::uint64_t{used} + offset;
        if (all > std::min<std::uint64_t>(sizes[i], std::numeric_limits<std::uint32_t>::max()))
            return wrong(
                text::format("memory {} is said to hold {} bytes, but the driver has room for {}", i, all, sizes[i]));
        if (offset >= all)
            return wrong(text::format("data_offset {} leaves nothing of the {} bytes in memory {}", offset, all, i));
        used = static_cast<std::uint32_t>(all);
        if (planar)
            planes[i].data_offset = offset;
    }
    // Some ABIs count seconds in __u32; negative ones have no meaning in any.
    if (payload.timestamp.count() < 0)
        return wrong("the time stamp is negative");
    const auto seconds = std::chrono::floor<std::chrono::seconds>(payload.timestamp);
    buffer.timestamp.tv_sec = seconds.count();
    buffer.timestamp.tv_usec =
        std::chrono::duration_cast<std::chrono::microseconds>(payload.timestamp - seconds).count();
    switch (payload.coding) {
    case Coding::unknown: break;
    case Coding::key: buffer.flags |= V4L2_BUF_FLAG_KEYFRAME; break;
    case Coding::predicted: buffer.flags |= V4L2_BUF_FLAG_PFRAME; break;
    case Coding::bidirectional: buffer.flags |= V4L2_BUF_FLAG_BFRAME; break;
    }
    if (payload.hold_capture) {
        if (role == Role::capture)
            return wrong("hold_capture is for the output side");
        buffer.flags |= V4L2_BUF_FLAG_M2M_HOLD_CAPTURE_BUF;
    }
    if (payload.field != 0)
        buffer.field = payload.field;
    if (payload.timecode) {
        const Timecode& code = *payload.timecode;
        buffer.flags |= V4L2_BUF_FLAG_TIMECODE;
        buffer.timecode = {code.type, code.flags, code.frames, code.seconds, code.minutes, code.hours, {}};
    }
    if (payload.request >= 0) {
        buffer.flags |= V4L2_BUF_FLAG_REQUEST_FD;
        buffer.request_fd = payload.request;
    }
    return {};
}

} // namespace commonbuf::v4l2
