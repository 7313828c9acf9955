// SPDX-License-Identifier: MIT
#include "buffer_state.hpp"

#include <commonbuf/buffer.hpp>

#include <linux/dma-buf.h>

#include <array>

namespace commonbuf {
namespace {

/// The name shows in /proc/*/fdinfo and in debugfs. Kernels before 5.3 have no names
/// and some dma-bufs refuse one: a buffer without a name is still a buffer.
void name_for_accounting(int fd)
{
    constexpr const char* name = "commonbuf";
    os::ioctl_again(fd, DMA_BUF_SET_NAME_B, const_cast<char*>(name));
}

/// Whether a descriptor is a dma-buf at all: only those know this ioctl.
bool is_dma_buf(int fd)
{
    dma_buf_sync nothing{};
    return os::ioctl_again(fd, DMA_BUF_IOCTL_SYNC, &nothing) == EINVAL;
}

} // namespace

Result<Buffer> make_buffer(const Layout& layout, std::vector<UniqueFd> fds, std::string heap, std::string fallback)
{
    std::vector<BufferState::Memory> memories;
    std::array<std::uint64_t, max_planes> sizes{};
    if (fds.size() > max_planes)
        return fail(Category::invalid_argument, "make a buffer",
                    std::to_string(fds.size()) + " memories are more than a format has planes");
    for (UniqueFd& fd : fds) {
        const auto size = os::size_of(fd.get());
        if (!size)
            return fail(size.error());
        const auto id = os::id_of(fd.get());
        if (!id)
            return fail(id.error());
        sizes[memories.size()] = *size;
        memories.push_back({std::move(fd), {id->device, id->inode}, *size});
    }
    if (memories.empty())
        return fail(Category::invalid_argument, "make a buffer", "there is no memory");
    if (const Status valid = check(layout, std::span(sizes).first(memories.size())); !valid)
        return fail(valid.error());
    if (!heap.empty()) {
        for (const BufferState::Memory& memory : memories)
            name_for_accounting(memory.fd.get());
    }
    return Buffer(std::make_shared<BufferState>(layout, std::move(memories), std::move(heap), std::move(fallback)));
}

Result<Buffer> Buffer::wrap(const Layout& layout, std::vector<UniqueFd> memories)
{
    for (const UniqueFd& memory : memories) {
        if (!is_dma_buf(memory.get()))
            return fail(Category::invalid_argument, "wrap a buffer",
                        "descriptor " + std::to_string(memory.get()) + " is not a dma-buf");
    }
    return make_buffer(layout, std::move(memories), {}, {});
}

const Layout& Buffer::layout() const noexcept { return state_->layout(); }

int Buffer::fd(std::size_t memory) const noexcept
{
    const auto& memories = state_->memories();
    return memory < memories.size() ? memories[memory].fd.get() : -1;
}

Result<UniqueFd> Buffer::export_fd(std::size_t memory) const
{
    if (memory >= state_->memories().size())
        return fail(Category::invalid_argument, "export a buffer", "it has no memory " + std::to_string(memory));
    return duplicate(fd(memory));
}

BufferId Buffer::id(std::size_t memory) const noexcept
{
    const auto& memories = state_->memories();
    return memory < memories.size() ? memories[memory].id : BufferId{};
}

std::uint64_t Buffer::size(std::size_t memory) const noexcept
{
    const auto& memories = state_->memories();
    return memory < memories.size() ? memories[memory].size : 0;
}

const std::string& Buffer::heap() const noexcept { return state_->heap(); }
const std::string& Buffer::fallback() const noexcept { return state_->fallback(); }
std::uint64_t Buffer::cpu_accesses() const noexcept { return state_->accesses(); }

namespace {

Result<CpuAccess> begin(const std::shared_ptr<BufferState>& state, Access access, Deadline deadline)
{
    if (const Status begun = state->begin(access, deadline); !begun)
        return fail(begun.error());
    return CpuAccess(state, access);
}

} // namespace

Result<CpuAccess> Buffer::read(Deadline deadline) const { return begin(state_, Access::read, deadline); }
Result<CpuAccess> Buffer::write(Deadline deadline) const { return begin(state_, Access::write, deadline); }
Result<CpuAccess> Buffer::read_write(Deadline deadline) const { return begin(state_, Access::read_write, deadline); }

} // namespace commonbuf
