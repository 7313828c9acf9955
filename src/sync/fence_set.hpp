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

    /// Returns one descriptor for the points that are not known to be over, without asking any of
    /// them; -1 if there is none. For those who wait and ask afterwards, and for the kernel: it may have
    /// signalled, and leaves out what failed before it was merged. Errors: unsupported, too_many_files.
    Result<int> unasked_fd() const;

    /// Succeeds unless a point is known to have failed. The caller learns of the failure, and the
    /// point notes that it was told.
    Status failure() const;

private:
    Result<int> described() const;
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

/// Returns the first point that is not known to be over; null if there is none. A wait inside the library
/// is for one point after the other: no descriptor has to be merged for that.
FencePoint* first_pending(const Fence& fence) noexcept;

/// Returns FenceSet::unasked_fd(); -1 for a fence with nothing to wait for.
Result<int> unasked_fd(const Fence& fence);

/// Leaves out the points that are known to have failed.
Fence without_failed(const Fence& fence);

/// Leaves out one point.
Fence without(const Fence& fence, const FencePoint* point);

} // namespace commonbuf
