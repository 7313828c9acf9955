// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/buffer.hpp>
#include <commonbuf/deadline.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/fence.hpp>
#include <commonbuf/job.hpp>
#include <commonbuf/layout.hpp>
#include <commonbuf/place.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/v4l2/colorimetry.hpp>
#include <commonbuf/v4l2/frame.hpp>
#include <commonbuf/v4l2/node_info.hpp>
#include <commonbuf/v4l2/payload.hpp>
#include <commonbuf/v4l2/rectangle.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace commonbuf::v4l2 {

class Node;    // the library's own
struct Answer; // the library's own

/// A buffer that the device did not get, because the work on it failed.
struct Withheld {
    Buffer buffer;
    Error error;
};

/// Buffer slots of one queue of a device, and the buffers that wait to go there.
///
///     queue_when_ready(buffer, fence) ──► waiting ──┬──► slots (with the device) ──► dequeue()
///     queue(buffer) ────────────────────────────────┘
///
/// V4L2 knows no fences: a buffer may go to the device only when all work on it is done.
/// queue() leaves that to the caller. queue_when_ready() keeps a buffer until its fences have
/// signalled; advance() then gives it to the device, or a thread does if start_thread() was called.
///
/// A buffer keeps the slot at which it was first queued, so that the kernel keeps its mapping.
/// If there are no more buffers than slots, nothing is mapped twice. The queue holds a handle of
/// every buffer in a slot.
///
/// Thread-safe. The destructor ends the thread, stops streaming and frees the slots; buffers
/// that wait are dropped.
class COMMONBUF_API Queue {
public:
    Queue(Queue&&) noexcept;
    Queue& operator=(Queue&&) noexcept;
    ~Queue();

    Role role() const noexcept;

    /// Returns how many slots there are.
    std::uint32_t slots() const noexcept;

    /// Returns what part of a picture each buffer holds: V4L2_FIELD_NONE or V4L2_FIELD_INTERLACED...
    /// for whole pictures; V4L2_FIELD_ALTERNATE for one field, Frame::field says which.
    std::uint32_t field() const noexcept;

    /// Returns the colorimetry of the pictures now; a decoder's capture side has that of the
    /// stream. Device::set_colorimetry() sets it.
    ///
    /// Errors: unsupported (metadata has no colours), device_gone.
    Result<Colorimetry> colorimetry() const;

    /// Returns how many buffers the device has.
    std::size_t with_device() const noexcept;

    /// Returns how many buffers wait for their fence or for a slot.
    std::size_t waiting() const noexcept;

    /// Gives a buffer to the device now, even if others wait. All work on the buffer must be
    /// done. `payload` is what goes along with it; without one, an output queue's buffer counts as
    /// full.
    ///
    /// Errors: invalid_argument (the buffer is not what the queue is set to, or is too small;
    /// `payload` names more bytes than the memory has, an offset behind them, or something that
    /// has no meaning on a capture queue; with EBADR, a buffer without a request for a queue that
    /// requires one, or with one for a queue that has none), invalid_state (it is queued
    /// already), no_free_slot (the device has every slot), unsupported (offsets without the
    /// multi-planar API; holding if the driver cannot), device_failed, device_gone, and what the
    /// kernel says if it cannot import the buffer.
    Status queue(const Buffer& buffer, Place where = Place::here());
    Status queue(const Buffer& buffer, const Payload& payload, Place where = Place::here());

    /// Gives a buffer to the device as soon as `ready` and the jobs that work on the buffer have
    /// signalled: at once if they have, a slot is free and nothing else waits. Buffers that wait
    /// keep their order.
    ///
    /// A job that failed keeps the buffer from a device that reads it, but not from one that
    /// writes it anew. A `ready` that failed keeps it from both, see pop_withheld().
    ///
    /// Errors: those of queue() if the buffer goes to the device at once; later ones come from
    /// advance() or dequeue(). invalid_state (the buffer waits already).
    Status queue_when_ready(const Buffer& buffer, const Fence& ready = {}, const Payload& payload = {},
                            Place where = Place::here());

    /// Lends out a buffer that has come back: when the last copy of what this returns is gone, the
    /// buffer goes back to the device as by queue_when_ready(), from the next advance() or
    /// dequeue(). For frames that several parts of a program look at, and that a device without
    /// fences reads.
    ///
    /// Any thread may drop the last copy. A buffer whose fences cannot be asked then is withheld,
    /// see pop_withheld(). When the queue is gone, the buffer is only freed. Do not queue it yourself
    /// meanwhile.
    std::shared_ptr<const Buffer> lend(const Buffer& buffer, Place where = Place::here());

    /// Gives the device every buffer whose turn has come, and returns how many those were. A
    /// buffer whose fence failed is withheld, see pop_withheld().
    ///
    /// Errors: those of queue(); the buffer then stays in front.
    Result<std::size_t> advance();

    /// Returns a descriptor to poll for reading: it is readable when advance() has something to
    /// do. -1 while nothing waits for a fence, and always with a thread of the library.
    /// Borrowed; each queue_when_ready() and advance() may change it.
    int poll_fd() const noexcept;

    /// Returns a descriptor to poll for POLLIN (capture) or POLLOUT (output): it is ready when
    /// dequeue() has a frame. Poll it only while with_device() is not 0: without a buffer the
    /// kernel answers POLLERR. Borrowed.
    int frame_fd() const noexcept;

    /// Starts a thread of the library that calls advance() when there is something to do.
    ///
    /// Errors: invalid_state (it runs), out_of_memory (the system starts no thread).
    Status start_thread();

