// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/buffer.hpp>
#include <commonbuf/deadline.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/fence.hpp>
#include <commonbuf/heap.hpp>
#include <commonbuf/layout.hpp>
#include <commonbuf/place.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>
#include <commonbuf/use.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Cameras, codecs and other devices behind the Video4Linux API (videodev2.h;
/// Documentation/userspace-api/media/v4l in the kernel).
namespace commonbuf::v4l2 {

/// Which of a node's queues: frames out of the device, or into it.
enum class Role : std::uint8_t { capture, output };

/// "capture" or "output".
COMMONBUF_API std::string_view to_string(Role role) noexcept;

/// One /dev/videoN.
struct NodeInfo {
    std::string path;   ///< for example "/dev/video0"
    std::string name;   ///< the kernel's name of the node, for example "vivid-000-vid-cap"
    std::string driver; ///< empty when the node cannot be opened, as are the following
    std::string card;
    std::string bus;
    std::string version;                        ///< of the driver, mostly the kernel's
    bool capture = false;                       ///< has a capture queue
    bool output = false;                        ///< has an output queue
    bool metadata = false;                      ///< its queue carries metadata, which is opaque
    bool memory_to_memory = false;              ///< both queues belong to each file handle
    bool encodes = false;                       ///< memory to memory, raw images in, compressed ones out
    bool decodes = false;                       ///< memory to memory, compressed images in, raw ones out
    bool multiplanar = false;                   ///< speaks the multi-planar API
    bool streaming = false;                     ///< has queues of buffers at all
    std::vector<std::uint32_t> capture_formats; ///< V4L2 fourccs
    std::vector<std::uint32_t> output_formats;  ///< V4L2 fourccs
    std::optional<Error> obstacle;              ///< why it could not be asked
};

/// Every V4L2 video node, whether it can be opened or not.
COMMONBUF_API std::vector<NodeInfo> nodes();

class Queue;
class Node;    // the library's own
struct Answer; // the library's own

/// One open V4L2 node. A handle: copies share the descriptor, which is closed with
/// the last of them, its uses and its queues. Thread-safe.
class COMMONBUF_API Device {
public:
    /// Opens a node by path ("/dev/video0") or by the kernel's name of it
    /// ("@vivid-000-vid-cap").
    ///
    /// Errors: not_present, permission_denied (naming who would be let in),
    /// invalid_argument (several nodes have the name; not a V4L2 node), busy.
    static Result<Device> open(std::string_view target);

    /// Uses a descriptor that the caller opened. Takes it, also when it fails.
    static Result<Device> wrap(UniqueFd fd, std::string path);

    const NodeInfo& info() const noexcept;

    /// Borrowed; for VIDIOC_S_CTRL, poll() and the like.
    int fd() const noexcept;

    /// Frames come out of the device into the image.
    Use capture() const;

    /// The device reads frames from the image.
    Use output() const;

    /// Sets the format of a queue to a layout and makes `slots` buffer slots of
    /// V4L2_MEMORY_DMABUF. The driver may make more; Queue::slots() says how many.
    ///
    /// Errors: busy (another file handle owns the queue), unsupported (no such
    /// queue; the driver does not take this layout, with its own numbers),
    /// exhausted, device_lost.
    Result<Queue> open_queue(Role role, const Layout& layout, std::uint32_t slots) const;

    /// The memory that the queue's driver allocates (V4L2_MEMORY_MMAP), given out as dma-bufs
    /// (VIDIOC_EXPBUF): a heap like others. Plans with this device's uses find it by
    /// themselves, where no other heap serves or Preferences::prefer names it ("v4l2"). Null where the driver does not
    /// export, or where its memory would not outlive its slot (no V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS, before
    /// Linux 4.20).
    ///
    /// Each allocation takes the queue for a moment (VIDIOC_CREATE_BUFS, EXPBUF, REQBUFS 0): it
    /// is busy while anybody has buffer slots there, this program's own Queue included. So
    /// allocate first and open the queue then. The format stays as it is. Such memory goes into
    /// a Queue as any other does; a device that imports nothing has open_own_queue(). The heap
    /// keeps the node open.
    std::shared_ptr<Heap> heap(Role role) const;

    /// As open_queue(), with slots in the driver's own memory (V4L2_MEMORY_MMAP), for drivers that
    /// import nothing. Queue::buffers() are dma-bufs over that memory (VIDIOC_EXPBUF): they can
    /// be imported elsewhere, and go into this queue alone.
    ///
    /// Errors: those of open_queue(), and unsupported where the driver has no such memory or
    /// does not export it.
    Result<Queue> open_own_queue(Role role, const Layout& layout, std::uint32_t slots) const;

