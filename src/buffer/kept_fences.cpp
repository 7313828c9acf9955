// SPDX-License-Identifier: MIT
#include "buffer/kept_fences.hpp"

#include "sync/fence_point.hpp"

#include <algorithm>
#include <array>
#include <iterator>

namespace commonbuf {
namespace {

/// Readers that nobody waits for would pile up, each with a descriptor.
void ask_if_many(const Fence& fence)
{
    constexpr std::size_t many = 8;
    if (points_of(fence).size() < many)
        return;
    for (const auto& point : points_of(fence))
        static_cast<void>(point->ask());
}

} // namespace

Fence without_failed(const Fence& fence)
{
    if (fence.known() != FenceState::failed)
        return fence;
    std::vector<std::shared_ptr<FencePoint>> good;
    std::ranges::copy_if(points_of(fence), std::back_inserter(good),
                         [](const auto& point) { return point->known() != FenceState::failed; });
    return good.empty() ? Fence() : Fence(std::make_shared<FenceSet>(std::move(good)));
}

Result<int> pending_fd(Fence& fence)
{
    for (;;) {
        fence = without_failed(fence);
        auto fd = fence.fd();
        if (fd || fence.known() != FenceState::failed)
            return fd;
    }
}

Fence KeptFences::before(Access access)
{
    const std::lock_guard lock(mutex_);
    // What is known to have signalled gives its descriptors back here.
    write_ = Fence::merge(std::array{write_});
    if (access == Access::read)
        return write_;
    reads_ = Fence::merge(std::array{reads_});
    return Fence::merge(std::array{write_, reads_});
}

void KeptFences::publish(const Fence& done, Access access)
{
    const std::lock_guard lock(mutex_);
    if (access != Access::read) {
        write_ = done;
        reads_ = {};
        return;
    }
    ask_if_many(reads_);
    reads_ = Fence::merge(std::array{reads_, done});
}

void KeptFences::forget_failure()
{
    const std::lock_guard lock(mutex_);
    write_ = without_failed(write_);
    reads_ = without_failed(reads_);
}

} // namespace commonbuf
