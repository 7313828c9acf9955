// SPDX-License-Identifier: MIT
#include "backends/v4l2/node.hpp"
#include "buffer_state.hpp"
#include "sync/watch.hpp"
#include "text/text.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

namespace commonbuf::v4l2 {
namespace {

struct Slot {
    std::optional<Buffer> buffer; ///< whose mapping the kernel keeps here
    bool queued = false;
    std::uint64_t last_use = 0;
};

Error stream_failure(const Node& node, int error, std::string_view call)
{
    Error result = format_failure(node, error, call);
    if (error == ENODEV)
        result.advice = "close it and look for the device again";
    return result;
}

} // namespace

struct Queue::State {
    std::shared_ptr<Node> node;
    Role role = Role::capture;
    Layout layout;
    std::vector<Slot> slots;
    std::uint64_t uses = 0;
    bool streaming = false;
    bool cpu_looks = true;
    bool own_memory = false; ///< the slots are the driver's own, each with its buffer

    State(std::shared_ptr<Node> queue_node, Role queue_role, const Layout& queue_layout, std::uint32_t count)
        : node(std::move(queue_node)),
          role(queue_role),
          layout(queue_layout),
          slots(count)
    {}
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    ~State()
    {
        static_cast<void>(stop());
        std::uint32_t none = 0;
        own_memory ? request_own_slots(*node, role, none) : request_slots(*node, role, none);
    }

    std::uint32_t memory() const noexcept { return own_memory ? V4L2_MEMORY_MMAP : V4L2_MEMORY_DMABUF; }

    Status stop()
    {
        int type = node->type(role);
        const int error = streaming ? node->ioctl(VIDIOC_STREAMOFF, &type) : 0;
        streaming = false;
        for (Slot& slot : slots) {
            if (std::exchange(slot.queued, false))
                tell_back(*slot.buffer, false);
        }
        if (error != 0)
            return fail(stream_failure(*node, error, "VIDIOC_STREAMOFF"));
        return {};
    }

    /// The slot that a buffer has, or else one that was never used, or else the one
    /// that was not used for longest: that one pays for a new mapping.
    Slot* slot_for(const Buffer& buffer)
    {
        const auto own = std::find_if(slots.begin(), slots.end(),
                                      [&](const Slot& slot) { return slot.buffer && *slot.buffer == buffer; });
        if (own != slots.end())
            return &*own;
        if (own_memory)
            return nullptr;
        Slot* best = nullptr;
        for (Slot& slot : slots) {
            if (!slot.queued && (best == nullptr || slot.last_use < best->last_use))
                best = &slot;
        }
        return best;
    }

    /// A device's writes end with the frame: what it left is good, or is not.
    void came_back(const Buffer& buffer, const Fence& done)
    {
        if (role == Role::capture)
            buffer.state().fences().publish(done, Access::write);
        tell_back(buffer, done.known() == FenceState::failed);
    }

    void tell_back(const Buffer& buffer, bool failed) const
    {
        watch::tell([&](watch::Watcher& watcher) { watcher.dequeued(buffer.state(), this, failed); });
    }

