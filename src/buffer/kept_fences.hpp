// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/fence.hpp>
#include <commonbuf/use.hpp>

#include <mutex>
#include <utility>

namespace commonbuf {

/// The fences that were published on one buffer: the last write and the reads since then. The
/// dma-buf holds them too, but forgets those that failed. Thread-safe.
class KeptFences {
public:
    /// Returns what an access of this kind has to wait for.
    Fence before(Access access);

    /// Makes later accesses wait for `done`.
    void publish(const Fence& done, Access access);

    /// Returns the last write, and the reads since then.
    std::pair<Fence, Fence> last() const;

    /// Drops the fences that have failed.
    void forget_failure();

private:
    mutable std::mutex mutex_;
    Fence write_;
    Fence reads_;
};

} // namespace commonbuf
