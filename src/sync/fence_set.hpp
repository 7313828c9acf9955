// SPDX-License-Identifier: MIT
#pragma once

#include "sync/fence_point.hpp"

#include <commonbuf/fence.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace commonbuf {

/// The points of a Fence, shared by its copies. Thread-safe.
class FenceSet {
public:
    explicit FenceSet(std::vector<std::shared_ptr<FencePoint>> points) noexcept : points_(std::move(points)) {}

    std::span<const std::shared_ptr<FencePoint>> points() const noexcept { return points_; }

    /// Returns one descriptor for all points; made once. See Fence::sync_file_fd().
    Result<int> sync_file_fd() const;

    /// Succeeds unless a point is known to have failed. The caller learns of the failure, and the
    /// point notes that it was told.
    Status failure() const;

private:
    Result<int> merged() const;

    std::vector<std::shared_ptr<FencePoint>> points_;
    mutable std::mutex mutex_;
    mutable UniqueFd merged_;
};

/// The points of a fence; none if there is nothing to wait for.
inline std::span<const std::shared_ptr<FencePoint>> points_of(const Fence& fence) noexcept
{
    return fence.set() ? fence.set()->points() : std::span<const std::shared_ptr<FencePoint>>{};
}

/// Whether no point is pending, as far as is known.
bool is_over(const Fence& fence) noexcept;

/// Leaves out the points that are known to have failed.
Fence without_failed(const Fence& fence);

/// Reduces `fence` to the points that have not failed, and returns a descriptor for them; -1 if
/// they are over.
Result<int> pending_fd(Fence& fence);

} // namespace commonbuf
