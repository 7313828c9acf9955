// SPDX-License-Identifier: MIT
#include "buffer/buffer_state.hpp"

#include <commonbuf/cpu_access.hpp>

namespace commonbuf {

CpuAccess::CpuAccess(std::shared_ptr<BufferState> state, Access access, Place where) noexcept
    : state_(std::move(state)),
      access_(access),
      where_(where)
{
    if (!watch::anybody())
        return;
    number_ = watch::next_number();
    watch::tell([&](watch::Watcher& watcher) { watcher.cpu_began(*state_, number_, {"CPU", access, where}); });
}

CpuAccess::CpuAccess(CpuAccess&&) noexcept = default;

CpuAccess& CpuAccess::operator=(CpuAccess&& other) noexcept
{
    CpuAccess taken(std::move(other)); // afterwards it ends what this object had
    std::swap(state_, taken.state_);
    std::swap(access_, taken.access_);
    std::swap(where_, taken.where_);
    std::swap(number_, taken.number_);
    return *this;
}

CpuAccess::~CpuAccess()
{
    if (state_ != nullptr)
        static_cast<void>(end());
}

std::span<std::byte> CpuAccess::plane(std::size_t index, Place where) const noexcept
{
    if (state_ != nullptr)
        return state_->plane(index);
    watch::tell([&](watch::Watcher& watcher) { watcher.cpu_touched_late(where_, where); });
    return {};
}

std::span<std::byte> CpuAccess::memory(std::size_t index) const noexcept
{
    if (state_ == nullptr || index >= state_->memories().size())
        return {};
    return state_->bytes()[index];
}

Status CpuAccess::end()
{
    if (state_ == nullptr)
        return Error::invalid_state("end a CPU access", "it has ended already");
    const auto state = std::exchange(state_, nullptr);
    watch::tell([&](watch::Watcher& watcher) { watcher.cpu_ended(*state, number_); });
    return state->end(access_);
}

} // namespace commonbuf
