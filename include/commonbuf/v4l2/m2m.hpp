// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/deadline.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/format.hpp>
#include <commonbuf/layout.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/use.hpp>
#include <commonbuf/v4l2/device.hpp>
#include <commonbuf/v4l2/queue.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

namespace commonbuf::v4l2 {

/// What the stream that a decoder reads is now (V4L2_EVENT_SOURCE_CHANGE, and what
/// VIDIOC_G_FMT, VIDIOC_G_SELECTION and V4L2_CID_MIN_BUFFERS_FOR_CAPTURE say after it).
struct SourceChange {
    std::uint32_t width = 0; ///< of the picture, in pixels
    std::uint32_t height = 0;
    std::uint32_t coded_width = 0; ///< including the padding to whole blocks
    std::uint32_t coded_height = 0;
    /// What the decoder makes if nobody sets a format. Plan with it: for a code of V4L2 that stands for
    /// tiles, it is DRM's format (NV12 for 'ST12'), and the plan finds the modifier.
    Format format;
    std::uint32_t min_buffers = 1; ///< the fewest that the capture side needs
};

/// A memory-to-memory device with both of its queues: a converter, an encoder or a decoder
/// (dev-encoder.rst, dev-decoder.rst and dev-stateless-decoder.rst in the kernel's
/// Documentation/userspace-api/media/v4l).
///
///     output_queue() ──► [ device ] ──► capture_queue()
///
/// V4L2's words: the *output* side is what goes into the device, the *capture* side what comes
/// out of it. Nothing here blocks except wait(), and there is no thread. In an event loop, poll
/// poll_fd() for poll_events() and the poll_fd() of both queues for reading, then call advance()
/// and take what is there.
///
/// One object is one stream. The device works on several at once, each with a file handle of
/// its own. Use it from one thread at a time. The destructor stops both sides and frees their
/// slots; buffers that are held elsewhere live on.
class COMMONBUF_API M2m {
public:
    enum class Kind : std::uint8_t { converter, encoder, decoder };

    /// Opens a stream on a node, by the node's path or name as Device::open() takes them.
    ///
    /// Errors: those of Device::open(); invalid_argument (not a memory-to-memory device).
    static Result<M2m> open(std::string_view target);

    /// Makes an open device's file handle the stream.
    ///
    /// Open neither the device's queues nor a second M2m on it. Its uses can be planned with
    /// before and afterwards.
    ///
    /// Errors: invalid_argument (not a memory-to-memory device).
    static Result<M2m> create(const Device& device);

    M2m(M2m&&) noexcept;
    M2m& operator=(M2m&&) noexcept;
    ~M2m();

    Kind kind() const noexcept;
    const Device& device() const noexcept;

    /// Returns the use of one side of this very stream, to plan with while that side is closed.
    Use output() const;
    Use capture() const;

    /// Sets both formats, in the order that the kind of device asks for, then makes `slots`
    /// slots on each side. Closes what was open before.
    ///
    /// A compressed side has the layout of a plan in its opaque format, for example
    /// V4L2_PIX_FMT_FWHT; width and height are those of the pictures. Encoders take pictures
    /// with padding by cropping (V4L2_SEL_TGT_CROP).
    ///
    /// Errors: those of Device::open_queue().
    Status open_queues(const Layout& output, const Layout& capture, std::uint32_t slots);

    /// Opens one side; closes it first if it is open.
    ///
    /// Decoders begin with the output side. Open the capture side when a source change tells what
    /// comes.
    ///
    /// Errors: those of Device::open_queue().
    Status open_output(const Layout& layout, std::uint32_t slots);
    Status open_capture(const Layout& layout, std::uint32_t slots);

    /// Stops the capture side and frees its slots, before a new plan for a source that has
    /// changed. Frames that the device has not finished go into the buffers of the next capture
    /// side.
    void close_capture();

    /// Returns a side; nullptr while it is closed. Valid until that side is closed or opened anew.
    Queue* output_queue() noexcept;
    Queue* capture_queue() noexcept;

    /// Starts each open side that does not stream (VIDIOC_STREAMON).
    ///
    /// Errors: those of Queue::start().
    Status start();

    /// Stops both sides (VIDIOC_STREAMOFF): all buffers come back, unfinished. Buffers that wait
    /// for a fence go on waiting.
    ///
    /// Errors: those of Queue::stop(), the first one; both sides are stopped even then.
    Status stop();

    /// Lets the codec finish what it has and what waits for its fence, then stop. The last frame
    /// of the capture side says so (Frame::last(); it may be empty).
    ///
    /// The command goes out when nothing waits any more, from this call or from advance()
    /// (VIDIOC_ENCODER_CMD or VIDIOC_DECODER_CMD, STOP).
    ///
    /// Errors: unsupported (a converter or a stateless codec: they hold nothing back and are done
    /// when as many frames came out as went in; but see flush()), device_gone.
    Status drain();

    /// Makes a stateless decoder release the picture that it holds for a further slice, because
    /// no slice follows (Payload::hold_capture; VIDIOC_DECODER_CMD, FLUSH).
    ///
    /// Like drain() it comes after what waits for its fence. Submit slices in a media request
    /// before. Linux up to at least 7.3 does nothing if the capture side got other buffers behind
    /// the one that is held: queue none before this.
    ///
    /// Errors: unsupported (it holds no pictures), device_gone.
    Status flush();

    /// Tells whether drain() was called and its last frame has not come yet.
    bool draining() const noexcept;

    /// Goes on after the last frame (START). Queue the next frames afterwards.
    ///
    /// Some drivers (vicodec) leave their capture queue at its end. It is then stopped and started
    /// with its buffers, if no frame can have come yet.
    ///
    /// Errors: those of drain(); invalid_state (the last frame has not come).
    Status resume();

    /// Returns the file handle to poll for poll_events(): a side has a frame, or the source has
    /// changed. Borrowed.
    int poll_fd() const noexcept;

    /// Returns what to poll poll_fd() for now. 0 means not at all: without buffers on either side
    /// the kernel answers POLLERR.
    short poll_events() const noexcept;

    /// Gives the device every buffer whose turn has come on either side, and the commands of
    /// drain() and flush(). Returns how many buffers those were.
    ///
    /// Errors: those of Queue::advance(), drain() and flush().
    Result<std::size_t> advance();

    /// Waits until advance(), a dequeue or pop_source_change() has something to do; false if the
    /// deadline passed. For programs without an event loop.
    ///
    /// Errors: invalid_state (no buffer is queued, so nothing can happen), device_gone.
    Result<bool> wait(Deadline deadline);

    /// Returns what the stream is now if the decoder has seen a change since the last call; the
    /// beginning of a stream is a change too.
    ///
    /// Frames of the old stream still come out; the last one says so (Frame::last()). Dequeue
    /// them, close_capture(), plan for the new size, open_capture() and start(). Nothing is lost:
    /// the decoder waits for that.
    ///
    /// Errors: device_gone, and what the kernel says.
    Result<std::optional<SourceChange>> pop_source_change();

private:
    struct State;
    explicit M2m(std::unique_ptr<State> state) noexcept;
    std::unique_ptr<State> state_;
};

} // namespace commonbuf::v4l2
