// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/fence.hpp>
#include <commonbuf/use.hpp>

#include <mutex>

namespace commonbuf {

/// What of a fence has not failed, as far as is known.
Fence without_failed(const Fence& fence);

/// A descriptor for what of a fence is not over, which `fence` is reduced to; -1 for none.
Result<int> pending_fd(Fence& fence);

/// The fences that were published on one buffer: the last write, and what reads it since.
/// The dma-buf holds them too, but forgets the failed ones. Thread-safe.
class KeptFences {
public:
    /// What an access of this kind has to wait for.
    Fence before(Access access);

    /// `done` is from now on what others wait for.
    void publish(const Fence& done, Access access);

    /// Drops what has failed.
    void forget_failure();

private:
    std::mutex mutex_;
    Fence write_;
    Fence reads_;
};

} // namespace commonbuf
