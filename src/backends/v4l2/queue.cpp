// SPDX-License-Identifier: MIT
//
//   queue_when_ready(buffer, fence) ──► waiting: [ b1 f1 | b2 f2 | b3 f3 ] ──► slots
//                                                  ▲
//                   advance(): the first one goes on if its fences have signalled, then the
//                   next; none overtakes another
#include "backends/v4l2/selection.hpp"
#include "backends/v4l2/slot_table.hpp"
#include "base/text.hpp"
#include "buffer/buffer_state.hpp"
#include "sync/fence_set.hpp"
#include "sync/watch.hpp"
#include "os/os.hpp"
#include "os/wakeup.hpp"

#include <commonbuf/v4l2/device.hpp>
#include <commonbuf/v4l2/queue.hpp>

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

struct Queue::State {
    struct Waiting {
        Buffer buffer;
        Fence ready;
        Fence own; ///< of the buffer: the jobs that work on it
        Payload payload;
        Place where;
    };

    /// The slots, with the lock held as long as this lives. Refused memory, and what a watcher found, is
    /// reported after it: that writes a file, and calls the program's handlers.
    class Locked {
    public:
        explicit Locked(const State& state) : lock_(state.mutex), table_(state.table.get()) {}
        Locked(const Locked&) = delete;
        Locked& operator=(const Locked&) = delete;
        ~Locked()
        {
            const auto refused = table_->pop_refused();
            lock_.unlock();
            for (const auto& [buffer, error] : refused)
                buffer.state().import_failed({table_->node().identity(table_->role())}, error);
        }
        SlotTable* operator->() const noexcept { return table_; }

    private:
        watch::HeldBack reports_;
        std::unique_lock<std::mutex> lock_;
        SlotTable* table_;
    };

    std::unique_ptr<SlotTable> table;
    os::Wakeup wakeup; ///< its event wakes the thread
    mutable std::mutex mutex;
    std::deque<Waiting> waiting;
    std::vector<Withheld> withheld;
    std::optional<Error> trouble; ///< of the thread, for dequeue()
    bool no_slot = false;         ///< until a frame comes back
    Fence polled;                 ///< holds the descriptor that fence_fd() gave
    std::atomic<Fencing> fencing{Fencing::bridged};
    std::atomic<bool> ending{false};
    std::thread thread;

    State(std::unique_ptr<SlotTable> slots, os::Wakeup with) : table(std::move(slots)), wakeup(std::move(with)) {}

    ~State()
    {
        ending = true;
        wakeup.event().set();
        if (thread.joinable())
            thread.join();
    }

    Locked slots() const { return Locked(*this); }

    Access access() const noexcept { return table->role() == Role::capture ? Access::write : Access::read; }

    bool has_thread() const noexcept { return thread.joinable(); }

    /// What has to be over before the device gets the buffer.
    Result<Fence> before(const Buffer& buffer) const
    {
        if (fencing == Fencing::explicit_only)
            return buffer.state().fences().before(access());
        return buffer.export_fence(access());
    }

    /// Whether nobody works on the buffer any more. A device that writes all of it anew does not
    /// care who failed on it before, but `ready` is what the caller asked for.
    Result<bool> is_over(const Waiting& first) const
    {
        auto own = first.own.signalled();
        if (!own && first.own.known() == FenceState::failed && table->role() == Role::capture) {
            first.buffer.forget_failure();
            own = true;
        }
        return own && *own ? first.ready.signalled() : own;
    }

    static bool has_failed(const Waiting& first)
    {
        return first.own.known() == FenceState::failed || first.ready.known() == FenceState::failed;
    }

    /// Lines up a buffer that was lent.
    void take_back(const Buffer& buffer, const Place& where)
    {
        auto own = before(buffer);
        const std::lock_guard lock(mutex);
        waiting.push_back({buffer, own ? Fence() : Fence::failed(own.error()), own ? *own : Fence(), {}, where});
        if (has_thread())
            wakeup.event().set();
    }

