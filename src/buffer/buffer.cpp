// SPDX-License-Identifier: MIT
#include "buffer/buffer_state.hpp"
#include "sync/implicit.hpp"

#include <commonbuf/buffer.hpp>
#include <commonbuf/foreign.hpp>

#include <array>
#include <cerrno>

namespace commonbuf {

/// What a handle that was moved from refers to: a buffer without planes, in memory of 0 bytes. Never
/// destroyed, since handles may be used until the very end of the program.
BufferState& Buffer::none() noexcept
{
    // NOLINTNEXTLINE(bugprone-unhandled-exception-at-new): without memory for it the program ends
    static const auto& state = *new std::shared_ptr<BufferState>([] {
        std::vector<BufferState::Memory> memories(1);
        return BufferState::create({}, std::move(memories), {}, {});
    }());
    return *state;
}

Result<Buffer> Buffer::wrap(const Layout& layout, std::vector<UniqueFd> memories)
{
    return admit({layout, std::move(memories)}, ForeignLimits::none());
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

const Layout& Buffer::layout() const noexcept { return state().layout(); }

int Buffer::dma_buf_fd(std::size_t memory) const noexcept
{
    state().share();
    return state().dma_buf_fd(memory);
}

Result<UniqueFd> Buffer::export_fd(std::size_t memory) const
{
    if (const Status can = shareable(*this, "export a buffer"); !can)
        return can.error();
    if (memory >= state().memories().size())
        return Error::invalid_argument("export a buffer", "the buffer has no memory " + std::to_string(memory));
    return duplicate(dma_buf_fd(memory)); // exposes it
}

BufferId Buffer::id(std::size_t memory) const noexcept
{
    const auto& memories = state().memories();
    return memory < memories.size() ? memories[memory].id : BufferId{};
}

std::uint64_t Buffer::size(std::size_t memory) const noexcept
{
    const auto& memories = state().memories();
    return memory < memories.size() ? memories[memory].size : 0;
}

const std::string& Buffer::heap() const noexcept { return state().heap(); }
const std::string& Buffer::fallback() const noexcept { return state().fallback(); }
std::uint64_t Buffer::cpu_accesses() const noexcept { return state().accesses(); }

Result<Fence> Buffer::export_fence(Access access) const
{
    if (const Status can = shareable(*this, "export a fence"); !can)
        return can.error();
    return state().gather(access);
}

Status Buffer::import_fence(const Fence& fence, Access access) const
{
    if (Status can = shareable(*this, "import a fence"); !can)
        return can;
    return state().publish(fence, access);
}

bool Buffer::bridges_fences() const noexcept
{
    return !state().is_private() && implicit::bridged(state().dma_buf_fd(0));
}

void Buffer::forget_failure() const { state().fences().forget_failure(); }

namespace {

Result<CpuAccess> begin(const std::shared_ptr<BufferState>& state, Access access, Deadline deadline, Place where)
{
    if (state == nullptr)
        return moved_from("access a buffer");
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
