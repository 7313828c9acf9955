// SPDX-License-Identifier: MIT
#include "sync/watch.hpp"

#include <algorithm>

namespace commonbuf::watch {

void sit(Seat seat, Watcher* watcher) noexcept
{
    inside::seats[static_cast<std::size_t>(seat)].store(watcher, std::memory_order_release);
    inside::anybody.store(
        std::any_of(inside::seats.begin(), inside::seats.end(), [](const auto& one) { return one.load() != nullptr; }),
        std::memory_order_release);
}

std::uint64_t next_number() noexcept
{
    static constinit std::atomic<std::uint64_t> last{0};
    return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

} // namespace commonbuf::watch
