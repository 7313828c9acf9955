// SPDX-License-Identifier: MIT
#include "backends/v4l2/own_queue.hpp"

#include "backends/v4l2/failure.hpp"
#include "base/text.hpp"

#include <linux/dma-buf.h>
#include <poll.h>

#include <cerrno>

namespace commonbuf::v4l2 {

Result<OwnQueue> OwnQueue::create(std::shared_ptr<Node> node, Role role, std::uint32_t slots)
{
    OwnQueue queue(std::move(node), role);
    v4l2_format format{};
    format.type = queue.node_->type(role);
    if (const int error = queue.node_->ioctl(VIDIOC_G_FMT, &format); error != 0)
        return call_failed(*queue.node_, error, "VIDIOC_G_FMT");
    if (const Status made = queue.request(slots); !made)
        return made.error();
    const std::uint32_t memories = from_v4l2(format).memory_count;
    for (std::uint32_t i = 0; i < queue.slots(); ++i) {
        if (const Status mapped = queue.map(i, memories); !mapped)
            return mapped.error();
    }
    return queue;
}

OwnQueue::~OwnQueue()
{
    if (node_ == nullptr)
        return;
    int type = node_->type(role_);
    node_->ioctl(VIDIOC_STREAMOFF, &type);
    // Older drivers free no slot that is still mapped.
    slots_.clear();
    static_cast<void>(request(0));
}

Status OwnQueue::request(std::uint32_t count)
{
    if (const int error = request_own_slots(*node_, role_, count); error != 0) {
        Error failure = call_failed(*node_, error, "VIDIOC_REQBUFS");
        if (error == EINVAL) {
            failure.category = Category::unsupported;
            failure.detail = "the driver has no memory of its own (V4L2_MEMORY_MMAP)";
        }
        return failure;
    }
    slots_.resize(count);
    return {};
}

Status OwnQueue::map(std::uint32_t slot, std::uint32_t memory_count)
{
    for (std::uint32_t i = 0; i < memory_count; ++i) {
        auto fd = export_memory(*node_, role_, slot, i);
        if (!fd)
            return fd.error();
        const auto size = os::size_of(fd->get());
        if (!size)
            return size.error();
        auto mapping = os::Mapping::create(fd->get(), *size, true);
        if (!mapping)
            return mapping.error();
        slots_[slot].push_back({std::move(*fd), std::move(*mapping)});
    }
    return {};
}

std::span<std::byte> OwnQueue::memory(std::uint32_t slot, std::size_t index) const noexcept
{
    return index < slots_[slot].size() ? slots_[slot][index].mapping.bytes() : std::span<std::byte>{};
}

std::array<std::span<std::byte>, max_planes> OwnQueue::memories(std::uint32_t slot) const noexcept
{
    std::array<std::span<std::byte>, max_planes> all{};
    for (std::size_t i = 0; i < all.size(); ++i)
        all[i] = memory(slot, i);
    return all;
}

Status OwnQueue::sync(std::uint32_t slot, bool start) const
{
    for (const Memory& memory : slots_[slot]) {
        dma_buf_sync request{start ? std::uint64_t{DMA_BUF_SYNC_RW | DMA_BUF_SYNC_START}
                                   : std::uint64_t{DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END}};
        if (const int error = os::ioctl_again(memory.fd.get(), DMA_BUF_IOCTL_SYNC, &request); error != 0)
            return Error::from_errno(error, node_->where("DMA_BUF_IOCTL_SYNC on a buffer"));
    }
    return {};
}

v4l2_buffer OwnQueue::describe(std::uint32_t slot, Planes& planes) const
{
    v4l2_buffer buffer{};
    buffer.type = node_->type(role_);
    buffer.memory = V4L2_MEMORY_MMAP;
    buffer.index = slot;
    buffer.field = V4L2_FIELD_NONE;
    const auto used = [&](std::size_t i) {
        return role_ == Role::output ? static_cast<__u32>(memory(slot, i).size()) : 0U;
    };
    if (node_->info().multiplanar) {
        planes = {};
        for (std::size_t i = 0; i < planes.size(); ++i)
            planes[i].bytesused = used(i);
        buffer.m.planes = planes.data();
        buffer.length = static_cast<__u32>(slots_[slot].size());
    } else {
        buffer.bytesused = used(0);
    }
    return buffer;
}

Status OwnQueue::queue(std::uint32_t slot)
{
    Planes planes;
    v4l2_buffer buffer = describe(slot, planes);
    // The exported size is whole pages, and the driver counts its own.
    if (role_ == Role::output && node_->ioctl(VIDIOC_QUERYBUF, &buffer) == 0) {
        buffer.bytesused = buffer.length;
        for (std::size_t i = 0; node_->info().multiplanar && i < slots_[slot].size(); ++i)
            planes[i].bytesused = planes[i].length;
    }
    if (const int error = node_->ioctl(VIDIOC_QBUF, &buffer); error != 0)
        return call_failed(*node_, error, "VIDIOC_QBUF");
    return {};
}

Status OwnQueue::start()
{
    int type = node_->type(role_);
    if (const int error = node_->ioctl(VIDIOC_STREAMON, &type); error != 0)
        return call_failed(*node_, error, "VIDIOC_STREAMON");
    return {};
}

Result<OwnQueue::Done> OwnQueue::dequeue(Deadline deadline)
{
    for (;;) {
        const auto ready =
            os::wait(node_->fd(), role_ == Role::capture ? POLLIN : POLLOUT, deadline, node_->info().path);
        if (ready && !*ready)
            return Error::timed_out(node_->where("VIDIOC_DQBUF"), "the device finished no frame before the deadline");
        Planes planes{};
        v4l2_buffer buffer{};
        buffer.type = node_->type(role_);
        buffer.memory = V4L2_MEMORY_MMAP;
        if (node_->info().multiplanar) {
            buffer.m.planes = planes.data();
            buffer.length = static_cast<__u32>(planes.size());
        }
        const int error = node_->ioctl(VIDIOC_DQBUF, &buffer);
        if (error == EAGAIN && ready)
            continue;
        if (error != 0)
            return call_failed(*node_, error, "VIDIOC_DQBUF");
        if (buffer.index >= slots())
            return Error::kernel_failure(
                node_->where("VIDIOC_DQBUF"),
                text::format("the driver gave back slot {}, which it does not have", buffer.index));
        if ((buffer.flags & V4L2_BUF_FLAG_ERROR) != 0)
            return Error::device_gone(node_->where("VIDIOC_DQBUF"),
                                      "the driver marks a frame in its own memory as damaged (V4L2_BUF_FLAG_ERROR)");
        Done done{buffer.index, {}};
        for (std::size_t i = 0; i < planes.size(); ++i)
            done.bytes_used[i] = node_->info().multiplanar ? planes[i].bytesused : (i == 0 ? buffer.bytesused : 0);
        return done;
    }
}

} // namespace commonbuf::v4l2
