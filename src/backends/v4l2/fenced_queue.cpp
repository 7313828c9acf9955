// SPDX-License-Identifier: MIT
//
//   queue(buffer, fence) ──► waiting: [ b1 f1 | b2 f2 | b3 f3 ] ──► V4L2
//                                       ▲
//                      advance(): the first whose fence has signalled goes on, and so
//                      forth; nobody overtakes
#include "backends/v4l2/node.hpp"
#include "buffer/buffer_state.hpp"
#include "os/os.hpp"
#include "os/wakeup.hpp"
#include "sync/fence_set.hpp"
#include "base/text.hpp"

#include <commonbuf/v4l2/v4l2.hpp>

#include <poll.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace commonbuf::v4l2 {

struct FencedQueue::State {
    struct Waiting {
        Buffer buffer;
        Fence ready;
        Fence own; ///< of the buffer: the jobs that work on it
        Payload payload;
        Place where;
    };

    Queue queue;
    os::Wakeup wakeup; ///< its event wakes the thread
    mutable std::mutex mutex;
    std::deque<Waiting> waiting;
    std::vector<Withheld> withheld;
    std::optional<Error> trouble; ///< of the thread, for dequeue()
    bool no_slot = false;         ///< until a frame comes back
    Fence polled;                 ///< holds the descriptor that fence_fd() gave
    std::atomic<bool> ending{false};
    std::thread thread;

    State(Queue inner, os::Wakeup with) : queue(std::move(inner)), wakeup(std::move(with)) {}
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    ~State()
    {
        ending = true;
        wakeup.event().set();
        if (thread.joinable())
            thread.join();
    }

    /// Whether nobody works on the buffer any more. A camera writes all of it anew: who
    /// failed on it before is of no interest to it, but `ready` is what the caller asked for.
    Result<bool> is_over(const Waiting& first) const
    {
        auto own = first.own.signalled();
        if (!own && own.error().category == Category::work_failed && queue.role() == Role::capture) {
            first.buffer.forget_failure();
            own = true;
        }
        return own && *own ? first.ready.signalled() : own;
    }

    /// With the lock held.
    Result<std::size_t> advance()
    {
        std::size_t given = 0;
        no_slot = false;
        while (!waiting.empty()) {
            const Waiting& first = waiting.front();
            const auto over = is_over(first);
            if (!over && over.error().category == Category::work_failed) {
                withheld.push_back({first.buffer, over.error()});
                waiting.pop_front();
                continue;
            }
            if (!over)
                return over.error();
            if (!*over)
                break;
            if (const Status queued = queue.queue(first.buffer, first.payload, first.where); !queued) {
                no_slot = queued.error().category == Category::out_of_memory && queued.error().sys_errno == 0;
                if (no_slot)
                    break;
                return queued.error();
            }
            waiting.pop_front();
            ++given;
        }
        return given;
    }

    /// What to poll until advance() has something to do; with the lock held. Two steps may need
    /// two descriptors one after the other. Without a slot, a frame has to come first.
    int fence_fd()
    {
        if (waiting.empty() || no_slot)
            return -1;
        for (Fence fence : {waiting.front().own, waiting.front().ready}) {
            const auto fd = pending_fd(fence);
            if (!fd)
                return wakeup.after(os::look_again); // no descriptor can be had of it
            if (*fd >= 0) {
                polled = std::move(fence);
                return *fd;
            }
        }
        return wakeup.now(); // all is over meanwhile
    }

    void work()
    {
        using std::chrono::seconds;
        while (!ending) {
            std::array<pollfd, 2> entries{{{-1, POLLIN, 0}, {wakeup.event().fd(), POLLIN, 0}}};
            {
                const std::lock_guard lock(mutex);
                wakeup.clear();
                if (const auto given = advance(); !given) {
                    trouble = given.error();
                    withheld.push_back({waiting.front().buffer, given.error()});
                    waiting.pop_front();
                    continue;
                }
                entries[0].fd = fence_fd();
            }
            static_cast<void>(os::wait_any(entries, deadline_in(seconds(1)), "a fence"));
        }
    }

