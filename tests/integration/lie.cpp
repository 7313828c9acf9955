// SPDX-License-Identifier: MIT
#include "lie.hpp"

#include "brackets.hpp"

#include <drm.h>
#include <drm_mode.h>
#include <linux/dma-buf.h>
#include <linux/videodev2.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdarg>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace {

std::optional<Lies> told;
std::uint32_t frames_done = 0;

/// The content of an imported memory when it was queued, by slot.
struct Before {
    int fd = -1;
    std::vector<std::byte> content;
};
std::map<std::uint32_t, Before> queued;

int real_ioctl(int fd, unsigned long request, void* argument)
{
    return static_cast<int>(::syscall(SYS_ioctl, fd, request, argument));
}

template <typename Use>
void with_memory(int fd, Use use)
{
    const off_t size = ::lseek(fd, 0, SEEK_END);
    void* memory = ::mmap(nullptr, static_cast<std::size_t>(size), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return;
    use(static_cast<std::byte*>(memory), static_cast<std::size_t>(size));
    ::munmap(memory, static_cast<std::size_t>(size));
}

int set_format(int fd, v4l2_format& format)
{
    const bool planar =
        format.type == V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE || format.type == V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE;
    v4l2_pix_format& pix = format.fmt.pix;
    v4l2_plane_pix_format& plane = format.fmt.pix_mp.plane_fmt[0];
    const std::uint32_t stride = planar ? plane.bytesperline : pix.bytesperline;
    const std::uint32_t size = planar ? plane.sizeimage : pix.sizeimage;
    const auto set = [&](std::uint32_t bytes, std::uint32_t all) {
        if (planar) {
            plane.bytesperline = bytes;
            plane.sizeimage = all;
        } else {
            pix.bytesperline = bytes;
            pix.sizeimage = all;
        }
    };
    const bool lies = stride == told->stride;
    if (lies)
        set(told->real_stride, 0);
    const int answer = real_ioctl(fd, VIDIOC_S_FMT, &format);
    if (lies)
        set(stride, size);
    return answer;
}

int add_framebuffer(int fd, drm_mode_fb_cmd2& request)
{
    if (request.pitches[0] == told->stride)
        request.pitches[0] = told->real_stride;
    return real_ioctl(fd, DRM_IOCTL_MODE_ADDFB2, &request);
}

int queue(int fd, v4l2_buffer& buffer)
{
    if (buffer.memory == V4L2_MEMORY_DMABUF) {
        Before& before = queued[buffer.index];
        before.fd = buffer.m.fd;
        with_memory(before.fd,
                    [&](const std::byte* bytes, std::size_t size) { before.content.assign(bytes, bytes + size); });
    }
    return real_ioctl(fd, VIDIOC_QBUF, &buffer);
}

int dequeue(int fd, v4l2_buffer& buffer)
{
    const int answer = real_ioctl(fd, VIDIOC_DQBUF, &buffer);
    if (answer != 0 || buffer.memory != V4L2_MEMORY_DMABUF || frames_done++ < told->from_frame)
        return answer;
    const Before& before = queued[buffer.index];
    with_memory(before.fd, [&](std::byte* bytes, std::size_t size) {
        for (std::size_t i = 0; told->kept && i < size; ++i) {
            if (told->kept(i))
                bytes[i] = before.content[i];
        }
        for (std::size_t i = size; told->late_by != 0 && i-- > told->late_from;)
            bytes[i] = i >= told->late_from + told->late_by ? bytes[i - told->late_by] : before.content[i];
    });
    return answer;
}

std::atomic<bool> counting{false};
std::mutex counts_mutex;
BracketCounts counts;
std::list<std::chrono::steady_clock::time_point> in_flight; ///< when each call began

std::mutex before_start_mutex;
std::function<void(std::uint64_t)> at_start;

int sync_counted(int fd, unsigned long request, void* argument)
{
    const std::uint64_t flags = static_cast<const dma_buf_sync*>(argument)->flags;
    const auto begun = std::chrono::steady_clock::now();
    const auto hung = [](auto since) { return std::chrono::steady_clock::now() - since > hangs; };
    std::list<std::chrono::steady_clock::time_point>::iterator call;
    {
        const std::lock_guard lock(counts_mutex);
        counts.at_once = counts.at_once || !std::ranges::all_of(in_flight, hung);
        call = in_flight.insert(in_flight.end(), begun);
    }
    const int answer = real_ioctl(fd, request, argument);
    {
        const std::lock_guard lock(counts_mutex);
        in_flight.erase(call);
        counts.hung += hung(begun) ? 1U : 0U;
        const bool end = (flags & DMA_BUF_SYNC_END) != 0;
        const std::int64_t step = answer != 0 ? 0 : end ? -1 : 1;
        // One call may start both kinds, and two end them.
        const std::uint64_t kinds =
            ((flags & DMA_BUF_SYNC_READ) != 0 ? 1U : 0U) + ((flags & DMA_BUF_SYNC_WRITE) != 0 ? 1U : 0U);
        counts.starts += step > 0 ? kinds : 0U;
        counts.ends += step < 0 ? kinds : 0U;
        counts.readers += (flags & DMA_BUF_SYNC_READ) != 0 ? step : 0;
        counts.writers += (flags & DMA_BUF_SYNC_WRITE) != 0 ? step : 0;
        // A reader may have overtaken a START of both kinds: then one END follows at once.
        counts.nested = counts.nested || (counts.readers > 1 && !hung(begun)) || counts.writers > 1;
        counts.surplus = counts.surplus || counts.readers < 0 || counts.writers < 0;
        counts.most_readers = std::max(counts.most_readers, counts.readers);
        counts.most_writers = std::max(counts.most_writers, counts.writers);
    }
    return answer;
}

} // namespace

