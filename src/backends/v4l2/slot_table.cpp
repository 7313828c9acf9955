// SPDX-License-Identifier: MIT
#include "backends/v4l2/slot_table.hpp"

#include "backends/v4l2/heap.hpp"
#include "base/text.hpp"
#include "buffer/buffer_state.hpp"
#include "format/twins.hpp"
#include "sync/watch.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <numeric>
#include <utility>

namespace commonbuf::v4l2 {

Status check_opening(const Node& node, Role role, const Layout& layout, std::uint32_t slots)
{
    if (!node.has(role))
        return Error::unsupported(node.trying("open a queue"), text::format("it has no {} queue", to_string(role)));
    // Every queue has so many; the driver is asked only for more.
    const std::uint32_t most = slots <= VIDEO_MAX_FRAME ? VIDEO_MAX_FRAME : max_slots(node, role);
    if (slots == 0 || slots > most)
        return Error::invalid_argument(node.trying("open a queue"),
                                       text::format("{} slots are not between 1 and {}", slots, most));
    return validate(layout);
}

SlotTable::SlotTable(std::shared_ptr<Node> node, Role role, const Layout& layout, std::uint32_t field, bool own)
    : node_(std::move(node)),
      role_(role),
      layout_(layout),
      field_(field),
      memory_(own ? V4L2_MEMORY_MMAP : V4L2_MEMORY_DMABUF)
{}

Result<std::unique_ptr<SlotTable>> SlotTable::create(std::shared_ptr<Node> node, Role role, const Layout& layout,
                                                     const Answer& answer, std::uint32_t slots, bool own)
{
    Layout needed = layout;
    for (std::uint32_t i = 0; i < layout.memory_count; ++i)
        needed.memory_sizes[i] = answer.sizes[i];
    // Data that is no picture fills the memory that the driver has for it.
    for (std::uint32_t i = 0; own && is_opaque(layout.format) && i < layout.memory_count; ++i)
        needed.planes[i].size = answer.sizes[i];
    if (own && !validate(needed))
        return Error::unsupported(
            node->trying("open a queue"),
            text::format("the driver's own memory has {} bytes, too few for {}", answer.sizes[0], to_string(layout)));
    std::unique_ptr<SlotTable> table(new SlotTable(std::move(node), role, needed, answer.field, own));
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
    static_cast<void>(request_slots(*node_, role_, memory_, 0));
}

Status SlotTable::request(std::uint32_t count)
{
    const std::lock_guard lock(node_->slots());
    const auto made = request_slots(*node_, role_, memory_, count);
    if (!made) {
        Error failure = made.error();
        const bool invalid = failure.sys_errno == EINVAL;
        if (invalid && is_own()) {
            failure.category = Category::unsupported;
            failure.detail = "the driver has no memory of its own (V4L2_MEMORY_MMAP)";
        } else if (invalid && (buffer_capabilities(*node_, role_) & V4L2_BUF_CAP_SUPPORTS_MMAP) != 0) {
            failure.category = Category::unsupported;
            failure.detail = "the driver imports no memory (V4L2_MEMORY_DMABUF)";
            failure.advice = "stream from its own memory with open_own_queue()";
        }
        return failure;
    }
    slots_.resize(made->count);
    supports_requests_ = (made->capabilities & V4L2_BUF_CAP_SUPPORTS_REQUESTS) != 0;
    supports_hold_capture_ = (made->capabilities & V4L2_BUF_CAP_SUPPORTS_M2M_HOLD_CAPTURE_BUF) != 0;
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

/// Where a buffer has the image that this queue is set to. Errors: invalid_argument.
Result<ImagePlace> SlotTable::check_buffer(const Buffer& buffer) const
{
    const Call call = node_->where("VIDIOC_QBUF");
    if (Status can = shareable(buffer, call); !can)
        return can.error();
    ImagePlace place{};
    std::iota(place.begin(), place.end(), 0U);
    // The size of compressed frames is a matter of the stream.
    const bool stream = node_->is_compressed(role_) && have_same_bytes(buffer.layout().format, layout_.format) &&
                        is_opaque(layout_.format);
    // The memories may be larger than this queue needs, but every pixel must be where it expects it.
    if (!stream) {
        auto found = find_image(buffer, layout_);
        if (!found)
            return Error::invalid_argument(call, text::format("the buffer is {}, but the queue is set to {}: {}",
                                                              to_string(buffer.layout()), to_string(layout_),
                                                              found.error().detail));
        place = *found;
    }
    for (std::uint32_t i = 0; i < layout_.memory_count; ++i) {
        const std::uint64_t size = buffer.size(place[i]);
        if (size < layout_.memory_sizes[i])
            return Error::invalid_argument(call, text::format("memory {} has {} bytes, but the driver needs {}", i,
                                                              size, layout_.memory_sizes[i]))
                .with_sizes(layout_.memory_sizes[i], size);
    }
    return place;
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
Description SlotTable::describe(const Buffer& buffer, const ImagePlace& place, const Slot& slot) const
{
    const std::uint32_t count = layout_.memory_count;
    std::array<int, max_planes> fds{};
    std::array<std::uint64_t, max_planes> sizes{};
    for (std::uint32_t i = 0; i < count; ++i) {
        fds[i] = buffer.state().dma_buf_fd(place[i]); // V4L2 puts no fences into it
        sizes[i] = buffer.size(place[i]);
    }
    Description description(*node_, role_, memory_, index_of(slot));
    description.set(layout_, std::span(fds).first(count), sizes, next_field());
    return description;
}

/// What the next buffer of an output queue holds if the caller does not say it.
std::uint32_t SlotTable::next_field() const noexcept
{
    switch (field_) {
    case V4L2_FIELD_ALTERNATE: return bottom_is_next_ ? V4L2_FIELD_BOTTOM : V4L2_FIELD_TOP;
    case V4L2_FIELD_TOP:
    case V4L2_FIELD_BOTTOM: return field_;
    default: return V4L2_FIELD_NONE;
    }
}

Status SlotTable::queue(const Buffer& buffer, const Payload& payload, Place where)
{
    const auto place = check_buffer(buffer);
    if (!place)
        return place.error();
    const auto slot = free_slot(buffer);
    if (!slot)
        return slot.error();
    Description description = describe(buffer, *place, **slot);
    if (Status added = description.add(payload, *node_, layout_.used_memories()); !added)
        return added;
    // The kernel ignores the flag, and the picture would come back with its first slice.
    if (payload.hold_capture && !supports_hold_capture_)
        return Error::unsupported(node_->where("VIDIOC_QBUF"),
                                  "the driver keeps no capture buffer for further slices "
                                  "(V4L2_BUF_CAP_SUPPORTS_M2M_HOLD_CAPTURE_BUF)",
                                  "give it whole pictures");
    if (!cpu_access_)
        description.buffer.flags |= V4L2_BUF_FLAG_NO_CACHE_INVALIDATE | V4L2_BUF_FLAG_NO_CACHE_CLEAN;
    // Told before the call: after it another thread may have the buffer back already.
    watch::tell([&](watch::Watcher& watcher) {
        const Access access = role_ == Role::capture ? Access::write : Access::read;
        watcher.queued(buffer.state(), this, {node_->info().name, access, where});
    });
    if (const int error = description.send(*node_, VIDIOC_QBUF); error != 0)
        return refused(buffer, **slot, payload, error);
    **slot = {buffer, *place, true, ++uses_};
    bottom_is_next_ = description.buffer.field == V4L2_FIELD_TOP;
    return {};
}

/// Whether EINVAL is for the memory: not for what the caller says of the content, nor for a slot that
/// another user of the same open file gave up.
bool SlotTable::is_for_memory(const Slot& slot, const Payload& payload) const
{
    const auto is_zero = [](std::uint32_t bytes) { return bytes == 0; };
    return std::ranges::all_of(payload.bytes_used, is_zero) && std::ranges::all_of(payload.data_offset, is_zero) &&
           payload.field == 0 && !payload.hold_capture && !payload.timecode &&
           Description(*node_, role_, memory_, index_of(slot)).send(*node_, VIDIOC_QUERYBUF) == 0;
}

Error SlotTable::refused(const Buffer& buffer, const Slot& slot, const Payload& payload, int error)
{
    tell_back(buffer, true);
    const bool in_request = payload.request >= 0;
    Error failure = node_->failed(error, "VIDIOC_QBUF");
    // The driver refused the memory itself, whatever a trial said before; unless it refused what the
    // caller says of the content.
    if (!in_request && !is_own() && (error == EFAULT || (error == EINVAL && is_for_memory(slot, payload))))
        refused_.emplace_back(buffer, failure);
    if (error == EBADR) {
        failure.category = Category::invalid_argument;
        requires_requests_ = !in_request;
        failure.detail =
            in_request ? "this queue accepts no media requests" : "this queue accepts buffers only in media requests";
        failure.advice = in_request ? "queue without one" : "name one in Payload::request";
    }
    return failure;
}

Status SlotTable::stream(bool on)
{
    int type = node_->type(role_);
    if (const int error = node_->ioctl(on ? VIDIOC_STREAMON : VIDIOC_STREAMOFF, &type); error != 0)
        return node_->failed(error, on ? "VIDIOC_STREAMON" : "VIDIOC_STREAMOFF");
    return {};
}

Status SlotTable::start()
{
    Status started = stream(true);
    if (started)
        streaming_ = true;
    return started;
}

Status SlotTable::stop()
{
    Status stopped = std::exchange(streaming_, false) ? stream(false) : Status();
    ended_ = false;
    bottom_is_next_ = false;
    for (Slot& slot : slots_) {
        if (std::exchange(slot.queued, false))
            tell_back(*slot.buffer, false);
    }
    return stopped;
}

Status SlotTable::resume(bool idle)
{
    ended_ = false;
    if (!idle)
        return {};
    // No frame can come yet, so this gets none: EAGAIN, unless the queue still stands at its end.
    if (Description(*node_, role_, memory_).send(*node_, VIDIOC_DQBUF) != EPIPE)
        return {};
    return restart();
}

/// STREAMOFF and STREAMON, keeping the buffers that are queued.
Status SlotTable::restart()
{
    if (Status stopped = stream(false); !stopped)
        return stopped;
    std::vector<Slot*> queued;
    for (Slot& slot : slots_) {
        if (std::exchange(slot.queued, false))
            queued.push_back(&slot);
    }
    std::ranges::sort(queued, {}, &Slot::last_use);
    for (Slot* slot : queued) {
        if (const int error = describe(*slot->buffer, slot->place, *slot).send(*node_, VIDIOC_QBUF); error != 0)
            return node_->failed(error, "VIDIOC_QBUF");
        slot->queued = true;
    }
    return stream(true);
}

Result<std::optional<Frame>> SlotTable::try_dequeue()
{
    Description description(*node_, role_, memory_);
    const int error = description.send(*node_, VIDIOC_DQBUF);
    if (error == EAGAIN)
        return std::nullopt;
    if (error == EPIPE)
        ended_ = true;
    if (error != 0)
        return node_->failed(error, "VIDIOC_DQBUF");
    const v4l2_buffer& told = description.buffer;
    if (told.index >= slots_.size() || !slots_[told.index].buffer)
        return Error::kernel_failure(node_->where("VIDIOC_DQBUF"),
                                     text::format("the driver gave back slot {}, which holds no buffer", told.index));
    Slot& slot = slots_[told.index];
    slot.queued = false;
    if ((told.flags & V4L2_BUF_FLAG_LAST) != 0)
        ended_ = true;
    if ((told.flags & V4L2_BUF_FLAG_ERROR) != 0) {
        Error damage = Error::damaged_frame(
            node_->where("VIDIOC_DQBUF"),
            text::format("the driver marks frame {} as damaged (V4L2_BUF_FLAG_ERROR)", told.sequence),
            "the buffer is back: queue it again");
        came_back(*slot.buffer, Fence::failed(damage));
        if (!delivers_damaged_)
            return damage;
    } else {
        came_back(*slot.buffer, {});
    }
    return make_frame(*slot.buffer, description);
}

Result<std::optional<Frame>> SlotTable::make_frame(const Buffer& buffer, Description& description) const
{
    const v4l2_buffer& told = description.buffer;
    Frame frame{buffer};
    frame.sequence = told.sequence;
    frame.timestamp = std::chrono::seconds(told.timestamp.tv_sec) + std::chrono::microseconds(told.timestamp.tv_usec);
    frame.flags = told.flags;
    frame.field = told.field;
    if ((told.flags & V4L2_BUF_FLAG_TIMECODE) != 0) {
        const v4l2_timecode& code = told.timecode;
        frame.timecode = {code.type, code.flags, code.frames, code.seconds, code.minutes, code.hours};
    }
    for (std::uint32_t i = 0; i < layout_.memory_count; ++i) {
        frame.bytes_used[i] = description.bytes_used(i);
        frame.data_offset[i] = description.planes[i].data_offset;
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
    const std::uint64_t all = std::uint64_t{size()} + more;
    const std::uint32_t most = all <= VIDEO_MAX_FRAME ? VIDEO_MAX_FRAME : max_slots(*node_, role_);
    if (more == 0 || all > most)
        return Error::invalid_argument(call,
                                       text::format("{} slots beside {} are not between 1 and {}", more, size(), most));
    const auto made = create_slots(*node_, role_, memory_, more);
    if (!made)
        return made.error();
    // The driver says where the new ones begin: behind those that are there.
    if (made->index != size() || made->count > more)
        return Error::kernel_failure(call, text::format("asked for {} slots from {} on, the driver made {} from {} on",
                                                        more, size(), made->count, made->index));
    slots_.resize(size() + made->count);
    return size();
}

Status SlotTable::reclaim(const Buffer& buffer)
{
    const Call call = node_->where("VIDIOC_QUERYBUF");
    Slot* slot = slot_for(buffer);
    if (slot == nullptr || slot->buffer != buffer || !slot->queued)
        return Error::invalid_argument(call, "the buffer is not in this queue");
    Description description(*node_, role_, memory_, index_of(*slot));
    if (const int error = description.send(*node_, VIDIOC_QUERYBUF); error != 0)
        return node_->failed(error, "VIDIOC_QUERYBUF");
    constexpr std::uint32_t theirs = V4L2_BUF_FLAG_QUEUED | V4L2_BUF_FLAG_DONE | V4L2_BUF_FLAG_IN_REQUEST;
    if ((description.buffer.flags & theirs) != 0)
        return Error::busy(call, "the device or a media request has the buffer", "dequeue it, or reset the request");
    slot->queued = false;
    tell_back(buffer, false);
    return {};
}

} // namespace commonbuf::v4l2
