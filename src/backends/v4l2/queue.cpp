// SPDX-License-Identifier: MIT
#include "backends/v4l2/node.hpp"
#include "buffer/buffer_state.hpp"
#include "sync/watch.hpp"
#include "base/text.hpp"

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
    bool takes_damaged = false;
    bool takes_offsets = false;
    bool supports_requests = false;
    bool supports_hold_capture = false;
    bool requires_requests = false;
    bool ended = false; ///< the last frame has come
    v4l2_memory memory = V4L2_MEMORY_DMABUF;

    State(std::shared_ptr<Node> queue_node, Role queue_role, const Layout& queue_layout)
        : node(std::move(queue_node)),
          role(queue_role),
          layout(queue_layout)
    {}
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    ~State()
    {
        static_cast<void>(stop());
        // Older drivers free no slot that is exported.
        slots.clear();
        v4l2_requestbuffers none{};
        static_cast<void>(request(0, none));
    }

    bool is_own() const noexcept { return memory == V4L2_MEMORY_MMAP; }

    /// 0 or a positive errno value.
    int request(std::uint32_t count, v4l2_requestbuffers& answer) const noexcept
    {
        answer.count = count;
        answer.type = node->type(role);
        answer.memory = memory;
        return node->ioctl(VIDIOC_REQBUFS, &answer);
    }

    /// Wraps the driver's memory of a slot.
    Result<Buffer> export_slot(std::uint32_t index) const
    {
        std::vector<UniqueFd> memories;
        for (std::uint32_t i = 0; i < layout.memory_count; ++i) {
            auto exported = export_memory(*node, role, index, i);
            if (!exported)
                return exported.error();
            memories.push_back(std::move(*exported));
        }
        return make_buffer(layout, std::move(memories), heap_name(*node, role), {});
    }

    Status stop()
    {
        int type = node->type(role);
        const int error = streaming ? node->ioctl(VIDIOC_STREAMOFF, &type) : 0;
        streaming = false;
        ended = false;
        for (Slot& slot : slots) {
            if (std::exchange(slot.queued, false))
                tell_back(*slot.buffer, false);
        }
        if (error != 0)
            return stream_failure(*node, error, "VIDIOC_STREAMOFF");
        return {};
    }

    /// STREAMOFF and STREAMON, with the buffers in it as they were.
    Status restart()
    {
        int type = node->type(role);
        if (const int error = node->ioctl(VIDIOC_STREAMOFF, &type); error != 0)
            return stream_failure(*node, error, "VIDIOC_STREAMOFF");
        std::vector<Slot*> queued;
        for (Slot& slot : slots) {
            if (std::exchange(slot.queued, false))
                queued.push_back(&slot);
        }
        std::ranges::sort(queued, {}, &Slot::last_use);
        for (Slot* slot : queued) {
            Planes planes;
            v4l2_buffer description = describe_slot(*slot, planes);
            if (const int error = node->ioctl(VIDIOC_QBUF, &description); error != 0)
                return stream_failure(*node, error, "VIDIOC_QBUF");
            slot->queued = true;
        }
        if (const int error = node->ioctl(VIDIOC_STREAMON, &type); error != 0)
            return stream_failure(*node, error, "VIDIOC_STREAMON");
        return {};
    }

    /// For DQBUF.
    v4l2_buffer empty(Planes& planes) const
    {
        planes = {};
        v4l2_buffer description{};
        description.type = node->type(role);
        description.memory = memory;
        if (is_planar(*node, role)) {
            description.m.planes = planes.data();
            description.length = static_cast<std::uint32_t>(planes.size());
        }
        return description;
    }

    /// A slot with its buffer, for QBUF.
    v4l2_buffer describe_slot(const Slot& slot, Planes& planes) const
    {
        std::array<int, max_planes> fds{};
        std::array<std::uint64_t, max_planes> sizes{};
        for (std::uint32_t i = 0; i < layout.memory_count; ++i) {
            fds[i] = slot.buffer->fd(i);
            sizes[i] = slot.buffer->size(i);
        }
        v4l2_buffer description =
            describe(*node, role, static_cast<std::uint32_t>(&slot - slots.data()), layout,
                     std::span(fds).first(layout.memory_count), std::span(sizes).first(layout.memory_count), planes);
        description.memory = memory;
        return description;
    }

    /// The slot that a buffer has, or else one that was never used, or else the one
    /// that was not used for longest: that one pays for a new mapping.
    Slot* slot_for(const Buffer& buffer)
    {
        const auto own = std::find_if(slots.begin(), slots.end(),
                                      [&](const Slot& slot) { return slot.buffer && *slot.buffer == buffer; });
        if (own != slots.end())
            return &*own;
        if (is_own())
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
        return Error::damaged_frame(
            node->where("VIDIOC_DQBUF"),
            text::format("the driver marks frame {} as damaged (V4L2_BUF_FLAG_ERROR)", buffer.sequence),
            "the buffer is back: queue it again");
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

bool Queue::streaming() const noexcept { return state_->streaming; }
bool Queue::ended() const noexcept { return state_->ended; }
Status Queue::resume(bool idle)
{
    State& state = *state_;
    state.ended = false;
    if (!idle)
        return {};
    // No frame can come yet, so this is none: EAGAIN, unless the queue stands at its end still.
    Planes planes;
    v4l2_buffer description = state.empty(planes);
    if (state.node->ioctl(VIDIOC_DQBUF, &description) != EPIPE)
        return {};
    return state.restart();
}

void Queue::take_damaged(bool take) noexcept { state_->takes_damaged = take; }
void Queue::take_offsets(bool take) noexcept { state_->takes_offsets = take; }
bool Queue::supports_requests() const noexcept { return state_->supports_requests; }
bool Queue::requires_requests() const noexcept { return state_->requires_requests; }
bool Queue::supports_hold_capture() const noexcept { return state_->supports_hold_capture; }

std::vector<Buffer> Queue::buffers() const
{
    std::vector<Buffer> all;
    for (const Slot& slot : state_->slots) {
        if (state_->is_own())
            all.push_back(*slot.buffer);
    }
    return all;
}

Status Queue::queue(const Buffer& buffer, Place where) { return queue(buffer, Payload{}, where); }

Status Queue::queue(const Buffer& buffer, const Payload& payload, Place where)
{
    State& state = *state_;
    const Call operation = state.node->where("VIDIOC_QBUF");
    if (Status can = shareable(buffer, operation); !can)
        return can;
    // The memories may be larger than this queue asks for; the image must be the same. Of
    // compressed frames, the stream says the size.
    Layout same = buffer.layout();
    same.memory_sizes = state.layout.memory_sizes;
    if (state.node->is_compressed(state.role) && same.format == state.layout.format && is_opaque(same.format))
        same = state.layout;
    if (same != state.layout)
        return Error::invalid_argument(operation, text::format("the buffer is {}, and the queue is set to {}",
                                                               to_string(buffer.layout()), to_string(state.layout)));
    std::array<int, max_planes> fds{};
    std::array<std::uint64_t, max_planes> sizes{};
    for (std::uint32_t i = 0; i < state.layout.memory_count; ++i) {
        fds[i] = buffer.fd(i);
        sizes[i] = buffer.size(i);
        if (sizes[i] < state.layout.memory_sizes[i])
            return Error::invalid_argument(operation, text::format("memory {} has {} bytes, and the driver needs {}", i,
                                                                   sizes[i], state.layout.memory_sizes[i]));
    }
    Slot* slot = state.slot_for(buffer);
    if (slot == nullptr && state.is_own())
        return Error::invalid_argument(operation, "the buffer is not of the driver's memory of this queue",
                                       "queue what buffers() gives");
    if (slot == nullptr)
        return Error::out_of_memory(operation, text::format("all {} slots are with the device", slots()),
                                    "dequeue a frame first");
    if (slot->queued)
        return Error::invalid_argument(operation, "the buffer is queued already");

    Planes planes;
    const auto count = state.layout.memory_count;
    v4l2_buffer description =
        describe(*state.node, state.role, static_cast<std::uint32_t>(slot - state.slots.data()), state.layout,
                 std::span(fds).first(count), std::span(sizes).first(count), planes);
    if (Status added = add(payload, *state.node, state.role, state.layout.used_memories(), description, planes); !added)
        return added;
    // The kernel passes over the flag, and the picture would come back with its first slice.
    if (payload.hold_capture && !state.supports_hold_capture)
        return Error::unsupported(operation,
                                  "the driver keeps no capture buffer for further slices "
                                  "(V4L2_BUF_CAP_SUPPORTS_M2M_HOLD_CAPTURE_BUF)",
                                  "give it whole pictures");
    description.memory = state.memory;
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
        if (payload.request < 0 && !state.is_own() && (error == EFAULT || error == EINVAL || error == EIO))
            buffer.state().import_failed(state.node->identity(state.role));
        Error failure = stream_failure(*state.node, error, "VIDIOC_QBUF");
        if (error == EBADR) {
            failure.category = Category::invalid_argument;
            state.requires_requests = payload.request < 0;
            failure.detail = payload.request < 0 ? "this queue takes buffers in media requests alone"
                                                 : "this queue takes no media requests";
            failure.advice = payload.request < 0 ? "name one in Payload::request" : "queue without one";
        }
        return failure;
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
        return stream_failure(*state_->node, error, "VIDIOC_STREAMON");
    state_->streaming = true;
    return {};
}

Status Queue::stop() { return state_->stop(); }

Result<std::optional<Frame>> Queue::try_dequeue()
{
    State& state = *state_;
    Planes planes;
    v4l2_buffer description = state.empty(planes);
    const bool planar = is_planar(*state.node, state.role);
    const int error = state.node->ioctl(VIDIOC_DQBUF, &description);
    if (error == EAGAIN)
        return std::nullopt;
    if (error == EINVAL)
        return Error::invalid_argument(state.node->where("VIDIOC_DQBUF"), "the queue is not streaming",
                                       "call start() first");
    if (error == EPIPE) {
        state.ended = true;
        Error end = stream_failure(*state.node, error, "VIDIOC_DQBUF");
        end.category = Category::invalid_argument;
        end.detail = "the last frame has come";
        end.advice = "stop and start the queue, or let the codec resume";
        return end;
    }
    if (error != 0)
        return stream_failure(*state.node, error, "VIDIOC_DQBUF");
    if (description.index >= state.slots.size() || !state.slots[description.index].buffer)
        return Error::kernel_failure(
            state.node->where("VIDIOC_DQBUF"),
            text::format("the driver gave back slot {}, which holds no buffer", description.index));
    Slot& slot = state.slots[description.index];
    slot.queued = false;
    if ((description.flags & V4L2_BUF_FLAG_LAST) != 0)
        state.ended = true;
    const bool damaged = (description.flags & V4L2_BUF_FLAG_ERROR) != 0;
    if (damaged) {
        Error damage = state.damaged(description);
        state.came_back(*slot.buffer, Fence::failed(damage));
        if (!state.takes_damaged)
            return damage;
    } else {
        state.came_back(*slot.buffer, {});
    }

    Frame frame{*slot.buffer};
    frame.sequence = description.sequence;
    frame.timestamp =
        std::chrono::seconds(description.timestamp.tv_sec) + std::chrono::microseconds(description.timestamp.tv_usec);
    frame.flags = description.flags;
    frame.field = description.field;
    if ((description.flags & V4L2_BUF_FLAG_TIMECODE) != 0) {
        const v4l2_timecode& code = description.timecode;
        frame.timecode = {code.type, code.flags, code.frames, code.seconds, code.minutes, code.hours};
    }
    for (std::uint32_t i = 0; i < state.layout.memory_count; ++i) {
        frame.bytes_used[i] = planar ? planes[i].bytesused : description.bytesused;
        frame.data_offset[i] = planar ? planes[i].data_offset : 0;
        // A header in front of the pixels, which the layout does not have.
        if (frame.data_offset[i] != 0 && state.role == Role::capture && !state.takes_offsets)
            return Error::unsupported(
                state.node->where("VIDIOC_DQBUF"),
                text::format("the driver put the image at {} of its memory (data_offset)", frame.data_offset[i]));
    }
    return frame;
}

Result<Frame> Queue::dequeue(Deadline deadline)
{
    const short events = state_->role == Role::capture ? POLLIN : POLLOUT;
    for (;;) {
        const auto ready = os::wait(fd(), events, deadline, state_->node->info().path);
        if (ready && !*ready)
            return Error::timed_out(state_->node->where("VIDIOC_DQBUF"),
                                    "the device finished no frame before the deadline");
        // Where poll reports an error, DQBUF says which.
        auto frame = try_dequeue();
        if (!frame)
            return frame.error();
        if (*frame)
            return std::move(**frame);
        if (!ready) {
            if (std::none_of(state_->slots.begin(), state_->slots.end(), [](const Slot& slot) { return slot.queued; }))
                return Error::invalid_argument(state_->node->where("VIDIOC_DQBUF"), "no buffer is with the device",
                                               "queue one first");
            return ready.error();
        }
    }
}

Result<std::uint32_t> Queue::grow(std::uint32_t more)
{
    State& state = *state_;
    const Call operation = state.node->where("VIDIOC_CREATE_BUFS");
    if (state.is_own())
        return Error::unsupported(operation, "the queue is in the driver's own memory");
    if (more == 0 || more > VIDEO_MAX_FRAME || slots() + more > VIDEO_MAX_FRAME)
        return Error::invalid_argument(
            operation, text::format("{} slots more than {} are not between 1 and {}", more, slots(), VIDEO_MAX_FRAME));
    v4l2_create_buffers request{};
    request.count = more;
    request.memory = state.memory;
    request.format.type = state.node->type(state.role);
    if (const int error = state.node->ioctl(VIDIOC_G_FMT, &request.format); error != 0)
        return stream_failure(*state.node, error, "VIDIOC_G_FMT");
    if (const int error = state.node->ioctl(VIDIOC_CREATE_BUFS, &request); error != 0) {
        Error failure = stream_failure(*state.node, error, "VIDIOC_CREATE_BUFS");
        if (error == ENOTTY)
            failure.category = Category::unsupported;
        return failure;
    }
    // The driver says where the new ones begin: behind those that are there.
    if (request.index != slots() || request.count > more)
        return Error::kernel_failure(operation,
                                     text::format("the driver made {} slots from {} on, behind {} there were",
                                                  request.count, request.index, slots()));
    state.slots.resize(slots() + request.count);
    return slots();
}

Result<Rectangle> Queue::selection(std::uint32_t target) const
{
    return get_selection(*state_->node, state_->role, target);
}

Result<Rectangle> Queue::set_selection(std::uint32_t target, const Rectangle& wanted, std::uint32_t flags)
{
    return v4l2::set_selection(*state_->node, state_->role, target, wanted, flags);
}

Status Queue::take_back(const Buffer& buffer)
{
    State& state = *state_;
    const Call operation = state.node->where("VIDIOC_QUERYBUF");
    Slot* slot = state.slot_for(buffer);
    if (slot == nullptr || slot->buffer != buffer || !slot->queued)
        return Error::invalid_argument(operation, "the buffer is not in this queue");
    Planes planes{};
    v4l2_buffer description{};
    description.type = state.node->type(state.role);
    description.index = static_cast<std::uint32_t>(slot - state.slots.data());
    if (is_planar(*state.node, state.role)) {
        description.m.planes = planes.data();
        description.length = static_cast<std::uint32_t>(planes.size());
    }
    if (const int error = state.node->ioctl(VIDIOC_QUERYBUF, &description); error != 0)
        return stream_failure(*state.node, error, "VIDIOC_QUERYBUF");
    constexpr std::uint32_t theirs = V4L2_BUF_FLAG_QUEUED | V4L2_BUF_FLAG_DONE | V4L2_BUF_FLAG_IN_REQUEST;
    if ((description.flags & theirs) != 0)
        return Error::busy(operation, "the device, or a media request, has the buffer",
                           "dequeue it, or reset the request");
    slot->queued = false;
    state.tell_back(buffer, false);
    return {};
}

Result<Queue> Queue::make(std::shared_ptr<Node> node, Role role, const Layout& layout, const Answer& answer,
                          std::uint32_t slots, bool own)
{
    Layout needed = layout;
    for (std::uint32_t i = 0; i < layout.memory_count; ++i)
        needed.memory_sizes[i] = answer.sizes[i];
    // What is no picture fills the memory that the driver has for it.
    if (own && is_opaque(layout.format))
        needed.planes[0].size = answer.sizes[0];
    auto state = std::make_unique<State>(std::move(node), role, needed);
    state->memory = own ? V4L2_MEMORY_MMAP : V4L2_MEMORY_DMABUF;
    v4l2_requestbuffers made{};
    if (const int error = state->request(slots, made); error != 0) {
        Error failure = format_failure(*state->node, error, "VIDIOC_REQBUFS");
        if (error == EINVAL && own) {
            failure.category = Category::unsupported;
            failure.detail = "the driver has no memory of its own (V4L2_MEMORY_MMAP)";
        } else if (error == EINVAL && (buffer_capabilities(*state->node, role) & V4L2_BUF_CAP_SUPPORTS_MMAP) != 0) {
            failure.category = Category::unsupported;
            failure.detail = "the driver imports no memory (V4L2_MEMORY_DMABUF)";
            failure.advice = "open_own_queue() streams from its own";
        }
        return failure;
    }
    state->slots.resize(made.count);
    state->supports_requests = (made.capabilities & V4L2_BUF_CAP_SUPPORTS_REQUESTS) != 0;
    state->supports_hold_capture = (made.capabilities & V4L2_BUF_CAP_SUPPORTS_M2M_HOLD_CAPTURE_BUF) != 0;
    for (std::uint32_t i = 0; own && i < made.count; ++i) {
        auto buffer = state->export_slot(i);
        if (!buffer)
            return buffer.error();
        state->slots[i].buffer = std::move(*buffer);
    }
    return Queue(std::move(state));
}

Status check_opening(const Node& node, Role role, const Layout& layout, std::uint32_t slots)
{
    if (!node.has(role))
        return Error::unsupported(node.where("open a queue"), text::format("it has no {} queue", to_string(role)));
    if (slots == 0 || slots > VIDEO_MAX_FRAME)
        return Error::invalid_argument(node.where("open a queue"),
                                       text::format("{} slots are not between 1 and {}", slots, VIDEO_MAX_FRAME));
    return validate(layout);
}

Result<Queue> Device::open_queue(Role role, const Layout& layout, std::uint32_t slots) const
{
    if (const Status can = check_opening(*node_, role, layout, slots); !can)
        return can.error();
    const auto answer = set_format(*node_, role, layout);
    if (!answer)
        return answer.error();
    return Queue::make(node_, role, layout, *answer, slots, false);
}

Result<Queue> Device::open_own_queue(Role role, const Layout& layout, std::uint32_t slots) const
{
    if (const Status can = check_opening(*node_, role, layout, slots); !can)
        return can.error();
    const auto answer = set_format(*node_, role, layout);
    if (!answer)
        return answer.error();
    return Queue::make(node_, role, layout, *answer, slots, true);
}

} // namespace commonbuf::v4l2