    /// Takes the buffers that wait off the queue and returns them in their order.
    std::vector<Buffer> cancel_waiting();

    /// Returns the buffers that were withheld since the last call, with the error of their fence.
    std::vector<Withheld> pop_withheld();

    /// Starts streaming (VIDIOC_STREAMON).
    ///
    /// Errors: invalid_state (the driver wants more buffers first; with EPIPE, the media pipeline
    /// is not configured like the queue), no_bandwidth (the bus cannot carry the stream),
    /// device_failed (no signal), device_gone.
    Status start();

    /// Stops streaming (VIDIOC_STREAMOFF). Every buffer comes back at once, unfinished. Buffers
    /// that wait go on waiting.
    ///
    /// Errors: device_failed, device_gone. The buffers are back even then.
    Status stop();

    /// Waits for the next buffer that the device is done with.
    ///
    /// Errors: timed_out; invalid_state (the queue does not stream, or no buffer is queued);
    /// damaged_frame (the buffer is back and can be queued again, see deliver_damaged());
    /// end_of_stream (the last frame has come, see ended()); unsupported (the frame begins at an
    /// offset, see deliver_offsets()); device_failed; device_gone; and what queueing gave in the
    /// library's thread.
    Result<Frame> dequeue(Deadline deadline);

    /// Does the same without waiting; nothing if no frame is ready.
    Result<std::optional<Frame>> try_dequeue();

    /// Adds `more` slots, also while frames flow (VIDIOC_CREATE_BUFS), and returns how many there
    /// are now. The driver may make fewer.
    ///
    /// Errors: unsupported (the driver cannot; the queue is in the driver's own memory),
    /// invalid_argument (none, or more in all than the driver has: often 32, see
    /// VIDIOC_CREATE_BUFS), out_of_memory, device_gone.
    Result<std::uint32_t> grow(std::uint32_t more);

    /// Returns the buffers in the driver's own memory, one for each slot; none for other queues.
    ///
    /// The queue takes no others. They stay valid after the queue is gone. Buffer::heap() is the
    /// name of Device::heap(). Each memory is exported only once: a second dma-buf of the same
    /// memory would have fences of its own.
    std::vector<Buffer> buffers() const;

    /// Notes that the kernel gave a buffer back without a frame, because the media request that
    /// it was in was destroyed or reset before it was submitted.
    ///
    /// Errors: busy (the kernel says that it still has it), invalid_argument (not in this queue).
    Status reclaim(const Buffer& buffer);

    /// Returns a rectangle of this queue (V4L2_SEL_TGT_...): the part of its pictures that the
    /// device reads (crop), or the part that it writes (compose).
    ///
    /// Errors: unsupported (the driver has no such rectangle), device_gone.
    Result<Rectangle> selection(std::uint32_t target) const;

    /// Sets a rectangle and returns what the driver made of it; `flags` are V4L2_SEL_FLAG_GE and
    /// _LE.
    ///
    /// Errors: unsupported (the driver has no such rectangle), invalid_argument (empty, beyond 31
    /// bits, outside the target's bounds if the driver tells them, or impossible with the flags),
    /// busy (the queue has slots or streams), device_gone.
    Result<Rectangle> set_selection(std::uint32_t target, const Rectangle& wanted, std::uint32_t flags = 0);

    /// Tells whether buffers can come with a media request (V4L2_BUF_CAP_SUPPORTS_REQUESTS).
    bool supports_requests() const noexcept;

    /// Tells whether buffers have to come with a media request. False until a buffer without one
    /// was refused: drivers do not say it before.
    bool requires_requests() const noexcept;

    /// Tells whether the device keeps a capture buffer for further slices, see
    /// Payload::hold_capture (V4L2_BUF_CAP_SUPPORTS_M2M_HOLD_CAPTURE_BUF). Only output queues do.
    bool supports_hold_capture() const noexcept;

    /// Tells whether the queue was started and not stopped.
    bool streaming() const noexcept;

    /// Tells whether the last frame (Frame::last()) has come: dequeue() gives no more until the
    /// queue is stopped and started, or the codec resumes.
    bool ended() const noexcept;

    /// Delivers frames that the driver marks as damaged as frames (Frame::damaged()) instead of
    /// as errors, for callers that need to know which buffer it was.
    void deliver_damaged(bool deliver) noexcept;

    /// Delivers frames that begin at an offset of their memory (Frame::data_offset) instead of
    /// failing. Their pixels are not where the buffer's layout says.
    void deliver_offsets(bool deliver) noexcept;

    /// Says whether the CPU accesses the frames of this queue; it does by default. If it does
    /// not, drivers may leave caches alone (V4L2_BUF_FLAG_NO_CACHE_INVALIDATE and
    /// NO_CACHE_CLEAN). Today's videobuf2 does so for every imported dma-buf anyway.
    void set_cpu_access(bool access) noexcept;

    /// Says whose work queue_when_ready() and lend() wait for besides that of jobs; Fencing::bridged
    /// until told otherwise. Fencing::explicit_only spares the system calls that read the implicit
    /// fences of buffers that others can reach. It counts for buffers that come later.
    void set_fencing(Fencing fencing) noexcept;

private:
    friend class Device;
    friend class M2m;
    struct State;
    explicit Queue(std::shared_ptr<State> state) noexcept;
    /// Makes the slots of a queue whose format is set.
    static Result<Queue> make(std::shared_ptr<Node> node, Role role, const Layout& layout, const Answer& answer,
                              std::uint32_t slots, bool own);
    Status resume(bool idle);
    std::shared_ptr<State> state_; ///< of this queue only; what is lent refers to it weakly
};

} // namespace commonbuf::v4l2
