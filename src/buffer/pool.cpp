// SPDX-License-Identifier: MIT
#include "base/text.hpp"
#include "buffer/buffer_state.hpp"
#include "os/wakeup.hpp"

#include <commonbuf/pool.hpp>

#include <poll.h>

#include <algorithm>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

namespace commonbuf {
namespace {

struct Returned {
    Buffer buffer;
    Fence until;
};

/// Whether the work is over, even if it failed.
bool has_ended(const Fence& fence)
{
    const auto signalled = fence.signalled();
    return !signalled || *signalled;
}

} // namespace

struct Pool::State {
    std::mutex mutex;
    std::vector<Buffer> all;
    std::deque<Returned> free; ///< in the order in which they came back
    os::Event came_back;

    explicit State(os::Event event) : came_back(std::move(event)) {}

    /// Takes the first buffer out that nobody uses any more; nothing if there is none.
    std::optional<Buffer> acquire()
    {
        const std::lock_guard lock(mutex);
        const auto ready = std::ranges::find_if(free, has_ended, &Returned::until);
        if (ready == free.end())
            return std::nullopt;
        Buffer buffer = ready->buffer;
        free.erase(ready);
        // Another thread may have been woken by the same event.
        if (!free.empty())
            came_back.set();
        return buffer;
    }

    struct Waits {
        std::vector<pollfd> entries;
        std::vector<Fence> fences; ///< keep the descriptors open while other threads acquire buffers
        bool blind = false;        ///< there are fences without a descriptor
    };

    /// Returns what to poll until another buffer may be ready.
    Waits waits()
    {
        const std::lock_guard lock(mutex);
        Waits all_waits{{{came_back.fd(), POLLIN, 0}}, {}, false};
        for (const Returned& returned : free) {
            if (const auto fd = returned.until.sync_file_fd(); fd && *fd >= 0) {
                all_waits.entries.push_back({*fd, POLLIN, 0});
                all_waits.fences.push_back(returned.until);
            } else if (has_ended(returned.until)) {
                came_back.set(); // it ended after acquire() looked, and no event says so
            } else {
                all_waits.blind = true;
            }
        }
        return all_waits;
    }

    Error timeout()
    {
        const std::lock_guard lock(mutex);
        return Error::timed_out("acquire a buffer from a pool",
                                text::format("of {} buffers {} are in use and {} wait for their fences", all.size(),
                                             all.size() - free.size(), free.size()),
                                "release buffers earlier, or make the pool larger");
    }
};

Result<Pool> Pool::create(const Plan& plan, std::uint32_t count)
{
    if (count == 0)
        return Error::invalid_argument("make a pool", "a pool needs at least one buffer");
    auto event = os::Event::create();
    if (!event)
        return event.error();
    auto buffers = plan.allocate(count);
    if (!buffers)
        return buffers.error();
    auto state = std::make_shared<State>(std::move(*event));
    for (const Buffer& buffer : *buffers)
        state->free.push_back({buffer, {}});
    state->all = std::move(*buffers);
    return Pool(std::move(state));
}

Result<Buffer> Pool::acquire(Deadline deadline, Place where)
{
    if (state_ == nullptr)
        return Error::invalid_state("acquire a buffer from a pool", "the handle of the pool was moved from");
    for (;;) {
        state_->came_back.clear();
        if (auto buffer = state_->acquire()) {
            buffer->forget_failure();
            watch::tell([&](watch::Watcher& watcher) { watcher.acquired(buffer->state(), where); });
            return std::move(*buffer);
        }
        auto waits = state_->waits();
        const auto step = waits.blind ? std::min(deadline, deadline_in(os::look_again)) : deadline;
        const auto woken = os::wait_any(waits.entries, step, "a pool");
        if (!woken)
            return woken.error();
        if (!*woken && step == deadline)
            return state_->timeout();
    }
}

Status Pool::release(const Buffer& buffer, const Fence& until, Place where)
{
    if (state_ == nullptr)
        return Error::invalid_state("release a buffer to a pool", "the handle of the pool was moved from");
    const std::lock_guard lock(state_->mutex);
    if (std::ranges::find(state_->all, buffer) == state_->all.end())
        return Error::invalid_argument("release a buffer to a pool", "the buffer is not from this pool");
    if (std::ranges::find(state_->free, buffer, &Returned::buffer) != state_->free.end())
        return Error::invalid_state("release a buffer to a pool", "the buffer was released already");
    // Jobs that still work on it count too.
    const Fence all = Fence::merge(std::array{until, buffer.state().fences().before(Access::write)});
    watch::tell([&](watch::Watcher& watcher) { watcher.released(buffer.state(), all, where); });
    state_->free.push_back({buffer, all});
    state_->came_back.set();
    return {};
}

std::size_t Pool::size() const noexcept { return state_ ? state_->all.size() : 0; }

std::size_t Pool::free() const noexcept
{
    if (state_ == nullptr)
        return 0;
    const std::lock_guard lock(state_->mutex);
    return state_->free.size();
}

} // namespace commonbuf
