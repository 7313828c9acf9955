// SPDX-License-Identifier: MIT
#include "buffer/buffer_state.hpp"
#include "os/event.hpp"
#include "os/wakeup.hpp"
#include "sync/watch.hpp"
#include "base/text.hpp"

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

bool is_over(const Fence& fence)
{
    const auto signalled = fence.signalled();
    return !signalled || *signalled; // what failed is over too
}

} // namespace

struct Pool::State {
    std::mutex mutex;
    std::vector<Buffer> all;
    std::deque<Returned> free; ///< in the order in which they came back
    os::Event came_back;

    explicit State(os::Event event) : came_back(std::move(event)) {}

    /// The first that nobody uses any more.
    std::optional<Buffer> take()
    {
        const std::lock_guard lock(mutex);
        const auto ready = std::ranges::find_if(free, is_over, &Returned::until);
        if (ready == free.end())
            return std::nullopt;
        Buffer buffer = ready->buffer;
        free.erase(ready);
        // Somebody else may have been woken by the same event.
        if (!free.empty())
            came_back.set();
        return buffer;
    }

    struct Waits {
        std::vector<pollfd> entries;
        std::vector<Fence> fences; ///< others may take their buffers meanwhile, and close the descriptors
        bool blind = false;        ///< there are more, which no descriptor can be had of
    };

    /// What to poll until one more may be ready.
    Waits waits()
    {
        const std::lock_guard lock(mutex);
        Waits all_waits{{{came_back.fd(), POLLIN, 0}}, {}, false};
        for (const Returned& returned : free) {
            if (const auto fd = returned.until.fd(); fd && *fd >= 0) {
                all_waits.entries.push_back({*fd, POLLIN, 0});
                all_waits.fences.push_back(returned.until);
            } else if (is_over(returned.until)) {
                came_back.set(); // since take() looked, and nothing else tells
            } else {
                all_waits.blind = true;
            }
        }
        return all_waits;
    }

    Error timeout()
    {
        const std::lock_guard lock(mutex);
        Error error;
        error.category = Category::timed_out;
        error.operation = "take a buffer from a pool";
        error.detail = text::format("of {} buffers {} are in use, and {} wait for their fence", all.size(),
                                    all.size() - free.size(), free.size());
        error.advice = "release buffers earlier, or make the pool larger";
        return error;
    }
};

Result<Pool> Pool::create(const Plan& plan, std::uint32_t count)
{
    if (count == 0)
        return Error::invalid_argument("make a pool", "a pool of no buffers");
    auto event = os::Event::create();
    if (!event)
        return event.error();
    auto state = std::make_shared<State>(std::move(*event));
    for (std::uint32_t i = 0; i < count; ++i) {
        auto buffer = plan.allocate();
        if (!buffer)
            return buffer.error();
        state->all.push_back(*buffer);
        state->free.push_back({*buffer, {}});
    }
    return Pool(std::move(state));
}

Result<Buffer> Pool::acquire(Deadline deadline, Place where)
{
    for (;;) {
        state_->came_back.clear();
        if (auto buffer = state_->take()) {
            buffer->forget_failure();
            watch::tell([&](watch::Watcher& watcher) { watcher.acquired(buffer->state(), where); });
            return std::move(*buffer);
        }
        auto waits = state_->waits();
        const auto step = waits.blind ? std::min(deadline, in(os::look_again)) : deadline;
        const auto woken = os::wait_any(waits.entries, step, "a pool");
        if (!woken)
            return woken.error();
        if (!*woken && step == deadline)
            return state_->timeout();
    }
}

Status Pool::release(const Buffer& buffer, const Fence& until, Place where)
{
    const std::lock_guard lock(state_->mutex);
    if (std::ranges::find(state_->all, buffer) == state_->all.end())
        return Error::invalid_argument("give a buffer back to a pool", "it is of another pool, or of none");
    if (std::ranges::find(state_->free, buffer, &Returned::buffer) != state_->free.end())
        return Error::invalid_argument("give a buffer back to a pool", "it was given back before");
    // Whoever still works on it by a job counts too.
    const Fence all = Fence::merge(std::array{until, buffer.state().fences().before(Access::write)});
    watch::tell([&](watch::Watcher& watcher) { watcher.released(buffer.state(), all, where); });
    state_->free.push_back({buffer, all});
    state_->came_back.set();
    return {};
}

std::size_t Pool::size() const noexcept { return state_->all.size(); }

std::size_t Pool::free() const noexcept
{
    const std::lock_guard lock(state_->mutex);
    return state_->free.size();
}

} // namespace commonbuf