    /// With the lock held.
    Result<std::size_t> advance()
    {
        std::size_t given = 0;
        no_slot = false;
        while (!waiting.empty()) {
            const Waiting& first = waiting.front();
            const auto over = is_over(first);
            if (!over && has_failed(first)) {
                withheld.push_back({first.buffer, over.error()});
                waiting.pop_front();
                continue;
            }
            if (!over)
                return over.error();
            if (!*over)
                break;
            if (const Status queued = table->queue(first.buffer, first.payload, first.where); !queued) {
                no_slot = queued.error().category == Category::no_free_slot;
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
        for (const Fence& fence : {waiting.front().own, waiting.front().ready}) {
            const auto fd = unasked_fd(fence);
            if (!fd)
                return wakeup.after(os::look_again); // there is no descriptor for it
            if (*fd >= 0) {
                polled = fence;
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
                const Locked locked(*this);
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

    /// With the lock held.
    Result<std::optional<Frame>> try_dequeue()
    {
        if (trouble)
            return *std::exchange(trouble, std::nullopt);
        const auto before = table->with_device();
        auto frame = table->try_dequeue();
        if (no_slot && table->with_device() < before) {
            // There is a slot again.
            if (has_thread())
                wakeup.event().set();
            else
                static_cast<void>(advance());
        }
        return frame;
    }
};

Queue::Queue(std::shared_ptr<State> state) noexcept : state_(std::move(state)) {}
Queue::Queue(Queue&&) noexcept = default;
Queue& Queue::operator=(Queue&&) noexcept = default;
Queue::~Queue() = default;

Result<Queue> Queue::make(std::shared_ptr<Node> node, Role role, const Layout& layout, const Answer& answer,
                          std::uint32_t slots, bool own)
{
    auto wakeup = os::Wakeup::create();
    if (!wakeup)
        return wakeup.error();
    auto table = SlotTable::create(std::move(node), role, layout, answer, slots, own);
    if (!table)
        return table.error();
    return Queue(std::make_shared<State>(std::move(*table), std::move(*wakeup)));
}

Status Queue::start_thread()
{
    State& state = *state_;
    const std::lock_guard lock(state.mutex);
    const Tried tried = state.table->node().trying("start a thread for a queue");
    if (state.has_thread())
        return Error::invalid_state(tried, "it runs already");
    try {
        state.thread = std::thread([&state] { state.work(); });
    } catch (const std::system_error& error) {
        return Error::out_of_memory(tried, error.what());
    }
    return {};
}

Status Queue::queue(const Buffer& buffer, Place where) { return queue(buffer, Payload{}, where); }

Status Queue::queue(const Buffer& buffer, const Payload& payload, Place where)
{
    return state_->slots()->queue(buffer, payload, where);
}

Status Queue::queue_when_ready(const Buffer& buffer, const Fence& ready, const Payload& payload, Place where)
{
    State& state = *state_;
    auto own = state.before(buffer);
    if (!own)
        return own.error();
    const State::Locked locked(state);
    if (std::ranges::find(state.waiting, buffer, &State::Waiting::buffer) != state.waiting.end())
        return Error::invalid_state(state.table->node().trying("queue a buffer with its fence"),
                                    "it waits in this queue already", "wait until it comes back, or cancel_waiting()");
    const bool first = state.waiting.empty();
    state.waiting.push_back({buffer, ready, std::move(*own), payload, where});
    if (state.has_thread()) {
        state.wakeup.event().set();
        return {};
    }
    if (!first)
        return {};
    if (const auto given = state.advance(); !given) {
        state.waiting.pop_back();
        return given.error();
    }
    return {};
}

std::shared_ptr<const Buffer> Queue::lend(const Buffer& buffer, Place where)
{
    return {new Buffer(buffer), [weak = std::weak_ptr(state_), where](const Buffer* back) {
                const std::unique_ptr<const Buffer> lent(back);
                if (const auto state = weak.lock())
                    state->take_back(*lent, where);
            }};
}

Result<std::size_t> Queue::advance()
{
    const State::Locked locked(*state_);
    if (!state_->has_thread())
        state_->wakeup.clear();
    return state_->advance();
}

int Queue::poll_fd() const noexcept
{
    const std::lock_guard lock(state_->mutex);
    return state_->has_thread() ? -1 : state_->fence_fd();
}

int Queue::frame_fd() const noexcept { return state_->table->node().fd(); }

std::size_t Queue::waiting() const noexcept
{
    const std::lock_guard lock(state_->mutex);
    return state_->waiting.size();
}

std::vector<Buffer> Queue::cancel_waiting()
{
    const std::lock_guard lock(state_->mutex);
    std::vector<Buffer> buffers;
    for (const auto& waiting : std::exchange(state_->waiting, {}))
        buffers.push_back(waiting.buffer);
    return buffers;
}

std::vector<Withheld> Queue::pop_withheld()
{
    const std::lock_guard lock(state_->mutex);
    return std::exchange(state_->withheld, {});
}

Result<std::optional<Frame>> Queue::try_dequeue()
{
    const State::Locked locked(*state_);
    return state_->try_dequeue();
}

Result<Frame> Queue::dequeue(Deadline deadline)
{
    State& state = *state_;
    const Node& node = state.table->node();
    const short events = state.table->role() == Role::capture ? POLLIN : POLLOUT;
    for (;;) {
        std::array<pollfd, 2> entries{{{-1, events, 0}, {-1, POLLIN, 0}}};
        Deadline step = deadline;
        {
            const State::Locked locked(state);
            if (state.has_thread()) {
                // The thread may queue a buffer while this polls a queue without any.
                step = std::min(deadline, deadline_in(os::look_again));
            } else if (!state.waiting.empty()) {
                state.wakeup.clear();
                if (const auto given = state.advance(); !given)
                    return given.error();
                entries[1].fd = state.fence_fd();
            }
            // Without buffers the node polls as an error; that is of interest only if none waits.
            if (state.table->with_device() > 0 || state.waiting.empty())
                entries[0].fd = node.fd();
        }
        const auto ready = os::wait_any(entries, step, node.info().path);
        const State::Locked locked(state);
        // If poll reports an error, DQBUF says which one.
        auto frame = state.try_dequeue();
        if (!frame)
            return frame.error();
        if (*frame)
            return std::move(**frame);
        const std::size_t with_device = state.table->with_device();
        if (!ready && with_device == 0 && state.waiting.empty())
            return Error::invalid_state(node.where("VIDIOC_DQBUF"),
                                        "no buffer is with the device, and none waits for a fence", "queue one first");
        if (!ready && entries[0].revents != 0)
            return ready.error();
        if (std::chrono::steady_clock::now() >= deadline)
            return Error::timed_out(
                node.where("VIDIOC_DQBUF"),
                text::format("no frame came before the deadline; {} buffers are with the device, {} wait for their "
                             "fence",
                             with_device, state.waiting.size()));
    }
}

Result<std::uint32_t> Queue::grow(std::uint32_t more)
{
    const std::lock_guard lock(state_->mutex);
    auto slots = state_->table->grow(more);
    // The thread may wait for a slot.
    if (slots && state_->has_thread())
        state_->wakeup.event().set();
    return slots;
}

Role Queue::role() const noexcept { return state_->table->role(); }
std::uint32_t Queue::slots() const noexcept { return state_->slots()->size(); }
std::size_t Queue::with_device() const noexcept { return state_->slots()->with_device(); }
std::vector<Buffer> Queue::buffers() const { return state_->slots()->buffers(); }
std::uint32_t Queue::field() const noexcept { return state_->slots()->field(); }
Status Queue::start() { return state_->slots()->start(); }
Status Queue::stop() { return state_->slots()->stop(); }
Status Queue::resume(bool idle) { return state_->slots()->resume(idle); }
Status Queue::reclaim(const Buffer& buffer) { return state_->slots()->reclaim(buffer); }
bool Queue::supports_requests() const noexcept { return state_->slots()->supports_requests(); }
bool Queue::requires_requests() const noexcept { return state_->slots()->requires_requests(); }
bool Queue::supports_hold_capture() const noexcept { return state_->slots()->supports_hold_capture(); }
bool Queue::streaming() const noexcept { return state_->slots()->streaming(); }
bool Queue::ended() const noexcept { return state_->slots()->ended(); }
void Queue::deliver_damaged(bool deliver) noexcept { state_->slots()->deliver_damaged(deliver); }
void Queue::deliver_offsets(bool deliver) noexcept { state_->slots()->deliver_offsets(deliver); }
void Queue::set_fencing(Fencing fencing) noexcept { state_->fencing = fencing; }
void Queue::set_cpu_access(bool access) noexcept { state_->slots()->set_cpu_access(access); }

Result<Colorimetry> Queue::colorimetry() const
{
    const auto slots = state_->slots();
    return Device(slots->node_handle()).colorimetry(slots->role());
}

Result<Rectangle> Queue::selection(std::uint32_t target) const
{
    const auto slots = state_->slots();
    return get_selection(slots->node(), slots->role(), target);
}

Result<Rectangle> Queue::set_selection(std::uint32_t target, const Rectangle& wanted, std::uint32_t flags)
{
    const auto slots = state_->slots();
    return v4l2::set_selection(slots->node(), slots->role(), target, wanted, flags);
}

} // namespace commonbuf::v4l2
