// SPDX-License-Identifier: MIT
//
//   acquire() ◄── idle: [ b2 b5 ] ◄── fences over ── pending: [ b1 f1 | b4 f4 ] ◄── release()
//                   ▲                                                                 │
//                   └──────────────── the fence is known to be over ──────────────────┘
//
// Whether a fence is over is asked only if nothing is idle: then one poll(2) asks all of them.
#include "base/text.hpp"
#include "buffer/buffer_state.hpp"
#include "os/os.hpp"
#include "os/wakeup.hpp"
#include "sync/fence_set.hpp"
#include "sync/watch.hpp"

#include <commonbuf/pool.hpp>

#include <poll.h>

#include <algorithm>
#include <array>
#include <list>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace commonbuf {
namespace {

struct Entry {
    Buffer buffer;
    Fence until; ///< while it is pending
};
/// Entries go from list to list: nothing is allocated for that.
using Entries = std::list<Entry>;

/// What to poll until another buffer may be free.
struct Waits {
    std::vector<pollfd> entries;
    std::vector<Fence> fences; ///< of the entries: they keep the descriptors open
    bool blind = false;        ///< there are fences without a descriptor
};

} // namespace

struct Pool::State {
    enum class In : std::uint8_t { use, idle, pending };
    struct Known {
        Entries::iterator entry;
        In list = In::idle;
    };

    std::mutex mutex;
    Entries in_use;
    Entries idle;
    Entries pending; ///< in the order in which they came back
    std::unordered_map<const BufferState*, Known> known;
    unsigned waiters = 0; ///< threads that wait for `came_back`
    os::Event came_back;

    explicit State(os::Event event) : came_back(std::move(event)) {}

    std::size_t free() const noexcept { return idle.size() + pending.size(); }

    Entries& list(In which) noexcept { return which == In::use ? in_use : which == In::idle ? idle : pending; }

    void move(Known& one, In to)
    {
        list(to).splice(list(to).end(), list(one.list), one.entry);
        one.list = to;
    }

    /// Finds those whose fences are known to be over.
    void collect()
    {
        for (auto next = pending.begin(); next != pending.end();) {
            Entry& entry = *next++;
            if (!is_over(entry.until))
                continue;
            entry.until = {};
            move(known.at(&entry.buffer.state()), In::idle);
        }
    }

    /// Asks all fences at once, one point after the other of those that have several.
    void ask()
    {
        std::vector<pollfd> entries;
        std::vector<std::pair<Entry*, FencePoint*>> asked;
        for (bool news = true; news && std::ranges::none_of(pending, is_over, &Entry::until);) {
            entries.clear();
            asked.clear();
            for (Entry& entry : pending) {
                FencePoint* point = first_pending(entry.until);
                if (point == nullptr)
                    continue;
                entries.push_back({point->fd(), point->events(), 0});
                asked.emplace_back(&entry, point);
            }
            news = !asked.empty() && os::wait_any(entries, Deadline{}, "a pool").value_or(false);
            for (std::size_t i = 0; news && i < asked.size(); ++i) {
                // What does not say how it ended is over all the same.
                if ((entries[i].revents & entries[i].events) != 0 && !asked[i].second->look())
                    asked[i].first->until = without(asked[i].first->until, asked[i].second);
            }
        }
        collect();
    }

    /// Takes a buffer out that nobody uses any more; nothing if there is none.
    std::optional<Buffer> take()
    {
        if (idle.empty())
            collect();
        if (idle.empty())
            ask();
        if (idle.empty())
            return std::nullopt;
        Buffer buffer = idle.front().buffer;
        move(known.at(&buffer.state()), In::use);
        // Another thread may have been woken by the same event.
        if (waiters > 0 && free() > 0)
            came_back.set();
        return buffer;
    }

    Waits waits()
    {
        Waits all{{{came_back.fd(), POLLIN, 0}}, {}, false};
        for (const Entry& entry : pending) {
            const FencePoint* point = first_pending(entry.until);
            if (point == nullptr) {
                came_back.set(); // it ended after take() looked, and no event says so
                continue;
            }
            if (!point->is_sync_file()) {
                all.blind = true;
                continue;
            }
            all.entries.push_back({point->fd(), point->events(), 0});
            all.fences.push_back(entry.until);
        }
        return all;
    }

    Error timeout()
    {
        const std::lock_guard lock(mutex);
        return Error::timed_out("acquire a buffer from a pool",
                                text::format("of {} buffers {} are in use and {} wait for their fences", known.size(),
                                             in_use.size(), free()),
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
    for (const Buffer& buffer : *buffers) {
        state->idle.push_back({buffer, {}});
        state->known[&buffer.state()] = {std::prev(state->idle.end())};
    }
    return Pool(std::move(state));
}

Result<Buffer> Pool::acquire(Deadline deadline, Place where)
{
    if (state_ == nullptr)
        return Error::invalid_state("acquire a buffer from a pool", "the handle of the pool was moved from");
    State& state = *state_;
    for (;;) {
        Waits waits;
        std::optional<Buffer> buffer;
        {
            const std::lock_guard lock(state.mutex);
            state.came_back.clear();
            buffer = state.take();
            if (!buffer) {
                waits = state.waits();
                ++state.waiters; // under the same lock: whoever gives a buffer back from now on wakes this thread
            }
        }
        if (buffer) {
            buffer->forget_failure();
            watch::tell([&](watch::Watcher& watcher) { watcher.acquired(buffer->state(), where); });
            return std::move(*buffer);
        }
        const auto step = waits.blind ? std::min(deadline, deadline_in(os::look_again)) : deadline;
        const auto woken = os::wait_any(waits.entries, step, "a pool");
        {
            const std::lock_guard lock(state.mutex);
            --state.waiters;
            // Who leaves may have taken the news from another one, who does not poll what came back since.
            if (state.waiters > 0 && (!woken || (!*woken && step == deadline)))
                state.came_back.set();
        }
        if (!woken)
            return woken.error();
        if (!*woken && step == deadline)
            return state.timeout();
    }
}

Status Pool::release(const Buffer& buffer, const Fence& until, Place where)
{
    if (state_ == nullptr)
        return Error::invalid_state("release a buffer to a pool", "the handle of the pool was moved from");
    const watch::HeldBack reports;
    State& state = *state_;
    const std::lock_guard lock(state.mutex);
    const auto known = state.known.find(&buffer.state());
    if (known == state.known.end())
        return Error::invalid_argument("release a buffer to a pool", "the buffer is not from this pool");
    if (known->second.list != State::In::use)
        return Error::invalid_state("release a buffer to a pool", "the buffer was released already");
    // Jobs that still work on it count too.
    const Fence all = Fence::merge(std::array{until, buffer.state().fences().before(Access::write)});
    watch::tell([&](watch::Watcher& watcher) { watcher.released(buffer.state(), all, where); });
    if (is_over(all)) {
        state.move(known->second, State::In::idle);
    } else {
        known->second.entry->until = all;
        state.move(known->second, State::In::pending);
    }
    if (state.waiters > 0)
        state.came_back.set();
    return {};
}

std::size_t Pool::size() const noexcept { return state_ ? state_->known.size() : 0; }

std::size_t Pool::free() const noexcept
{
    if (state_ == nullptr)
        return 0;
    const std::lock_guard lock(state_->mutex);
    return state_->free();
}

} // namespace commonbuf
