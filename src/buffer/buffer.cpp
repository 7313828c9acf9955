// SPDX-License-Identifier: MIT
#include "buffer/buffer_state.hpp"
#include "sync/implicit.hpp"

#include <commonbuf/buffer.hpp>

#include <linux/dma-buf.h>
#include <linux/ioctl.h>

#include <array>
#include <cerrno>

namespace commonbuf {

Result<Buffer> Buffer::wrap(const Layout& layout, std::vector<UniqueFd> memories)
{
    for (const UniqueFd& memory : memories) {
        const auto known = os::is_dma_buf(memory.get());
        if (!known)
            return known.error();
        if (!*known)
            return Error::invalid_argument("wrap a buffer",
                                           "descriptor " + std::to_string(memory.get()) + " is not a dma-buf");
    }
    auto buffer = make_buffer(layout, std::move(memories), {}, {});
    if (buffer)
        buffer->state().share();
    return buffer;
}

Result<Buffer> Buffer::from_memory(const Layout& layout, std::span<std::byte> memory)
{
    const std::array<std::uint64_t, 1> size{memory.size()};
    if (const Status valid = validate(layout, size); !valid)
        return valid.error();
    std::vector<BufferState::Memory> memories;
    memories.push_back({{}, {}, memory.size(), memory});
    return Buffer(BufferState::create(layout, std::move(memories), std::string(), std::string()));
}

const Layout& Buffer::layout() const noexcept { return state_->layout(); }

int Buffer::dma_buf_fd(std::size_t memory) const noexcept
{
    state_->share();
    return state_->dma_buf_fd(memory);
}

Result<UniqueFd> Buffer::export_fd(std::size_t memory) const
{
    if (const Status can = shareable(*this, "export a buffer"); !can)
        return can.error();
    if (memory >= state_->memories().size())
        return Error::invalid_argument("export a buffer", "the buffer has no memory " + std::to_string(memory));
    return duplicate(dma_buf_fd(memory)); // exposes it
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

Result<Fence> Buffer::export_fence(Access access) const
{
    if (const Status can = shareable(*this, "export a fence"); !can)
        return can.error();
    return state_->gather(access);
}

Status Buffer::import_fence(const Fence& fence, Access access) const
{
    if (Status can = shareable(*this, "import a fence"); !can)
        return can;
    return state_->publish(fence, access);
}

bool Buffer::bridges_fences() const noexcept
{
    return !state_->is_private() && implicit::bridged(state_->dma_buf_fd(0));
}

void Buffer::forget_failure() const { state_->fences().forget_failure(); }

namespace {

Result<CpuAccess> begin(const std::shared_ptr<BufferState>& state, Access access, Deadline deadline, Place where)
{
    return state->begin(access, deadline).map([&] { return CpuAccess(state, access, where); });
}

} // namespace

Result<CpuAccess> Buffer::read(Deadline deadline, Place where) const
{
    return begin(state_, Access::read, deadline, where);
}
Result<CpuAccess> Buffer::write(Deadline deadline, Place where) const
{
    return begin(state_, Access::write, deadline, where);
}
Result<CpuAccess> Buffer::read_write(Deadline deadline, Place where) const
{
    return begin(state_, Access::read_write, deadline, where);
}

} // namespace commonbuf
