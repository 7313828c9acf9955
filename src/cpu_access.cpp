// SPDX-License-Identifier: MIT
#include "buffer_state.hpp"

#include <commonbuf/cpu_access.hpp>

namespace commonbuf {

CpuAccess::CpuAccess(std::shared_ptr<BufferState> state, Access access, Place where) noexcept
    : state_(std::move(state)),
      access_(access),
      where_(where)
{}

CpuAccess::CpuAccess(CpuAccess&&) noexcept = default;

CpuAccess& CpuAccess::operator=(CpuAccess&& other) noexcept
{
    std::swap(state_, other.state_);
    std::swap(access_, other.access_);
    std::swap(where_, other.where_);
    return *this;
}

CpuAccess::~CpuAccess()
{
    if (state_ != nullptr)
        static_cast<void>(state_->end(access_));
}

std::span<std::byte> CpuAccess::plane(std::size_t index) const noexcept
{
    return state_ != nullptr ? state_->plane(index) : std::span<std::byte>{};
}

Status CpuAccess::end()
{
    if (state_ == nullptr)
        return fail(Category::invalid_argument, "end a CPU access", "it was ended before");
    return std::exchange(state_, nullptr)->end(access_);
}

} // namespace commonbuf