    Error damaged(const v4l2_buffer& buffer) const
    {
        Error error;
        error.category = Category::device_lost;
        error.operation = node->where("VIDIOC_DQBUF");
        error.detail = text::format("the driver marks frame {} as damaged (V4L2_BUF_FLAG_ERROR)", buffer.sequence);
        error.advice = "the buffer is back: queue it again";
        return error;
    }
};

Queue::Queue(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
Queue::Queue(Queue&&) noexcept = default;
Queue& Queue::operator=(Queue&&) noexcept = default;
Queue::~Queue() = default;

std::uint32_t Queue::slots() const noexcept { return static_cast<std::uint32_t>(state_->slots.size()); }
std::uint32_t Queue::queued() const noexcept
{
    return static_cast<std::uint32_t>(std::ranges::count_if(state_->slots, &Slot::queued));
}
Role Queue::role() const noexcept { return state_->role; }
int Queue::fd() const noexcept { return state_->node->fd(); }

void Queue::set_cpu_looks(bool looks) noexcept { state_->cpu_looks = looks; }

Status Queue::queue(const Buffer& buffer, Place where)
{
    State& state = *state_;
    const std::string operation = state.node->where("VIDIOC_QBUF");
    if (Status can = shareable(buffer, operation); !can)
        return can;
    // The memories may be larger than this queue asks for; the image must be the same.
    Layout same = buffer.layout();
    same.memory_sizes = state.layout.memory_sizes;
    if (same != state.layout)
        return fail(Category::invalid_argument, operation,
                    text::format("the buffer is {}, and the queue is set to {}", to_string(buffer.layout()),
                                 to_string(state.layout)));
    std::array<int, max_planes> fds{};
    std::array<std::uint64_t, max_planes> sizes{};
    for (std::uint32_t i = 0; i < state.layout.memory_count; ++i) {
        fds[i] = buffer.fd(i);
        sizes[i] = buffer.size(i);
        if (sizes[i] < state.layout.memory_sizes[i])
            return fail(Category::invalid_argument, operation,
                        text::format("memory {} has {} bytes, and the driver needs {}", i, sizes[i],
                                     state.layout.memory_sizes[i]));
    }
    Slot* slot = state.slot_for(buffer);
    if (slot == nullptr && state.own_memory)
        return fail(Category::unsupported, operation,
                    "the queue has the driver's own memory, and the buffer is of " +
                        (buffer.heap().empty() ? "unknown origin" : buffer.heap()),
                    "queue one of own_buffers()");
    if (slot == nullptr)
        return fail(Category::exhausted, operation, text::format("all {} slots are with the device", slots()),
                    "dequeue a frame first");
    if (slot->queued)
        return fail(Category::invalid_argument, operation, "the buffer is queued already");

    Planes planes;
    const auto count = state.layout.memory_count;
    v4l2_buffer description =
        describe(*state.node, state.role, static_cast<std::uint32_t>(slot - state.slots.data()), state.layout,
                 std::span(fds).first(count), std::span(sizes).first(count), planes);
    description.memory = state.memory();
    if (!state.cpu_looks)
        description.flags |= V4L2_BUF_FLAG_NO_CACHE_INVALIDATE | V4L2_BUF_FLAG_NO_CACHE_CLEAN;
    // Told before: afterwards another thread may have it back already.
    watch::tell([&](watch::Watcher& watcher) {
        const Access access = state.role == Role::capture ? Access::write : Access::read;
        watcher.queued(buffer.state(), &state, {state.node->info().name, access, where});
    });
    if (const int error = state.node->ioctl(VIDIOC_QBUF, &description); error != 0) {
        // The driver refused the memory itself, whatever a trial said before.
        state.tell_back(buffer, true);
        if (error == EFAULT || error == EINVAL || error == EIO)
            buffer.state().import_failed(state.node->identity(state.role));
        return fail(stream_failure(*state.node, error, "VIDIOC_QBUF"));
    }
    if (slot->buffer != buffer)
        slot->buffer = buffer;
    slot->queued = true;
    slot->last_use = ++state.uses;
    return {};
}

Status Queue::start()
{
    int type = state_->node->type(state_->role);
    if (const int error = state_->node->ioctl(VIDIOC_STREAMON, &type); error != 0)
        return fail(stream_failure(*state_->node, error, "VIDIOC_STREAMON"));
    state_->streaming = true;
    return {};
}

Status Queue::stop() { return state_->stop(); }

Result<std::optional<Frame>> Queue::try_dequeue()
{
    State& state = *state_;
    Planes planes{};
    v4l2_buffer description{};
    description.type = state.node->type(state.role);
    description.memory = state.memory();
    if (state.node->info().multiplanar) {
        description.m.planes = planes.data();
        description.length = static_cast<std::uint32_t>(planes.size());
    }
    const int error = state.node->ioctl(VIDIOC_DQBUF, &description);
    if (error == EAGAIN)
        return std::nullopt;
    if (error == EINVAL)
        return fail(Category::invalid_argument, state.node->where("VIDIOC_DQBUF"), "the queue is not streaming",
                    "call start() first");
    if (error != 0)
        return fail(stream_failure(*state.node, error, "VIDIOC_DQBUF"));
    if (description.index >= state.slots.size() || !state.slots[description.index].buffer)
        return fail(Category::kernel_failure, state.node->where("VIDIOC_DQBUF"),
                    text::format("the driver gave back slot {}, which holds no buffer", description.index));
    Slot& slot = state.slots[description.index];
    slot.queued = false;
    if ((description.flags & V4L2_BUF_FLAG_ERROR) != 0) {
        Error damage = state.damaged(description);
        state.came_back(*slot.buffer, Fence::failed(damage));
        return fail(std::move(damage));
    }
    state.came_back(*slot.buffer, {});

    // A header in front of the pixels, which the layout does not have.
    for (const v4l2_plane& plane : planes) {
        if (state.node->info().multiplanar && plane.data_offset != 0)
            return fail(Category::unsupported, state.node->where("VIDIOC_DQBUF"),
                        text::format("the driver put the image at {} of its memory (data_offset)", plane.data_offset));
    }

    Frame frame{*slot.buffer, description.sequence, {}, {}};
    frame.timestamp =
        std::chrono::seconds(description.timestamp.tv_sec) + std::chrono::microseconds(description.timestamp.tv_usec);
    for (std::uint32_t i = 0; i < state.layout.memory_count; ++i)
        frame.bytes_used[i] = state.node->info().multiplanar ? planes[i].bytesused : description.bytesused;
    return frame;
}

Result<Frame> Queue::dequeue(Deadline deadline)
{
    const short events = state_->role == Role::capture ? POLLIN : POLLOUT;
    for (;;) {
        const auto ready = os::wait(fd(), events, deadline, state_->node->info().path);
        if (ready && !*ready)
            return fail(Category::timed_out, state_->node->where("VIDIOC_DQBUF"),
                        "the device finished no frame before the deadline");
        // Where poll reports an error, DQBUF says which.
        auto frame = try_dequeue();
        if (!frame)
            return fail(frame.error());
        if (*frame)
            return std::move(**frame);
        if (!ready) {
            if (std::none_of(state_->slots.begin(), state_->slots.end(), [](const Slot& slot) { return slot.queued; }))
                return fail(Category::invalid_argument, state_->node->where("VIDIOC_DQBUF"),
                            "no buffer is with the device", "queue one first");
            return fail(ready.error());
        }
    }
}

std::vector<Buffer> Queue::own_buffers() const
{
    std::vector<Buffer> buffers;
    if (!state_->own_memory)
        return buffers;
    for (const Slot& slot : state_->slots)
        buffers.push_back(*slot.buffer);
    return buffers;
}

namespace {

/// Sets the format; the layout with the driver's sizes.
Result<Layout> prepare(const Node& node, Role role, const Layout& layout, std::uint32_t slots)
{
    if (!node.has(role))
        return fail(Category::unsupported, node.where("open a queue"),
                    text::format("it has no {} queue", to_string(role)));
    if (slots == 0 || slots > VIDEO_MAX_FRAME)
        return fail(Category::invalid_argument, node.where("open a queue"),
                    text::format("{} slots are not between 1 and {}", slots, VIDEO_MAX_FRAME));
    if (const Status valid = check(layout); !valid)
        return fail(valid.error());
    const auto answer = set_format(node, role, layout);
    if (!answer)
        return fail(answer.error());
    Layout needed = layout;
    for (std::uint32_t i = 0; i < layout.memory_count; ++i)
        needed.memory_sizes[i] = answer->sizes[i];
    return needed;
}

} // namespace

Result<Queue> Device::open_queue(Role role, const Layout& layout, std::uint32_t slots) const
{
    const Node& node = *node_;
    const auto needed = prepare(node, role, layout, slots);
    if (!needed)
        return fail(needed.error());
    std::uint32_t count = slots;
    if (const int error = request_slots(node, role, count); error != 0) {
        Error failure = format_failure(node, error, "VIDIOC_REQBUFS");
        if (error == EINVAL && (buffer_capabilities(node, role) & V4L2_BUF_CAP_SUPPORTS_MMAP) != 0) {
            failure.category = Category::unsupported;
            failure.detail = "the driver imports no memory (V4L2_MEMORY_DMABUF)";
            failure.advice = "open_own_queue() streams from its own";
        }
        return fail(std::move(failure));
    }
    return Queue(std::make_unique<Queue::State>(node_, role, *needed, count));
}

Result<Queue> Device::open_own_queue(Role role, const Layout& layout, std::uint32_t slots) const
{
    const Node& node = *node_;
    const auto needed = prepare(node, role, layout, slots);
    if (!needed)
        return fail(needed.error());
    std::uint32_t count = slots;
    if (const int error = request_own_slots(node, role, count); error != 0) {
        Error failure = format_failure(node, error, "VIDIOC_REQBUFS");
        if (error == EINVAL) {
            failure.category = Category::unsupported;
            failure.detail = "the driver has no memory of its own (V4L2_MEMORY_MMAP)";
        }
        return fail(std::move(failure));
    }
    // Gives the slots back where the following fails.
    Queue queue(std::make_unique<Queue::State>(node_, role, *needed, count));
    queue.state_->own_memory = true;
    for (std::uint32_t i = 0; i < count; ++i) {
        std::vector<UniqueFd> memories;
        for (std::uint32_t memory = 0; memory < layout.memory_count; ++memory) {
            auto fd = export_memory(node, role, i, memory);
            if (!fd)
                return fail(fd.error());
            memories.push_back(std::move(*fd));
        }
        auto buffer = make_buffer(*needed, std::move(memories), heap_name(node, role), {});
        if (!buffer)
            return fail(buffer.error());
        queue.state_->slots[i].buffer = std::move(*buffer);
    }
    return queue;
}

} // namespace commonbuf::v4l2
