// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/deadline.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/format.hpp>
#include <commonbuf/layout.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/use.hpp>
#include <commonbuf/v4l2/v4l2.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

namespace commonbuf::v4l2 {

/// What a stream that a decoder reads has become (V4L2_EVENT_SOURCE_CHANGE, and what
/// VIDIOC_G_FMT, VIDIOC_G_SELECTION and V4L2_CID_MIN_BUFFERS_FOR_CAPTURE say after it).
struct SourceChange {
    std::uint32_t width = 0; ///< of the picture, in pixels
    std::uint32_t height = 0;
    std::uint32_t coded_width = 0; ///< with its padding to whole blocks
    std::uint32_t coded_height = 0;
    Format format;                 ///< what the decoder would make of it unasked
    std::uint32_t min_buffers = 1; ///< that the capture side needs at least
};

/// A memory-to-memory device with both of its queues: a converter, an encoder or a decoder
/// (dev-encoder.rst, dev-decoder.rst and dev-stateless-decoder.rst in the kernel's
/// Documentation/userspace-api/media/v4l).
///
///     output_queue() ──► [ device ] ──► capture_queue()
///
/// V4L2's words: the *output* side is what goes into the device, the *capture* side what comes
/// out of it. Both sides are queues with fences, so frames of both can wait for others'
/// work. Nothing here blocks but wait(), and no thread is made: poll fd() for poll_events(),
/// and the fd() of both queues for reading, then call advance() and take what is there.
///
/// One object is one stream; the device works on several at once, each with a file handle of
/// its own. Use it from one thread at a time. The destructor stops both sides and frees their
/// slots; buffers that are held elsewhere live on.
class COMMONBUF_API M2m {
public:
    enum class Kind : std::uint8_t { converter, encoder, decoder };

    /// A stream of its own on a node, by its path or name as Device::open() takes them.
    ///
    /// Errors: those of Device::open(); invalid_argument (it is no memory-to-memory device).
    static Result<M2m> open(std::string_view target);

    /// The same on an open device, whose file handle becomes this stream: open neither its
    /// queues nor a second M2m on it. Uses of it can be planned with before and afterwards.
    static Result<M2m> create(const Device& device);

    M2m(M2m&&) noexcept;
    M2m& operator=(M2m&&) noexcept;
    ~M2m();

    Kind kind() const noexcept;
    const Device& device() const noexcept;

    /// The uses of both sides on this very stream, to plan with while the side is closed.
    Use output() const;
    Use capture() const;

    /// Sets both formats, in the order that the kind of device asks for, then makes `slots`
    /// slots on each side. What was open before is closed.
    ///
    /// A compressed side has the layout of a plan in its opaque format, for example
    /// V4L2_PIX_FMT_FWHT, whose width and height are those of the pictures. Encoders take
    /// pictures with padding by cropping (V4L2_SEL_TGT_CROP).
    ///
    /// Errors: those of Device::open_queue().
    Status open_queues(const Layout& output, const Layout& capture, std::uint32_t slots);

    /// One side alone. Decoders begin with the output side, and have the other one opened when
    /// a source change tells what comes. Opening a side anew closes it first.
    Status open_output(const Layout& layout, std::uint32_t slots);
    Status open_capture(const Layout& layout, std::uint32_t slots);

    /// Stops the capture side and frees its slots: before a new plan for a source that has
    /// changed. Frames that the device has not finished are finished into the buffers of the
    /// side that is opened next.
    void close_capture();

    /// The sides; nullptr while they are closed. Valid until the side is opened anew or closed.
    FencedQueue* output_queue() noexcept;
    FencedQueue* capture_queue() noexcept;

    /// VIDIOC_STREAMON on each open side that does not stream.
    Status start();

    /// VIDIOC_STREAMOFF on both: all buffers come back, unfinished. What waits for a fence
    /// goes on waiting.
    Status stop();

    /// Lets the codec finish what it has and was given, also what waits for its fence, and
    /// stop: the last frame of the capture side says so (Frame::last(); it may be empty).
    /// The command is sent when nothing waits any more, by this call or by advance()
    /// (VIDIOC_ENCODER_CMD or VIDIOC_DECODER_CMD, STOP).
    ///
    /// Errors: unsupported (a converter, or a stateless codec: they hold nothing back, so what
    /// went in has come out when as many frames came; but see flush()), device_lost.
    Status drain();

    /// Has a stateless decoder let go of the picture that it holds for a further slice, since
    /// none follows (Payload::hold_capture; VIDIOC_DECODER_CMD, FLUSH). Like drain() it comes
    /// behind what waits for its fence. Slices in a media request have to be submitted before.
    ///
    /// Linux up to 7.3 at least does nothing where the capture side was given other buffers behind
    /// the one that is held: give it none before this.
    ///
    /// Errors: unsupported (it holds no pictures), device_lost.
    Status flush();

    /// Whether drain() was called and its last frame has not come yet.
    bool draining() const noexcept;

    /// Goes on after the last frame (START). Queue the next frames afterwards: some drivers
    /// (vicodec) leave their capture queue at its end, which is then stopped and started, with
    /// its buffers, if nothing can have come yet.
    ///
    /// Errors: as drain(); invalid_argument (the last frame has not come).
    Status resume();

    /// The file handle, borrowed, and what to poll it for now; 0 for not at all: with no buffer
    /// on either side the kernel calls that an error.
    int fd() const noexcept;
    short poll_events() const noexcept;

    /// Gives the device all whose turn has come on either side, and the commands of drain() and
    /// flush(); how many buffers those were. Errors: those of FencedQueue::advance().
    Result<std::size_t> advance();

    /// Waits until advance(), a dequeue or take_source_change() has something to do; false
    /// when the deadline passed. For programs without an event loop.
    ///
    /// Errors: invalid_argument (nothing is there that could happen), device_lost.
    Result<bool> wait(Deadline deadline);

    /// What the stream has become, when the decoder has seen that it is another one; also at
    /// its beginning. Frames of the old stream still come out; the last of them says so
    /// (Frame::last()). Take them, close_capture(), plan for the new size, open_capture() and
    /// start(): nothing is lost, since the decoder waits for that.
    ///
    /// Errors: device_lost, and what the kernel says.
    Result<std::optional<SourceChange>> take_source_change();

private:
    struct State;
    explicit M2m(std::unique_ptr<State> state) noexcept;
    std::unique_ptr<State> state_;
};

} // namespace commonbuf::v4l2