    bool driven() const noexcept { return thread.joinable(); }

    Result<std::optional<Frame>> try_dequeue()
    {
        const std::lock_guard lock(mutex);
        if (trouble)
            return *std::exchange(trouble, std::nullopt);
        const auto before = queue.queued();
        auto frame = queue.try_dequeue();
        if (no_slot && queue.queued() < before) {
            // There is a slot again.
            if (driven())
                wakeup.event().set();
            else
                static_cast<void>(advance());
        }
        return frame;
    }
};

FencedQueue::FencedQueue(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
FencedQueue::FencedQueue(FencedQueue&&) noexcept = default;
FencedQueue& FencedQueue::operator=(FencedQueue&&) noexcept = default;
FencedQueue::~FencedQueue() = default;

Result<FencedQueue> FencedQueue::create(Queue queue, Driver driver)
{
    auto wakeup = os::Wakeup::create();
    if (!wakeup)
        return wakeup.error();
    auto state = std::make_unique<State>(std::move(queue), std::move(*wakeup));
    if (driver == Driver::thread) {
        try {
            state->thread = std::thread([inner = state.get()] { inner->work(); });
        } catch (const std::system_error& error) {
            return Error::out_of_memory("start a thread for a queue", error.what());
        }
    }
    return FencedQueue(std::move(state));
}

Status FencedQueue::queue(const Buffer& buffer, const Fence& ready, Place where)
{
    return queue(buffer, ready, Payload{}, where);
}

Status FencedQueue::queue(const Buffer& buffer, const Fence& ready, const Payload& payload, Place where)
{
    State& state = *state_;
    const Access access = state.queue.role() == Role::capture ? Access::write : Access::read;
    auto own = buffer.export_fence(access);
    if (!own)
        return own.error();
    const std::lock_guard lock(state.mutex);
    if (std::ranges::find(state.waiting, buffer, &State::Waiting::buffer) != state.waiting.end())
        return Error::invalid_argument("queue a buffer with its fence", "it waits in this queue already");
    const bool first = state.waiting.empty();
    state.waiting.push_back({buffer, ready, std::move(*own), payload, where});
    if (state.driven()) {
        state.wakeup.event().set();
        return {};
    }
    if (!first)
        return {};
    const auto given = state.advance();
    if (!given) {
        state.waiting.pop_back();
        return given.error();
    }
    return {};
}

int FencedQueue::fd() const noexcept
{
    const std::lock_guard lock(state_->mutex);
    if (state_->driven())
        return -1;
    return state_->fence_fd();
}

Result<std::size_t> FencedQueue::advance()
{
    const std::lock_guard lock(state_->mutex);
    if (!state_->driven())
        state_->wakeup.clear();
    return state_->advance();
}

std::size_t FencedQueue::waiting() const noexcept
{
    const std::lock_guard lock(state_->mutex);
    return state_->waiting.size();
}

std::size_t FencedQueue::with_device() const noexcept
{
    const std::lock_guard lock(state_->mutex);
    return state_->queue.queued();
}

std::vector<Buffer> FencedQueue::take_back()
{
    const std::lock_guard lock(state_->mutex);
    std::vector<Buffer> buffers;
    for (const auto& waiting : std::exchange(state_->waiting, {}))
        buffers.push_back(waiting.buffer);
    return buffers;
}

std::vector<Withheld> FencedQueue::take_withheld()
{
    const std::lock_guard lock(state_->mutex);
    return std::exchange(state_->withheld, {});
}

Result<std::optional<Frame>> FencedQueue::try_dequeue() { return state_->try_dequeue(); }

Result<Frame> FencedQueue::dequeue(Deadline deadline)
{
    State& state = *state_;
    const short events = state.queue.role() == Role::capture ? POLLIN : POLLOUT;
    for (;;) {
        auto frame = state.try_dequeue();
        const bool idle =
            !frame && frame.error().category == Category::invalid_argument && frame.error().sys_errno == 0;
        if (!frame && !idle)
            return frame.error();
        if (frame && *frame)
            return std::move(**frame);
        std::array<pollfd, 2> entries{{{-1, events, 0}, {-1, POLLIN, 0}}};
        {
            const std::lock_guard lock(state.mutex);
            if (!state.driven()) {
                state.wakeup.clear();
                if (const auto given = state.advance(); !given)
                    return given.error();
                entries[1].fd = state.fence_fd();
            }
            // Without buffers the node polls as an error.
            if (state.queue.queued() > 0)
                entries[0].fd = state.queue.fd();
            if (state.queue.queued() == 0 && state.waiting.empty())
                return Error::invalid_argument("dequeue a frame", "no buffer is with the device, and none waits",
                                               "queue one first");
        }
        // The library's thread may queue a buffer while this polls a queue without any.
        const auto step = state.driven() ? std::min(deadline, deadline_in(os::look_again)) : deadline;
        static_cast<void>(os::wait_any(entries, step, "a queue"));
        if (std::chrono::steady_clock::now() >= deadline) {
            if (auto last = state.try_dequeue(); last && *last)
                return std::move(**last);
            return Error::timed_out(
                "dequeue a frame",
                text::format("nothing came before the deadline; {} buffers are with the device, and {} wait "
                             "for their fence",
                             with_device(), waiting()));
        }
    }
}

Status FencedQueue::start()
{
    const std::lock_guard lock(state_->mutex);
    return state_->queue.start();
}

Status FencedQueue::stop()
{
    const std::lock_guard lock(state_->mutex);
    return state_->queue.stop();
}

Result<std::uint32_t> FencedQueue::grow(std::uint32_t more)
{
    const std::lock_guard lock(state_->mutex);
    auto slots = state_->queue.grow(more);
    // The thread may wait for a slot.
    if (slots && state_->driven())
        state_->wakeup.event().set();
    return slots;
}

Status FencedQueue::take_back(const Buffer& buffer)
{
    const std::lock_guard lock(state_->mutex);
    return state_->queue.take_back(buffer);
}

Result<Rectangle> FencedQueue::selection(std::uint32_t target) const
{
    const std::lock_guard lock(state_->mutex);
    return state_->queue.selection(target);
}

Result<Rectangle> FencedQueue::set_selection(std::uint32_t target, const Rectangle& wanted, std::uint32_t flags)
{
    const std::lock_guard lock(state_->mutex);
    return state_->queue.set_selection(target, wanted, flags);
}

bool FencedQueue::supports_requests() const noexcept
{
    const std::lock_guard lock(state_->mutex);
    return state_->queue.supports_requests();
}

bool FencedQueue::requires_requests() const noexcept
{
    const std::lock_guard lock(state_->mutex);
    return state_->queue.requires_requests();
}

bool FencedQueue::supports_hold_capture() const noexcept
{
    const std::lock_guard lock(state_->mutex);
    return state_->queue.supports_hold_capture();
}

std::uint32_t FencedQueue::slots() const noexcept
{
    const std::lock_guard lock(state_->mutex);
    return state_->queue.slots();
}

std::vector<Buffer> FencedQueue::buffers() const
{
    const std::lock_guard lock(state_->mutex);
    return state_->queue.buffers();
}

bool FencedQueue::streaming() const noexcept
{
    const std::lock_guard lock(state_->mutex);
    return state_->queue.streaming();
}

bool FencedQueue::ended() const noexcept
{
    const std::lock_guard lock(state_->mutex);
    return state_->queue.ended();
}

void FencedQueue::take_damaged(bool take) noexcept
{
    const std::lock_guard lock(state_->mutex);
    state_->queue.take_damaged(take);
}

void FencedQueue::take_offsets(bool take) noexcept
{
    const std::lock_guard lock(state_->mutex);
    state_->queue.take_offsets(take);
}

Status FencedQueue::resume(bool idle)
{
    const std::lock_guard lock(state_->mutex);
    return state_->queue.resume(idle);
}

int FencedQueue::frame_fd() const noexcept { return state_->queue.fd(); }

} // namespace commonbuf::v4l2
