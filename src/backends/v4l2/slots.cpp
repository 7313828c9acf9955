// SPDX-License-Identifier: MIT
#include "backends/v4l2/slots.hpp"

#include "base/text.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <limits>

namespace commonbuf::v4l2 {

Description::Description(const Node& node, Role role, v4l2_memory memory, std::uint32_t index) noexcept
{
    buffer.type = node.type(role);
    buffer.memory = memory;
    buffer.index = index;
    buffer.length = node.is_planar(role) ? max_planes : 0;
}

void Description::set(const Layout& layout, std::span<const int> fds, std::span<const std::uint64_t> sizes,
                      std::uint32_t field) noexcept
{
    const bool planar = V4L2_TYPE_IS_MULTIPLANAR(buffer.type);
    buffer.field = field;
    buffer.length = planar ? static_cast<std::uint32_t>(fds.size()) : narrow(sizes[0]);
    if (!planar)
        buffer.m.fd = fds[0];
    for (std::size_t i = 0; i < fds.size(); ++i) {
        if (planar) {
            planes[i].m.fd = fds[i];
            planes[i].length = narrow(sizes[i]);
        }
        if (V4L2_TYPE_IS_OUTPUT(buffer.type))
            bytes_used(i) = narrow(layout.memory_sizes[i]);
    }
}

Status Description::add(const Payload& payload, const Node& node, std::span<const std::uint64_t> sizes)
{
    const bool captures = !V4L2_TYPE_IS_OUTPUT(buffer.type);
    const auto wrong = [&](std::string detail) {
        return Error::invalid_argument(node.where("VIDIOC_QBUF"), std::move(detail));
    };
    for (std::size_t i = 0; i < max_planes; ++i) {
        const std::uint32_t bytes = payload.bytes_used[i];
        const std::uint32_t offset = payload.data_offset[i];
        if (bytes == 0 && offset == 0)
            continue;
        if (captures)
            return wrong("bytes_used and data_offset are for output queues; a capture device sets them itself");
        if (i >= sizes.size())
            return wrong(text::format("there is no memory {}: the buffer has {}", i, sizes.size()));
        if (offset != 0 && !V4L2_TYPE_IS_MULTIPLANAR(buffer.type))
            return Error::unsupported(node.where("VIDIOC_QBUF"),
                                      "offsets need the multi-planar API, which this node does not speak");
        std::uint32_t& used = bytes_used(i);
        // No number means all that the layout asks for, behind the offset.
        const std::uint64_t all = bytes != 0 ? bytes : std::uint64_t{used} + offset;
        if (all > std::min<std::uint64_t>(sizes[i], std::numeric_limits<std::uint32_t>::max()))
            return wrong(
                text::format("memory {} is said to hold {} bytes, but the driver has room for {}", i, all, sizes[i]));
        if (offset >= all)
            return wrong(text::format("data_offset {} leaves nothing of the {} bytes in memory {}", offset, all, i));
        used = static_cast<std::uint32_t>(all);
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
        if (captures)
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

int Description::send(const Node& node, unsigned long request) noexcept
{
    if (V4L2_TYPE_IS_MULTIPLANAR(buffer.type))
        buffer.m.planes = planes.data();
    return node.ioctl(request, &buffer);
}

std::uint32_t& Description::bytes_used(std::size_t memory) noexcept
{
    return V4L2_TYPE_IS_MULTIPLANAR(buffer.type) ? planes[memory].bytesused : buffer.bytesused;
}

Result<v4l2_requestbuffers> request_slots(const Node& node, Role role, v4l2_memory memory, std::uint32_t count)
{
    v4l2_requestbuffers request{};
    request.count = count;
    request.type = node.type(role);
    request.memory = memory;
    if (const int error = node.ioctl(VIDIOC_REQBUFS, &request); error != 0)
        return node.failed(error, "VIDIOC_REQBUFS");
    return request;
}

Result<v4l2_create_buffers> create_slots(const Node& node, Role role, v4l2_memory memory, std::uint32_t count,
                                         std::uint32_t bytes)
{
    const auto format = current_format(node, role);
    if (!format)
        return format.error();
    v4l2_create_buffers request{};
    request.count = count;
    request.memory = memory;
    request.format = *format;
    enlarge(request.format, bytes);
    if (const int error = node.ioctl(VIDIOC_CREATE_BUFS, &request); error != 0)
        return node.failed(error, "VIDIOC_CREATE_BUFS");
    return request;
}

bool has_slots(const Node& node, Role role) noexcept
{
    return Description(node, role, V4L2_MEMORY_DMABUF).send(node, VIDIOC_QUERYBUF) == 0;
}

namespace {

// videodev2.h since Linux 6.9; what older systems' headers lack is said here, and held against those that have it.
constexpr std::uint32_t says_most_buffers = 1U << 7U;
constexpr std::size_t most_buffers = offsetof(v4l2_create_buffers, flags) + sizeof(v4l2_create_buffers::flags);
#ifdef V4L2_BUF_CAP_SUPPORTS_MAX_NUM_BUFFERS
static_assert(says_most_buffers == V4L2_BUF_CAP_SUPPORTS_MAX_NUM_BUFFERS);
static_assert(most_buffers == offsetof(v4l2_create_buffers, max_num_buffers));
#endif

/// What CREATE_BUFS of none says: zeros if it says nothing.
v4l2_create_buffers create_none(const Node& node, Role role, v4l2_memory memory) noexcept
{
    v4l2_create_buffers none{};
    none.memory = memory;
    none.format.type = node.type(role);
    return node.ioctl(VIDIOC_CREATE_BUFS, &none) == 0 ? none : v4l2_create_buffers{};
}

} // namespace

std::uint32_t buffer_capabilities(const Node& node, Role role) noexcept
{
    return create_none(node, role, V4L2_MEMORY_MMAP).capabilities;
}

std::uint32_t max_slots(const Node& node, Role role) noexcept
{
    // Not every queue has both kinds of memory.
    for (const v4l2_memory memory : {V4L2_MEMORY_DMABUF, V4L2_MEMORY_MMAP}) {
        const v4l2_create_buffers told = create_none(node, role, memory);
        if ((told.capabilities & says_most_buffers) == 0)
            continue;
        std::uint32_t most = 0;
        std::memcpy(&most, reinterpret_cast<const char*>(&told) + most_buffers, sizeof most);
        return std::max<std::uint32_t>(most, 1);
    }
    return VIDEO_MAX_FRAME;
}

Result<UniqueFd> export_memory(const Node& node, Role role, std::uint32_t slot, std::uint32_t memory)
{
    v4l2_exportbuffer request{};
    request.type = node.type(role);
    request.index = slot;
    request.plane = memory;
    request.flags = O_CLOEXEC | O_RDWR;
    if (const int error = node.ioctl(VIDIOC_EXPBUF, &request); error != 0) {
        Error failure = node.failed(error, "VIDIOC_EXPBUF");
        if (error == EINVAL || error == ENOTTY)
            failure.category = Category::unsupported;
        return failure;
    }
    UniqueFd fd(request.fd);
    const auto id = os::id_of(fd.get());
    if (!id)
        return id.error();
    node.note_export(*id);
    return fd;
}

} // namespace commonbuf::v4l2
