// SPDX-License-Identifier: MIT
#include "buffer/kept_fences.hpp"

#include "sync/fence_set.hpp"

#include <array>

namespace commonbuf {
namespace {

/// Lets finished readers give their descriptors back, or readers that nobody waits for would pile
/// up.
void ask_if_many(const Fence& fence)
{
    constexpr std::size_t many = 8;
    if (points_of(fence).size() < many)
        return;
    for (const auto& point : points_of(fence))
        static_cast<void>(point->ask());
}

} // namespace

Fence KeptFences::before(Access access)
{
    const std::lock_guard lock(mutex_);
    // Merging drops what is known to have signalled, and its descriptors with it.
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
        if (done.known() == FenceState::failed) {
            // Work that failed may never have begun, and then it waited for nobody: who is at work still counts.
            write_ = Fence::merge(std::array{done, without_failed(write_)});
            return;
        }
        write_ = done;
        reads_ = {};
        return;
    }
    ask_if_many(reads_);
    reads_ = Fence::merge(std::array{reads_, done});
}

std::pair<Fence, Fence> KeptFences::last() const
{
    const std::lock_guard lock(mutex_);
    return {write_, reads_};
}

void KeptFences::forget_failure()
{
    const std::lock_guard lock(mutex_);
    write_ = without_failed(write_);
    reads_ = without_failed(reads_);
}

} // namespace commonbuf
