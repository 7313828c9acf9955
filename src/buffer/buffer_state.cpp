// SPDX-License-Identifier: MIT
//
// CPU access: START and END of DMA_BUF_IOCTL_SYNC (linux/dma-buf.h), counted.
//
//   read  ____|=====================|_______      readers_ > 0
//   write _________|=========|______________      writers_ > 0
//   ioctl   START(R) START(W) END(W) END(R)
//
// Reading and writing are two brackets. Each starts with its first access and ends with its last.
// So the kernel sees balanced pairs however many accesses nest, and written data is flushed when
// the last writer ends, not when some reader does.
#include "buffer/buffer_state.hpp"

#include "os/page_guard.hpp"

#include <linux/dma-buf.h>
#include <linux/ioctl.h>

#include <poll.h>

#include <algorithm>

namespace commonbuf {
namespace {

bool reads(Access access) { return access != Access::write; }
bool writes(Access access) { return access != Access::read; }

/// Names a dma-buf for /proc/*/fdinfo and debugfs. Errors do not matter: kernels before 5.3 have no
/// names, and some dma-bufs refuse one.
void name_for_accounting(int fd)
{
    constexpr const char* name = "commonbuf";
    os::ioctl_again(fd, DMA_BUF_SET_NAME_B, const_cast<char*>(name));
}

} // namespace

BufferState::~BufferState()
{
    for (const os::Mapping& mapping : mappings_) {
        if (os::page_guard::installed())
            os::page_guard::unguard(mapping.bytes());
    }
    watch::tell([this](watch::Watcher& watcher) { watcher.gone(*this); });
}

std::optional<os::FileId> BufferState::dma_buf() const noexcept
{
    if (is_private())
        return std::nullopt;
    const BufferId& id = memories_.front().id;
    return os::FileId{id.device, id.inode};
}

Status BufferState::map(Access access)
{
    if (is_private())
        return {};
    if (!mappings_.empty()) {
        if (writes(access) && !writable_)
            return Error::permission_denied(Call{"mmap"}, "the dma-buf was shared for reading only");
        return {};
    }
    std::vector<os::Mapping> mappings;
    bool writable = true;
    for (const Memory& memory : memories_) {
        auto mapping = os::Mapping::create(memory.fd.get(), memory.size, true);
        if (!mapping && mapping.error().category == Category::permission_denied && !writes(access)) {
            writable = false;
            mapping = os::Mapping::create(memory.fd.get(), memory.size, false);
        }
        if (!mapping)
            return mapping.error();
        mappings.push_back(std::move(*mapping));
    }
    mappings_ = std::move(mappings);
    writable_ = writable;
    for (const os::Mapping& mapping : mappings_) {
        if (os::page_guard::installed())
            os::page_guard::guard(mapping.bytes(), static_cast<watch::Subject*>(this));
    }
    return {};
}

void BufferState::guard_pages() const
{
    if (!os::page_guard::installed())
        return;
    using os::page_guard::Touch;
    const Touch touch = writers_ > 0 ? Touch::reads_and_writes : readers_ > 0 ? Touch::reads : Touch::none;
    for (const os::Mapping& mapping : mappings_)
        os::page_guard::allow(mapping.bytes(), touch);
}

Status BufferState::sync(std::uint64_t flags)
{
    if ((flags & DMA_BUF_SYNC_RW) == 0 || is_private())
        return {};
    for (std::size_t i = 0; i < memories_.size(); ++i) {
        dma_buf_sync request{flags};
        const int error = os::ioctl_again(memories_[i].fd.get(), DMA_BUF_IOCTL_SYNC, &request);
        if (error == 0)
            continue;
        if ((flags & DMA_BUF_SYNC_END) == 0) {
            // Leave no bracket open on a part of the memories.
            for (std::size_t done = 0; done < i; ++done) {
                dma_buf_sync undo{flags | DMA_BUF_SYNC_END};
                os::ioctl_again(memories_[done].fd.get(), DMA_BUF_IOCTL_SYNC, &undo);
            }
        }
        return Error::from_errno(error, (flags & DMA_BUF_SYNC_END) != 0 ? "DMA_BUF_IOCTL_SYNC END"
                                                                        : "DMA_BUF_IOCTL_SYNC START");
    }
    return {};
}

Status BufferState::begin(Access access, Deadline deadline)
{
    // Ask the fences of jobs first: the dma-buf has them too, but without their errors.
    if (Status done = fences_.before(access).wait(deadline); !done)
        return done;
    // START waits for fences without a limit, and does the cache maintenance before that wait instead
    // of after it. So wait here first. A dma-buf polls readable when its writers are done, and
    // writable when all its users are.
    for (const Memory& memory : memories_) {
        if (!memory.fd)
            continue;
        const auto done = os::wait(memory.fd.get(), writes(access) ? POLLOUT : POLLIN, deadline, "dma-buf");
        if (!done)
            return done.error();
        if (!*done)
            return Error::timed_out("wait for the devices that use the buffer",
                                    "a fence did not signal before the deadline");
    }

    const std::lock_guard lock(access_mutex_);
    if (Status mapped = map(access); !mapped)
        return mapped;
    std::uint64_t flags = DMA_BUF_SYNC_START;
    if (reads(access) && readers_ == 0)
        flags |= DMA_BUF_SYNC_READ;
    if (writes(access) && writers_ == 0)
        flags |= DMA_BUF_SYNC_WRITE;
    if (Status started = sync(flags); !started)
        return started;
    readers_ += reads(access) ? 1U : 0U;
    writers_ += writes(access) ? 1U : 0U;
    guard_pages();
    accesses_.fetch_add(1, std::memory_order_relaxed);
    return {};
}

Status BufferState::end(Access access)
{
    const std::lock_guard lock(access_mutex_);
    readers_ -= reads(access) ? 1U : 0U;
    writers_ -= writes(access) ? 1U : 0U;
    guard_pages();
    std::uint64_t flags = DMA_BUF_SYNC_END;
    if (reads(access) && readers_ == 0)
        flags |= DMA_BUF_SYNC_READ;
    if (writes(access) && writers_ == 0)
        flags |= DMA_BUF_SYNC_WRITE;
    return sync(flags);
}

std::span<std::byte> BufferState::memory(std::size_t index) const noexcept
{
    return index < mappings_.size() ? mappings_[index].bytes() : memories_[index].own;
}

std::span<std::byte> BufferState::plane(std::size_t index) const noexcept
{
    if (index >= layout_.plane_count)
        return {};
    const Plane& plane = layout_.planes[index];
    const auto all = memory(plane.memory);
    return all.empty() ? all : all.subspan(plane.offset, plane.size);
}

std::array<std::span<std::byte>, max_planes> BufferState::bytes() const noexcept
{
    std::array<std::span<std::byte>, max_planes> all{};
    for (std::size_t i = 0; i < std::min(all.size(), memories_.size()); ++i)
        all[i] = memory(i);
    return all;
}

Status shareable(const Buffer& buffer, Tried operation)
{
    if (!buffer.state().is_private())
        return {};
    return Error::unsupported(std::move(operation), "the buffer is the program's own memory, which cannot be shared",
                              "allocate it from a plan that has this use");
}

Result<Buffer> make_buffer(const Layout& layout, std::vector<UniqueFd> fds, std::string heap, std::string fallback)
{
    std::vector<BufferState::Memory> memories;
    std::array<std::uint64_t, max_planes> sizes{};
    if (fds.size() > max_planes)
        return Error::invalid_argument("make a buffer",
                                       std::to_string(fds.size()) + " memories are more than a format has planes");
    for (UniqueFd& fd : fds) {
        const auto size = os::size_of(fd.get());
        if (!size)
            return size.error();
        const auto id = os::id_of(fd.get());
        if (!id)
            return id.error();
        sizes[memories.size()] = *size;
        memories.push_back({std::move(fd), {id->device, id->inode}, *size});
    }
    if (memories.empty())
        return Error::invalid_argument("make a buffer", "there is no memory");
    if (const Status valid = validate(layout, std::span(sizes).first(memories.size())); !valid)
        return valid.error();
    if (!heap.empty()) {
        for (const BufferState::Memory& memory : memories)
            name_for_accounting(memory.fd.get());
    }
    return Buffer(std::make_shared<BufferState>(layout, std::move(memories), std::move(heap), std::move(fallback)));
}

} // namespace commonbuf