    explicit Device(std::shared_ptr<Node> node) noexcept : node_(std::move(node)) {}

private:
    friend class M2m;
    friend class MediaDevice;
    std::shared_ptr<Node> node_;
};

/// One queue of a device, as a use stands for it.
struct UsedQueue {
    Device device;
    Role role = Role::capture;
};

/// Says which queue a use stands for; nothing for uses that come from no v4l2::Device.
COMMONBUF_API std::optional<UsedQueue> queue_of(const Use& use);

/// struct v4l2_timecode, without its user bits.
struct Timecode {
    std::uint32_t type = 0;  ///< V4L2_TC_TYPE_...: frames a second
    std::uint32_t flags = 0; ///< V4L2_TC_FLAG_...
    std::uint8_t frames = 0;
    std::uint8_t seconds = 0;
    std::uint8_t minutes = 0;
    std::uint8_t hours = 0;

    friend bool operator==(const Timecode&, const Timecode&) = default;
};

/// What a codec made a frame from.
enum class Coding : std::uint8_t {
    unknown,
    key,           ///< from itself alone (V4L2_BUF_FLAG_KEYFRAME)
    predicted,     ///< from one before it (PFRAME)
    bidirectional, ///< from those on both sides (BFRAME)
};

/// A buffer that came back from the device.
struct COMMONBUF_API Frame {
    Buffer buffer;
    std::uint32_t sequence = 0;                         ///< counts frames, also those that were lost
    std::chrono::nanoseconds timestamp{};               ///< the clock is the driver's, mostly CLOCK_MONOTONIC
    std::array<std::uint32_t, max_planes> bytes_used{}; ///< of each memory, `data_offset` included
    /// Bytes of each memory in front of what the device wrote: 0 unless the queue takes
    /// offsets, see Queue::take_offsets().
    std::array<std::uint32_t, max_planes> data_offset{};
    std::uint32_t flags = 0; ///< V4L2_BUF_FLAG_..., all that the driver set
    std::uint32_t field = 0; ///< V4L2_FIELD_...
    std::optional<Timecode> timecode{};

    /// The last frame before a drained codec stops, or before the source changes
    /// (V4L2_BUF_FLAG_LAST). It may be empty: bytes_used is 0 then.
    bool last() const noexcept;

    /// The device failed on it (V4L2_BUF_FLAG_ERROR); see Queue::take_damaged().
    bool damaged() const noexcept;

    Coding coding() const noexcept;
};

/// What goes to the device along with a buffer (struct v4l2_buffer). Untrusted: all of it is
/// checked against the buffer.
struct Payload {
    /// Of each memory of an output queue's buffer, `data_offset` included; 0 for what the
    /// layout asks for. Compressed frames: how many bytes there are.
    std::array<std::uint32_t, max_planes> bytes_used{};
    /// Bytes of each memory that the device is to leave out in front: multi-planar output
    /// queues alone. Whether a driver does it, only its output shows.
    std::array<std::uint32_t, max_planes> data_offset{};
    /// To the microsecond. Memory-to-memory devices give it to what they make of the frame.
    std::chrono::nanoseconds timestamp{};
    Coding coding = Coding::unknown;
    /// The device keeps the buffer that it writes for the next slice of the same picture: that
    /// with the same time stamp. It comes back after a slice that does not say so, before one
    /// with another time stamp, or with M2m::flush() (V4L2_BUF_FLAG_M2M_HOLD_CAPTURE_BUF).
    bool hold_capture = false;
    std::uint32_t field = 0; ///< V4L2_FIELD_...; 0 for V4L2_FIELD_NONE
    std::optional<Timecode> timecode{};
    /// A media request that the buffer becomes a part of, borrowed (MediaRequest::fd()); -1
    /// for none. The device has it when the request is submitted.
    int request = -1;
};

/// struct v4l2_rect: pixels.
struct Rectangle {
    std::int32_t left = 0;
    std::int32_t top = 0;
    std::uint32_t width = 0;
    std::uint32_t height = 0;

    friend bool operator==(const Rectangle&, const Rectangle&) = default;
};

/// Buffer slots of one queue.
///
/// A buffer keeps the slot at which it was first queued, so that the kernel keeps
/// its mapping; as long as there are no more buffers than slots, nothing is mapped
/// twice. The queue holds a handle of every buffer in a slot. Use it from one
/// thread at a time. The destructor stops streaming and frees the slots.
class COMMONBUF_API Queue {
public:
    Queue(Queue&&) noexcept;
    Queue& operator=(Queue&&) noexcept;
    ~Queue();