void count_brackets()
{
    const std::lock_guard lock(counts_mutex);
    counts = {};
    counting = true;
}

void before_start(std::function<void(std::uint64_t)> something)
{
    const std::lock_guard lock(before_start_mutex);
    at_start = std::move(something);
}

BracketCounts brackets()
{
    const std::lock_guard lock(counts_mutex);
    counting = false;
    return counts;
}

Lie::Lie(Lies lies)
{
    told = std::move(lies);
    frames_done = 0;
}

Lie::~Lie()
{
    told.reset();
    queued.clear();
}

extern "C" int ioctl(int fd, unsigned long request, ...) noexcept
{
    va_list arguments;
    va_start(arguments, request);
    void* argument = va_arg(arguments, void*);
    va_end(arguments);
    if (request == DMA_BUF_IOCTL_SYNC && (static_cast<const dma_buf_sync*>(argument)->flags & DMA_BUF_SYNC_END) == 0) {
        std::function<void(std::uint64_t)> something;
        {
            const std::lock_guard lock(before_start_mutex);
            something = at_start;
        }
        if (something)
            something(static_cast<const dma_buf_sync*>(argument)->flags);
    }
    if (request == DMA_BUF_IOCTL_SYNC && counting)
        return sync_counted(fd, request, argument);
    if (!told)
        return real_ioctl(fd, request, argument);
    if (request == VIDIOC_S_FMT && told->stride != 0)
        return set_format(fd, *static_cast<v4l2_format*>(argument));
    if (request == DRM_IOCTL_MODE_ADDFB2 && told->stride != 0)
        return add_framebuffer(fd, *static_cast<drm_mode_fb_cmd2*>(argument));
    const bool touches = told->kept || told->late_by != 0;
    if (request == VIDIOC_QBUF && touches)
        return queue(fd, *static_cast<v4l2_buffer*>(argument));
    if (request == VIDIOC_DQBUF && touches)
        return dequeue(fd, *static_cast<v4l2_buffer*>(argument));
    return real_ioctl(fd, request, argument);
}
