// SPDX-License-Identifier: MIT
#include "sync/watch.hpp"

#include <algorithm>

namespace commonbuf::watch {
namespace {

thread_local constinit unsigned held_back = 0; ///< how many hold reports back

} // namespace

HeldBack::HeldBack() noexcept { ++held_back; }

HeldBack::~HeldBack()
{
    report();
    --held_back;
}

void HeldBack::report() const
{
    // Another one of this thread may still have its lock.
    if (held_back != 1)
        return;
    held_back = 0;
    tell([](Watcher& watcher) { watcher.report(); });
    held_back = 1;
}

bool is_held_back() noexcept { return held_back != 0; }

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