    std::uint32_t slots() const noexcept;

    /// How many buffers are with the device.
    std::uint32_t queued() const noexcept;

    Role role() const noexcept;

    /// Pollable: readable (capture) or writable (output) when dequeue() has a frame.
    int fd() const noexcept;

    /// Gives a buffer to the device. V4L2 knows no fences: all work on the buffer
    /// must be done (FencedQueue waits for it). For output queues, `bytes_used` of each memory is what the
    /// layout asks for.
    ///
    /// Errors: invalid_argument (it is queued already, or smaller than the layout
    /// asks for), exhausted (every slot is with the device), device_lost, and the
    /// kernel's refusal to import it.
    Status queue(const Buffer& buffer, Place where = Place::here());

    /// The same with what goes along with the buffer. Errors also: invalid_argument (more bytes
    /// than the memory has, an offset behind them, or something that has no meaning on a
    /// capture queue), unsupported (offsets without the multi-planar API, holding where the
    /// driver cannot), and invalid_argument with EBADR (a buffer without a request for a queue
    /// that requires one, or with one for a queue that has none).
    Status queue(const Buffer& buffer, const Payload& payload, Place where = Place::here());

    /// Makes `more` slots beside those that there are, also while frames flow
    /// (VIDIOC_CREATE_BUFS); how many there are now. The driver may make fewer.
    ///
    /// Errors: unsupported (the driver cannot; the queue is in the driver's own memory),
    /// invalid_argument (none, or more than VIDEO_MAX_FRAME in all), exhausted, device_lost.
    Result<std::uint32_t> grow(std::uint32_t more);

    /// The buffers in the driver's own memory, one for each slot; none for other queues. They
    /// are the only ones that it takes, and stay good when it is gone. Buffer::heap() is the
    /// name of Device::heap(). Each is one dma-buf for each memory, made once: another export of
    /// the same memory would have fences of its own.
    std::vector<Buffer> buffers() const;

    /// Takes note that the kernel gave a buffer back without a frame, because the media request
    /// it was in went or was reset before it was submitted.
    ///
    /// Errors: busy (the kernel says that it still has it), invalid_argument (not in this queue).
    Status take_back(const Buffer& buffer);

    /// A rectangle of this queue (V4L2_SEL_TGT_...): what of its pictures the device looks at
    /// (crop), or where in them it writes (compose). set_selection() answers with what the
    /// driver made of it; `flags` are V4L2_SEL_FLAG_GE and _LE.
    ///
    /// Errors: unsupported (the driver has no such rectangle), invalid_argument (empty, beyond 31
    /// bits, or outside the target's bounds where the driver says which those are), busy.
    Result<Rectangle> selection(std::uint32_t target) const;
    Result<Rectangle> set_selection(std::uint32_t target, const Rectangle& wanted, std::uint32_t flags = 0);

    /// Whether buffers can, or have to, come with a media request (V4L2_BUF_CAP_..._REQUESTS,
    /// as VIDIOC_REQBUFS answered). Drivers say that they require them when a buffer without
    /// one is refused: until then the second is false.
    bool supports_requests() const noexcept;
    bool requires_requests() const noexcept;

    /// Whether the device keeps a capture buffer for further slices, Payload::hold_capture
    /// (V4L2_BUF_CAP_SUPPORTS_M2M_HOLD_CAPTURE_BUF): output queues alone.
    bool supports_hold_capture() const noexcept;

    /// Takes frames that the driver marks as damaged as frames (Frame::damaged()) instead of
    /// as errors: for who has to know which buffer it was.
    void take_damaged(bool take) noexcept;

    /// Takes frames that begin at an offset of their memory (Frame::data_offset), which the
    /// layout does not have and whose pixels are therefore elsewhere than Buffer says. Other
    /// queues answer them with an error.
    void take_offsets(bool take) noexcept;

    bool streaming() const noexcept;

    /// Whether the last frame (Frame::last()) came: there is nothing to dequeue until the
    /// queue is stopped and started, or the codec resumes.
    bool ended() const noexcept;

    /// Whether the CPU looks at frames of this queue (it does, until told otherwise). Where it
    /// does not, drivers may leave caches alone: V4L2_BUF_FLAG_NO_CACHE_INVALIDATE and
    /// NO_CACHE_CLEAN. Today's videobuf2 does so for every imported dma-buf anyway.
    void set_cpu_looks(bool looks) noexcept;

    /// VIDIOC_STREAMON. Errors: device_lost, kernel_failure (too few buffers queued).
    Status start();

