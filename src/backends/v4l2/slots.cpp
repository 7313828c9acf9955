// SPDX-License-Identifier: MIT
#include "backends/v4l2/slots.hpp"

#include "backends/v4l2/failure.hpp"

#include <fcntl.h>

#include <cerrno>

namespace commonbuf::v4l2 {
namespace {

int request_slots_of(const Node& node, Role role, v4l2_memory memory, std::uint32_t& count) noexcept
{
    v4l2_requestbuffers request{};
    request.count = count;
    request.type = node.type(role);
    request.memory = memory;
    const int error = node.ioctl(VIDIOC_REQBUFS, &request);
    count = error == 0 ? request.count : 0;
    return error;
}

} // namespace

v4l2_buffer describe(const Node& node, Role role, std::uint32_t index, const Layout& layout, std::span<const int> fds,
                     std::span<const std::uint64_t> sizes, Planes& planes)
{
    v4l2_buffer buffer{};
    buffer.type = node.type(role);
    buffer.memory = V4L2_MEMORY_DMABUF;
    buffer.index = index;
    buffer.field = V4L2_FIELD_NONE;
    const auto used = [&](std::size_t i) { return role == Role::output ? narrow(layout.memory_sizes[i]) : 0; };
    if (is_planar(node, role)) {
        planes = {};
        for (std::size_t i = 0; i < fds.size(); ++i) {
            planes[i].m.fd = fds[i];
            planes[i].length = narrow(sizes[i]);
            planes[i].bytesused = used(i);
        }
        buffer.m.planes = planes.data();
        buffer.length = static_cast<std::uint32_t>(fds.size());
    } else {
        buffer.m.fd = fds[0];
        buffer.length = narrow(sizes[0]);
        buffer.bytesused = used(0);
    }
    return buffer;
}

v4l2_buffer describe_empty(const Node& node, Role role, v4l2_memory memory, Planes& planes) noexcept
{
    planes = {};
    v4l2_buffer buffer{};
    buffer.type = node.type(role);
    buffer.memory = memory;
    if (is_planar(node, role)) {
        buffer.m.planes = planes.data();
        buffer.length = static_cast<std::uint32_t>(planes.size());
    }
    return buffer;
}

int request_slots(const Node& node, Role role, std::uint32_t& count) noexcept
{
    const std::lock_guard lock(node.slots());
    return request_slots_of(node, role, V4L2_MEMORY_DMABUF, count);
}

int request_own_slots(const Node& node, Role role, std::uint32_t& count) noexcept
{
    const std::lock_guard lock(node.slots());
    return request_slots_of(node, role, V4L2_MEMORY_MMAP, count);
}

bool has_slots(const Node& node, Role role) noexcept
{
    Planes planes;
    v4l2_buffer first = describe_empty(node, role, V4L2_MEMORY_DMABUF, planes);
    return node.ioctl(VIDIOC_QUERYBUF, &first) == 0;
}

std::uint32_t buffer_capabilities(const Node& node, Role role) noexcept
{
    v4l2_create_buffers none{};
    none.memory = V4L2_MEMORY_MMAP;
    none.format.type = node.type(role);
    return node.ioctl(VIDIOC_CREATE_BUFS, &none) == 0 ? none.capabilities : 0;
}

Result<UniqueFd> export_memory(const Node& node, Role role, std::uint32_t slot, std::uint32_t memory)
{
    v4l2_exportbuffer request{};
    request.type = node.type(role);
    request.index = slot;
    request.plane = memory;
    request.flags = O_CLOEXEC | O_RDWR;
    if (const int error = node.ioctl(VIDIOC_EXPBUF, &request); error != 0) {
        Error failure = call_failed(node, error, "VIDIOC_EXPBUF");
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
