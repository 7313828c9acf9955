// SPDX-License-Identifier: MIT
#include "sync/fence_set.hpp"

#include "os/os.hpp"

#include <linux/sync_file.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

namespace commonbuf {
namespace {

Result<UniqueFd> merge_files(int a, int b)
{
    sync_merge_data request{};
    constexpr const char* name = "commonbuf";
    std::memcpy(request.name, name, std::strlen(name) + 1);
    request.fd2 = b;
    if (const int error = os::ioctl(a, SYNC_IOC_MERGE, &request); error != 0)
        return Error::from_errno(error, "SYNC_IOC_MERGE");
    return UniqueFd(request.fence);
}

} // namespace

Result<int> FenceSet::merged() const
{
    if (points_.size() == 1)
        return points_.front()->fd();
    if (merged_)
        return merged_.get();
    int last = -1;
    UniqueFd sum;
    for (const auto& point : points_) {
        if (point->known() != FenceState::pending)
            continue;
        if (last >= 0) {
            auto both = merge_files(last, point->fd());
            if (!both)
                return both.error();
            sum = std::move(*both);
        }
        last = sum ? sum.get() : point->fd();
    }
    if (!sum)
        return last;
    merged_ = std::move(sum);
    return merged_.get();
}

/// With the lock held.
Result<int> FenceSet::described() const
{
    for (const auto& point : points_) {
        if (!point->is_sync_file() && point->known() == FenceState::pending)
            return Error::unsupported(
                "make a descriptor of a fence",
                "this kernel gives no sync_file for the implicit fences of a dma-buf (Linux before 6.0)",
                "wait for the fence instead");
    }
    return merged();
}

Result<int> FenceSet::unasked_fd() const
{
    const auto is_pending = [](const auto& point) { return point->known() == FenceState::pending; };
    const std::lock_guard lock(mutex_);
    return std::ranges::any_of(points_, is_pending) ? described() : -1;
}

Result<int> FenceSet::sync_file_fd() const
{
    const std::lock_guard lock(mutex_);
    const auto descriptor = described();
    if (!descriptor)
        return descriptor.error();
    // Ask only after merging: the descriptor leaves out what failed before that, and shows what
    // fails later.
    for (const auto& point : points_) {
        if (const auto state = point->ask(); !state)
            return state.error();
    }
    if (const Status good = failure(); !good)
        return good.error();
    const bool over =
        std::ranges::all_of(points_, [](const auto& point) { return point->known() == FenceState::signalled; });
    return over ? -1 : *descriptor;
}

Status FenceSet::failure() const
{
    for (const auto& point : points_) {
        if (point->known() == FenceState::failed) {
            point->tell();
            return point->failure();
        }
    }
    return {};
}

FencePoint* first_pending(const Fence& fence) noexcept
{
    for (const auto& point : points_of(fence)) {
        if (point->known() == FenceState::pending)
            return point.get();
    }
    return nullptr;
}

Result<int> unasked_fd(const Fence& fence) { return fence.set() ? fence.set()->unasked_fd() : -1; }

bool is_over(const Fence& fence) noexcept { return first_pending(fence) == nullptr; }

namespace {

template <typename Keep>
Fence part_of(const Fence& fence, Keep keep)
{
    std::vector<std::shared_ptr<FencePoint>> kept;
    std::ranges::copy_if(points_of(fence), std::back_inserter(kept), keep);
    return kept.empty() ? Fence() : Fence(std::make_shared<FenceSet>(std::move(kept)));
}

} // namespace

Fence without_failed(const Fence& fence)
{
    if (fence.known() != FenceState::failed)
        return fence;
    return part_of(fence, [](const auto& point) { return point->known() != FenceState::failed; });
}

Fence without(const Fence& fence, const FencePoint* point)
{
    return part_of(fence, [point](const auto& each) { return each.get() != point; });
}

} // namespace commonbuf