    /// The next buffer that the device is done with.
    ///
    /// Errors: timed_out; device_lost (unplugged, or the frame carries
    /// V4L2_BUF_FLAG_ERROR: a failed access; the buffer is back and can be queued again);
    /// invalid_argument with EPIPE (the last frame has come, see ended()).
    Result<Frame> dequeue(Deadline deadline);

    /// The same without waiting; nothing when no frame is ready.
    Result<std::optional<Frame>> try_dequeue();

    /// VIDIOC_STREAMOFF: every buffer comes back at once, unfinished.
    Status stop();

private:
    friend class Device;
    friend class FencedQueue;
    friend class M2m;
    struct State;
    explicit Queue(std::unique_ptr<State> state) noexcept;
    /// Makes the slots of a queue whose format is set.
    static Result<Queue> make(std::shared_ptr<Node> node, Role role, const Layout& layout, const Answer& answer,
                              std::uint32_t slots, bool own);
    Status resume(bool idle);
    std::unique_ptr<State> state_;
};

/// A buffer that was not given to the device, because the work on it failed.
struct Withheld {
    Buffer buffer;
    Error error;
};

/// A queue that takes buffers together with the fence of the work on them, and gives them to
/// the device when that has signalled, in the order in which they came.
///
/// Driven by the caller: poll fd() for reading and call advance(). Or by a thread of the
/// library, where create() was told so. Thread-safe.
class COMMONBUF_API FencedQueue {
public:
    enum class Driver : std::uint8_t { caller, thread };

    /// Takes the queue. Errors: exhausted (no thread, no descriptor).
    static Result<FencedQueue> create(Queue queue, Driver driver = Driver::caller);

    FencedQueue(FencedQueue&&) noexcept;
    FencedQueue& operator=(FencedQueue&&) noexcept;
    /// Ends the thread, and the queue. Buffers that wait are not queued any more.
    ~FencedQueue();

    /// Gives a buffer to the device when `ready` has signalled; at once, where it has and
    /// nobody waits in front. The jobs that work on the buffer count too; those that failed
    /// keep it from a device that reads it, and not from one that writes it anew.
    ///
    /// Errors: those of Queue::queue() where it is given at once. Later ones come from
    /// advance() or dequeue().
    Status queue(const Buffer& buffer, const Fence& ready, Place where = Place::here());
    /// The same with what goes along with the buffer, as Queue::queue() takes it.
    Status queue(const Buffer& buffer, const Fence& ready, const Payload& payload, Place where = Place::here());

    /// A descriptor to poll for reading: advance() has something to do then. -1 while nothing
    /// waits. Another one after each queue() and advance(). With Driver::thread always -1.
    int fd() const noexcept;

    /// Gives the device every buffer whose turn has come; how many those were. A buffer whose
    /// fence failed is withheld, see take_withheld().
    ///
    /// Errors: those of Queue::queue(); the buffer then stays in front.
    Result<std::size_t> advance();

    /// How many buffers wait for their fence.
    std::size_t waiting() const noexcept;

    /// How many the device has.
    std::size_t with_device() const noexcept;

    /// Takes back all that wait, in their order: they are not queued any more.
    std::vector<Buffer> take_back();

    /// Those whose fence failed, since the last call, with the error.
    std::vector<Withheld> take_withheld();

    /// As Queue::dequeue(). Errors: also what queueing gave in the library's thread.
    Result<Frame> dequeue(Deadline deadline);
    Result<std::optional<Frame>> try_dequeue();

    /// As Queue::start() and stop(). What waits goes on waiting.
    Status start();
    Status stop();

    /// As those of Queue.
    Status take_back(const Buffer& buffer);
    Result<Rectangle> selection(std::uint32_t target) const;
    Result<Rectangle> set_selection(std::uint32_t target, const Rectangle& wanted, std::uint32_t flags = 0);
    bool supports_requests() const noexcept;
    bool requires_requests() const noexcept;
    bool supports_hold_capture() const noexcept;
    Result<std::uint32_t> grow(std::uint32_t more);
    std::uint32_t slots() const noexcept;
    std::vector<Buffer> buffers() const;
    bool streaming() const noexcept;
    bool ended() const noexcept;
    void take_damaged(bool take) noexcept;
    void take_offsets(bool take) noexcept;

    /// Pollable for frames, as Queue::fd().
    int frame_fd() const noexcept;

private:
    friend class M2m;
    struct State;
    explicit FencedQueue(std::unique_ptr<State> state) noexcept;
    Status resume(bool idle);
    std::unique_ptr<State> state_;
};

} // namespace commonbuf::v4l2
