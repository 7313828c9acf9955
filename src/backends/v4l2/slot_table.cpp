// SPDX-License-Identifier: MIT
#include "backends/v4l2/slot_table.hpp"

#include "backends/v4l2/failure.hpp"
#include "backends/v4l2/heap.hpp"
#include "backends/v4l2/payload.hpp"
#include "base/text.hpp"
#include "buffer/buffer_state.hpp"
#include "sync/watch.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

namespace commonbuf::v4l2 {

Status check_opening(const Node& node, Role role, const Layout& layout, std::uint32_t slots)
{
    if (!node.has(role))
        return Error::unsupported(node.trying("open a queue"), text::format("it has no {} queue", to_string(role)));
    if (slots == 0 || slots > VIDEO_MAX_FRAME)
        return Error::invalid_argument(node.trying("open a queue"),
                                       text::format("{} slots are not between 1 and {}", slots, VIDEO_MAX_FRAME));
    return validate(layout);
}

SlotTable::SlotTable(std::shared_ptr<Node> node, Role role, const Layout& layout, bool own)
    : node_(std::move(node)),
      role_(role),
      layout_(layout),
      memory_(own ? V4L2_MEMORY_MMAP : V4L2_MEMORY_DMABUF)
{}

Result<std::unique_ptr<SlotTable>> SlotTable::create(std::shared_ptr<Node> node, Role role, const Layout& layout,
                                                     const Answer& answer, std::uint32_t slots, bool own)
{
    Layout needed = layout;
    for (std::uint32_t i = 0; i < layout.memory_count; ++i)
        needed.memory_sizes[i] = answer.sizes[i];
    // Data that is no picture fills the memory that the driver has for it.
    if (own && is_opaque(layout.format))
        needed.planes[0].size = answer.sizes[0];
    std::unique_ptr<SlotTable> table(new SlotTable(std::move(node), role, needed, own));
    if (Status made = table->request(slots); !made)
        return std::move(made.error());
    for (std::uint32_t i = 0; own && i < table->size(); ++i) {
        auto buffer = table->export_slot(i);
        if (!buffer)
            return buffer.error();
        table->slots_[i].buffer = std::move(*buffer);
    }
    return table;
}

SlotTable::~SlotTable()
{
    static_cast<void>(stop());
    // Older drivers free no slot that is exported.
    slots_.clear();
    v4l2_requestbuffers none{};
    none.type = node_->type(role_);
    none.memory = memory_;
    node_->ioctl(VIDIOC_REQBUFS, &none);
}

Status SlotTable::request(std::uint32_t count)
{
    v4l2_requestbuffers request{};
    request.count = count;
    request.type = node_->type(role_);
    request.memory = memory_;
    if (const int error = node_->ioctl(VIDIOC_REQBUFS, &request); error != 0) {
        Error failure = call_failed(*node_, error, "VIDIOC_REQBUFS");
        if (error == EINVAL && is_own()) {
            failure.category = Category::unsupported;
            failure.detail = "the driver has no memory of its own (V4L2_MEMORY_MMAP)";
        } else if (error == EINVAL && (buffer_capabilities(*node_, role_) & V4L2_BUF_CAP_SUPPORTS_MMAP) != 0) {
            failure.category = Category::unsupported;
            failure.detail = "the driver imports no memory (V4L2_MEMORY_DMABUF)";
            failure.advice = "stream from its own memory with open_own_queue()";
        }
        return failure;
    }
    slots_.resize(request.count);
    supports_requests_ = (request.capabilities & V4L2_BUF_CAP_SUPPORTS_REQUESTS) != 0;
    supports_hold_capture_ = (request.capabilities & V4L2_BUF_CAP_SUPPORTS_M2M_HOLD_CAPTURE_BUF) != 0;
    return {};
}

/// Wraps the driver's memory of a slot.
Result<Buffer> SlotTable::export_slot(std::uint32_t index) const
{
    std::vector<UniqueFd> memories;
    for (std::uint32_t i = 0; i < layout_.memory_count; ++i) {
        auto exported = export_memory(*node_, role_, index, i);
        if (!exported)
            return exported.error();
        memories.push_back(std::move(*exported));
    }
    return make_buffer(layout_, std::move(memories), heap_name(*node_, role_), {});
}

std::size_t SlotTable::with_device() const noexcept
{
    return static_cast<std::size_t>(std::ranges::count_if(slots_, &Slot::queued));
}

std::vector<Buffer> SlotTable::buffers() const
{
    std::vector<Buffer> all;
    for (const Slot& slot : slots_) {
        if (is_own())
            all.push_back(*slot.buffer);
    }
    return all;
}

/// Whether a buffer holds an image as this queue is set to.
Status SlotTable::check_buffer(const Buffer& buffer) const
{
    const Call call = node_->where("VIDIOC_QBUF");
    if (Status can = shareable(buffer, call); !can)
        return can;
    // The memories may be larger than this queue needs, but the image must be the same. The size
    // of compressed frames is a matter of the stream.
    Layout same = buffer.layout();
    same.memory_sizes = layout_.memory_sizes;
    if (node_->is_compressed(role_) && same.format == layout_.format && is_opaque(same.format))
        same = layout_;
    if (same != layout_)
        return Error::invalid_argument(call, text::format("the buffer is {}, but the queue is set to {}",
                                                          to_string(buffer.layout()), to_string(layout_)));
    for (std::uint32_t i = 0; i < layout_.memory_count; ++i) {
        const std::uint64_t size = buffer.size(i);
        if (size < layout_.memory_sizes[i])
            return Error::invalid_argument(call, text::format("memory {} has {} bytes, but the driver needs {}", i,
                                                              size, layout_.memory_sizes[i]))
                .with_sizes(layout_.memory_sizes[i], size);
    }
    return {};
}

/// The slot that a buffer has, else one that was never used, else the one that was not used for
/// longest: that one pays for a new mapping.
SlotTable::Slot* SlotTable::slot_for(const Buffer& buffer)
{
    const auto own = std::ranges::find_if(slots_, [&](const Slot& slot) { return slot.buffer == buffer; });
    if (own != slots_.end())
        return &*own;
    if (is_own())
        return nullptr;
    Slot* best = nullptr;
    for (Slot& slot : slots_) {
        if (!slot.queued && (best == nullptr || slot.last_use < best->last_use))
            best = &slot;
    }
    return best;
}

Result<SlotTable::Slot*> SlotTable::free_slot(const Buffer& buffer)
{
    const Call call = node_->where("VIDIOC_QBUF");
    Slot* slot = slot_for(buffer);
    if (slot == nullptr && is_own())
        return Error::invalid_argument(call, "the buffer is not in the driver's own memory of this queue",
                                       "queue one that buffers() returned");
    if (slot == nullptr)
        return Error::no_free_slot(call, text::format("all {} slots are with the device", size()),
                                   "dequeue a frame first");
    if (slot->queued)
        return Error::invalid_state(call, "the buffer is queued already", "dequeue it first");
    return slot;
}

/// A slot with its buffer, for QBUF.
v4l2_buffer SlotTable::describe(const Buffer& buffer, const Slot& slot, Planes& planes) const
{
    const std::uint32_t count = layout_.memory_count;
    std::array<int, max_planes> fds{};
    std::array<std::uint64_t, max_planes> sizes{};
    for (std::uint32_t i = 0; i < count; ++i) {
        fds[i] = buffer.dma_buf_fd(i);
        sizes[i] = buffer.size(i);
    }
    v4l2_buffer description = v4l2::describe(*node_, role_, static_cast<std::uint32_t>(&slot - slots_.data()), layout_,
                                             std::span(fds).first(count), std::span(sizes).first(count), planes);
    description.memory = memory_;
    return description;
}

Status SlotTable::queue(const Buffer& buffer, const Payload& payload, Place where)
{
    if (Status can = check_buffer(buffer); !can)
        return can;
    const auto slot = free_slot(buffer);
    if (!slot)
        return slot.error();
    Planes planes;
    v4l2_buffer description = describe(buffer, **slot, planes);
    if (Status added = add(payload, *node_, role_, layout_.used_memories(), description, planes); !added)
        return added;
    // The kernel ignores the flag, and the picture would come back with its first slice.
    if (payload.hold_capture && !supports_hold_capture_)
        return Error::unsupported(node_->where("VIDIOC_QBUF"),
                                  "the driver keeps no capture buffer for further slices "
                                  "(V4L2_BUF_CAP_SUPPORTS_M2M_HOLD_CAPTURE_BUF)",
                                  "give it whole pictures");
    if (!cpu_access_)
        description.flags |= V4L2_BUF_FLAG_NO_CACHE_INVALIDATE | V4L2_BUF_FLAG_NO_CACHE_CLEAN;
    // Told before the call: after it another thread may have the buffer back already.
    watch::tell([&](watch::Watcher& watcher) {
        const Access access = role_ == Role::capture ? Access::write : Access::read;
        watcher.queued(buffer.state(), this, {node_->info().name, access, where});
    });
    if (const int error = node_->ioctl(VIDIOC_QBUF, &description); error != 0)
        return refused(buffer, payload, error);
    if ((*slot)->buffer != buffer)
        (*slot)->buffer = buffer;
    (*slot)->queued = true;
    (*slot)->last_use = ++uses_;
    return {};
}

Error SlotTable::refused(const Buffer& buffer, const Payload& payload, int error)
{
    tell_back(buffer, true);
    const bool in_request = payload.request >= 0;
    // The driver refused the memory itself, whatever a trial said before.
    if (!in_request && !is_own() && (error == EFAULT || error == EINVAL || error == EIO))
        buffer.state().import_failed(node_->identity(role_));
    Error failure = call_failed(*node_, error, "VIDIOC_QBUF");
    if (error == EBADR) {
        failure.category = Category::invalid_argument;
        requires_requests_ = !in_request;
        failure.detail =
            in_request ? "this queue takes no media requests" : "this queue takes buffers only in media requests";
        failure.advice = in_request ? "queue without one" : "name one in Payload::request";
    }
    return failure;
}

Status SlotTable::start()
{
    int type = node_->type(role_);
    if (const int error = node_->ioctl(VIDIOC_STREAMON, &type); error != 0)
        return call_failed(*node_, error, "VIDIOC_STREAMON");
    streaming_ = true;
    return {};
}

Status SlotTable::stop()
{
    int type = node_->type(role_);
    const int error = streaming_ ? node_->ioctl(VIDIOC_STREAMOFF, &type) : 0;
    streaming_ = false;
    ended_ = false;
    for (Slot& slot : slots_) {
        if (std::exchange(slot.queued, false))
            tell_back(*slot.buffer, false);
    }
    if (error != 0)
        return call_failed(*node_, error, "VIDIOC_STREAMOFF");
    return {};
}

Status SlotTable::resume(bool idle)
{
    ended_ = false;
    if (!idle)
        return {};
    // No frame can come yet, so this gets none: EAGAIN, unless the queue still stands at its end.
    Planes planes;
    v4l2_buffer description = describe_empty(*node_, role_, memory_, planes);
    if (node_->ioctl(VIDIOC_DQBUF, &description) != EPIPE)
        return {};
    return restart();
}

/// STREAMOFF and STREAMON, keeping the buffers that are queued.
Status SlotTable::restart()
{
    int type = node_->type(role_);
    if (const int error = node_->ioctl(VIDIOC_STREAMOFF, &type); error != 0)
        return call_failed(*node_, error, "VIDIOC_STREAMOFF");
    std::vector<Slot*> queued;
    for (Slot& slot : slots_) {
        if (std::exchange(slot.queued, false))
            queued.push_back(&slot);
    }
    std::ranges::sort(queued, {}, &Slot::last_use);
    for (Slot* slot : queued) {
        Planes planes;
        v4l2_buffer description = describe(*slot->buffer, *slot, planes);
        if (const int error = node_->ioctl(VIDIOC_QBUF, &description); error != 0)
            return call_failed(*node_, error, "VIDIOC_QBUF");
        slot->queued = true;
    }
    if (const int error = node_->ioctl(VIDIOC_STREAMON, &type); error != 0)
        return call_failed(*node_, error, "VIDIOC_STREAMON");
    return {};
}

Result<std::optional<Frame>> SlotTable::try_dequeue()
{
    Planes planes;
    v4l2_buffer description = describe_empty(*node_, role_, memory_, planes);
    const int error = node_->ioctl(VIDIOC_DQBUF, &description);
    if (error == EAGAIN)
        return std::nullopt;
    if (error == EPIPE)
        ended_ = true;
    if (error != 0)
        return call_failed(*node_, error, "VIDIOC_DQBUF");
    if (description.index >= slots_.size() || !slots_[description.index].buffer)
        return Error::kernel_failure(
            node_->where("VIDIOC_DQBUF"),
            text::format("the driver gave back slot {}, which holds no buffer", description.index));
    Slot& slot = slots_[description.index];
    slot.queued = false;
    if ((description.flags & V4L2_BUF_FLAG_LAST) != 0)
        ended_ = true;
    if ((description.flags & V4L2_BUF_FLAG_ERROR) != 0) {
        Error damage = Error::damaged_frame(
            node_->where("VIDIOC_DQBUF"),
            text::format("the driver marks frame {} as damaged (V4L2_BUF_FLAG_ERROR)", description.sequence),
            "the buffer is back: queue it again");
        came_back(*slot.buffer, Fence::failed(damage));
        if (!delivers_damaged_)
            return damage;
    } else {
        came_back(*slot.buffer, {});
    }
    return make_frame(*slot.buffer, description, planes);
}

Result<std::optional<Frame>> SlotTable::make_frame(const Buffer& buffer, const v4l2_buffer& description,
                                                   const Planes& planes) const
{
    const bool planar = is_planar(*node_, role_);
    Frame frame{buffer};
    frame.sequence = description.sequence;
    frame.timestamp =
        std::chrono::seconds(description.timestamp.tv_sec) + std::chrono::microseconds(description.timestamp.tv_usec);
    frame.flags = description.flags;
    frame.field = description.field;
    if ((description.flags & V4L2_BUF_FLAG_TIMECODE) != 0) {
        const v4l2_timecode& code = description.timecode;
        frame.timecode = {code.type, code.flags, code.frames, code.seconds, code.minutes, code.hours};
    }
    for (std::uint32_t i = 0; i < layout_.memory_count; ++i) {
        frame.bytes_used[i] = planar ? planes[i].bytesused : description.bytesused;
        frame.data_offset[i] = planar ? planes[i].data_offset : 0;
        // A header in front of the pixels, which the layout does not have.
        if (frame.data_offset[i] != 0 && role_ == Role::capture && !delivers_offsets_)
            return Error::unsupported(
                node_->where("VIDIOC_DQBUF"),
                text::format("the driver put the image at offset {} of its memory (data_offset)", frame.data_offset[i]),
                "call deliver_offsets() to get such frames");
    }
    return frame;
}

/// A device's writes end with the frame: what it left is good or is not.
void SlotTable::came_back(const Buffer& buffer, const Fence& done) const
{
    if (role_ == Role::capture)
        buffer.state().fences().publish(done, Access::write);
    tell_back(buffer, done.known() == FenceState::failed);
}

void SlotTable::tell_back(const Buffer& buffer, bool failed) const
{
    watch::tell([&](watch::Watcher& watcher) { watcher.dequeued(buffer.state(), this, failed); });
}

Result<std::uint32_t> SlotTable::grow(std::uint32_t more)
{
    const Call call = node_->where("VIDIOC_CREATE_BUFS");
    if (is_own())
        return Error::unsupported(call, "the queue is in the driver's own memory");
    if (more == 0 || more > VIDEO_MAX_FRAME || size() + more > VIDEO_MAX_FRAME)
        return Error::invalid_argument(
            call, text::format("{} slots beside {} are not between 1 and {}", more, size(), VIDEO_MAX_FRAME));
    const auto format = current_format(*node_, role_);
    if (!format)
        return format.error();
    v4l2_create_buffers request{};
    request.count = more;
    request.memory = memory_;
    request.format = *format;
    if (const int error = node_->ioctl(VIDIOC_CREATE_BUFS, &request); error != 0)
        return call_failed(*node_, error, "VIDIOC_CREATE_BUFS");
    // The driver says where the new ones begin: behind those that are there.
    if (request.index != size() || request.count > more)
        return Error::kernel_failure(call, text::format("asked for {} slots from {} on, the driver made {} from {} on",
                                                        more, size(), request.count, request.index));
    slots_.resize(size() + request.count);
    return size();
}

Status SlotTable::reclaim(const Buffer& buffer)
{
    const Call call = node_->where("VIDIOC_QUERYBUF");
    Slot* slot = slot_for(buffer);
    if (slot == nullptr || slot->buffer != buffer || !slot->queued)
        return Error::invalid_argument(call, "the buffer is not in this queue");
    Planes planes;
    v4l2_buffer description = describe_empty(*node_, role_, memory_, planes);
    description.index = static_cast<std::uint32_t>(slot - slots_.data());
    if (const int error = node_->ioctl(VIDIOC_QUERYBUF, &description); error != 0)
        return call_failed(*node_, error, "VIDIOC_QUERYBUF");
    constexpr std::uint32_t theirs = V4L2_BUF_FLAG_QUEUED | V4L2_BUF_FLAG_DONE | V4L2_BUF_FLAG_IN_REQUEST;
    if ((description.flags & theirs) != 0)
        return Error::busy(call, "the device or a media request has the buffer", "dequeue it, or reset the request");
    slot->queued = false;
    tell_back(buffer, false);
    return {};
}

} // namespace commonbuf::v4l2
