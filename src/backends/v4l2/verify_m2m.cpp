// SPDX-License-Identifier: MIT
//
// Proof by content of a memory-to-memory device: the same pictures go through it twice,
// side by side, through two file handles of its own:
//
//     picture ──► driver's memory ──► [device] ──► driver's memory ──┐
//                                                                    compared
//     picture ──► ours or driver's ──► [device] ──► driver's or ours ┘
//
// What the device makes of a picture does not matter, as long as it makes the same.
#include "backends/v4l2/controls.hpp"
#include "backends/v4l2/failure.hpp"
#include "backends/v4l2/own_queue.hpp"
#include "backends/v4l2/verify.hpp"
#include "buffer/buffer_state.hpp"
#include "verify/compare.hpp"
#include "base/text.hpp"

#include <commonbuf/v4l2/device.hpp>
#include <commonbuf/v4l2/queue.hpp>

#include <algorithm>
#include <chrono>
#include <optional>
#include <vector>

namespace commonbuf::v4l2 {
namespace {

using content::Picture;
using content::View;

/// How both queues are set. Compressed frames have no layout.
struct Formats {
    Layout output;
    std::optional<Layout> capture;
};

/// Opens the node again: a file handle has both queues to itself.
Result<std::shared_ptr<Node>> open_again(const Node& node)
{
    auto fd = os::open(node.info().path);
    if (!fd)
        return fd.error();
    auto again = Node::create(std::move(*fd), node.info().path);
    if (!again)
        return again.error();
    // A test driver pretends to work for 40 ms on each frame.
    if (const auto time = find_control(**again, "Transaction Time (msec)")) {
        v4l2_control control{time->id, time->minimum};
        (*again)->ioctl(VIDIOC_S_CTRL, &control);
    }
    return again;
}

bool offers(const Node& node, Role role, const Layout& image)
{
    const std::uint32_t fourcc = pixel_format(image.format, memories_of(image));
    const auto& known = node.formats(role);
    return fourcc != 0 && std::find(known.begin(), known.end(), fourcc) != known.end();
}

/// A picture that goes into the device when `image` comes out of it: the same format
/// where it has that, or else the first that it takes in this size.
std::optional<Layout> input_for(const Node& node, const Layout& image)
{
    for (const Memories memories : {memories_of(image), Memories::single, Memories::per_plane}) {
        const auto layout = linear_layout({image.format, image.width, image.height}, image.planes[0].stride, memories);
        if (layout && offers(node, Role::output, *layout))
            return *layout;
    }
    for (const std::uint32_t fourcc : node.formats(Role::output)) {
        const FormatInfo* info = format_from_v4l2(fourcc);
        if (info == nullptr)
            continue;
        const auto memories = fourcc == info->v4l2_single ? Memories::single : Memories::per_plane;
        const auto least = static_cast<std::uint32_t>(min_stride(*info, 0, image.width));
        if (auto layout = linear_layout({info->format, image.width, image.height}, least, memories))
            return *layout;
    }
    return std::nullopt;
}

/// Sets the capture queue to what comes out when `input` goes in.
Result<std::optional<Layout>> set_result(const Node& node, const Layout& input)
{
    if (offers(node, Role::capture, input)) {
        if (auto own = set_own_layout(node, Role::capture, input))
            return *own;
    }
    // A coder: its first format, in the size of the picture.
    v4l2_format format{};
    format.type = node.type(Role::capture);
    if (const int error = node.ioctl(VIDIOC_G_FMT, &format); error != 0)
        return call_failed(node, error, "VIDIOC_G_FMT");
    if (node.info().multiplanar) {
        format.fmt.pix_mp.width = input.width;
        format.fmt.pix_mp.height = input.height;
    } else {
        format.fmt.pix.width = input.width;
        format.fmt.pix.height = input.height;
    }
    if (const int error = node.ioctl(VIDIOC_S_FMT, &format); error != 0)
        return call_failed(node, error, "VIDIOC_S_FMT");
    return std::nullopt;
}

/// One file handle with both queues, in the driver's memory but for the side under test.
class Context {
public:
    Context(std::shared_ptr<Node> node, Role side) : node_(std::move(node)), side_(side) {}

    const Node& node() const noexcept { return *node_; }

    /// Sets the formats for an image on one side.
    Result<Formats> set(const Layout& image)
    {
        if (side_ == Role::output) {
            auto output = set_own_layout(*node_, Role::output, image);
            if (!output)
                return output.error();
            auto capture = set_result(*node_, image);
            if (!capture)
                return capture.error();
            return Formats{*output, *capture};
        }
        const auto input = input_for(*node_, image);
        if (!input)
            return Error::unsupported(node_->where("find an input picture"),
                                      "what goes into this device is no picture that the library can draw");
        auto output = set_own_layout(*node_, Role::output, *input);
        if (!output)
            return output.error();
        auto capture = set_own_layout(*node_, Role::capture, image);
        if (!capture)
            return capture.error();
        return Formats{*output, *capture};
    }

    /// All in the driver's memory.
    Status open_own(const Formats& formats)
    {
        formats_ = formats;
        return own(Role::output, output_).and_then([this] { return own(Role::capture, capture_); });
    }

    /// With these buffers on the side under test.
    Status open_with(const Formats& formats, std::span<const Buffer> buffers)
    {
        formats_ = formats;
        buffers_ = buffers;
        // One slot: a buffer that comes in makes the driver let go of the one before, and
        // the CPU may write into that.
        auto queue = Device(node_).open_queue(side_, buffers.front().layout(), 1);
        if (!queue)
            return queue.error();
        ours_.emplace(std::move(*queue));
        if (side_ == Role::output) {
            formats_.output = buffers.front().layout();
            // A new input format may have reset what comes out.
            if (const auto capture = set_result(*node_, formats_.output); !capture)
                return capture.error();
            return own(Role::capture, capture_);
        }
        formats_.capture = buffers.front().layout();
        return own(Role::output, output_);
    }

    /// Gives the device a picture and room for what it makes of it.
    Status send(std::uint32_t frame, Deadline deadline)
    {
        if (Status drawn = draw(frame, deadline); !drawn)
            return drawn;
        if (Status cleared = clear(frame, deadline); !cleared)
            return cleared;
        Status queued = output_ ? output_->queue(0) : ours_->queue(ours(frame));
        if (!queued)
            return queued;
        queued = capture_ ? capture_->queue(0) : ours_->queue(ours(frame));
        if (!queued || frame != 0)
            return queued;
        Status started = output_ ? output_->start() : ours_->start();
        if (!started)
            return started;
        return capture_ ? capture_->start() : ours_->start();
    }

    /// Waits until the device is done with both; how many bytes it made.
    Result<std::uint32_t> receive(Deadline deadline)
    {
        std::uint32_t bytes = 0;
        if (capture_) {
            const auto done = capture_->dequeue(deadline);
            if (!done)
                return done.error();
            bytes = done->bytes_used[0];
        } else if (const auto done = ours_->dequeue(deadline); !done) {
            return done.error();
        }
        if (output_) {
            if (const auto done = output_->dequeue(deadline); !done)
                return done.error();
        } else if (const auto done = ours_->dequeue(deadline); !done) {
            return done.error();
        }
        return bytes;
    }

    /// Looks at the result of a frame, or at the picture that went in, or writes there.
    template <typename Look>
    Status look(Access kind, Role role, std::uint32_t frame, Deadline deadline, Look look)
    {
        const Layout layout = role == Role::output ? formats_.output : formats_.capture.value_or(Layout{});
        auto& own = role == Role::output ? output_ : capture_;
        if (own) {
            if (Status begun = own->begin_access(0); !begun)
                return begun;
            look(View{layout, own->memories(0)});
            return own->end_access(0);
        }
        auto access = kind == Access::read ? ours(frame).read(deadline) : ours(frame).write(deadline);
        if (!access)
            return access.error();
        look(View{layout, ours(frame).state().bytes()});
        return access->end();
    }

private:
    const Buffer& ours(std::uint32_t frame) const { return buffers_[frame % buffers_.size()]; }

    Status own(Role role, std::optional<OwnQueue>& queue) const
    {
        auto made = OwnQueue::create(node_, role, 1);
        if (!made)
            return made.error();
        queue.emplace(std::move(*made));
        return {};
    }

    Status draw(std::uint32_t frame, Deadline deadline)
    {
        return look(Access::write, Role::output, frame, deadline,
                    [frame](const View& view) { content::draw(view, frame); });
    }

    Status clear(std::uint32_t frame, Deadline deadline)
    {
        return look(Access::write, Role::capture, frame, deadline, [frame](const View& view) {
            if (view.layout.plane_count != 0)
                content::fill(view, content::canary(frame));
        });
    }

    std::shared_ptr<Node> node_;
    Role side_;
    Formats formats_;
    std::span<const Buffer> buffers_;
    std::optional<OwnQueue> output_;
    std::optional<OwnQueue> capture_;
    std::optional<Queue> ours_;
};

class Comparer {
public:
    Comparer(Context& reference, Context& tested, Role side) : reference_(reference), tested_(tested), side_(side) {}

    Status frame(std::uint32_t frame, bool compressed, Deadline deadline, Content& content)
    {
        for (Context* context : {&reference_, &tested_}) {
            if (Status sent = context->send(frame, deadline); !sent)
                return sent;
        }
        const auto expected_bytes = reference_.receive(std::min(deadline, deadline_in(patience)));
        if (!expected_bytes) {
            reference_failed_ = true;
            return expected_bytes.error();
        }
        const auto found_bytes = tested_.receive(deadline);
        if (!found_bytes)
            return found_bytes.error();
        return compressed ? compare_bytes(frame, *expected_bytes, *found_bytes, deadline, content)
                          : compare_pictures(frame, deadline, content);
    }

    /// Whether the device failed with its own memory too.
    bool reference_failed() const noexcept { return reference_failed_; }

private:
    // Coders that want many frames before they give one are not waited for.
    static constexpr std::chrono::seconds patience{5};

    Status compare_bytes(std::uint32_t frame, std::size_t expected, std::size_t found, Deadline deadline,
                         Content& content)
    {
        std::vector<std::byte> copy;
        Status looked = reference_.look(Access::read, Role::capture, frame, deadline, [&](const View& view) {
            const auto bytes = view.memories[0].first(std::min(expected, view.memories[0].size()));
            copy.assign(bytes.begin(), bytes.end());
        });
        if (!looked)
            return looked;
        return tested_.look(Access::read, Role::capture, frame, deadline, [&](const View& view) {
            const auto bytes = view.memories[0].first(std::min(found, view.memories[0].size()));
            const auto comparison = content::compare(copy, bytes);
            if (comparison.first && !content.first) {
                content.cause = Cause::unknown;
                content.reason =
                    text::format("what the device made has {} bytes, and {} from its own memory", found, expected);
            }
            content::add(content, frame, comparison);
        });
    }

    Status compare_pictures(std::uint32_t frame, Deadline deadline, Content& content)
    {
        Picture expected;
        Status looked = reference_.look(Access::read, Role::capture, frame, deadline,
                                        [&](const View& view) { expected = Picture(view); });
        if (!looked)
            return looked;
        std::optional<Picture> seen;
        looked = tested_.look(Access::read, Role::capture, frame, deadline, [&](const View& view) {
            const auto comparison = content::compare(expected, view);
            if (comparison.first && !content.first) {
                if (side_ == Role::capture)
                    note(content, content::guess(expected, view, content::canary(frame)));
                else
                    seen = Picture(view);
            }
            content::add(content, frame, comparison);
        });
        if (!looked || !seen)
            return looked;
        // What came out says what was read, where the device leaves pictures as they are.
        return tested_.look(Access::read, Role::output, frame, deadline, [&](const View& view) {
            note(content,
                 seen->format() == view.layout.format ? content::guess(*seen, view, std::nullopt) : content::Guess{});
        });
    }

    static void note(Content& content, const content::Guess& guess)
    {
        content.cause = guess.cause;
        content.reason = guess.reason;
    }

    Context& reference_;
    Context& tested_;
    Role side_;
    bool reference_failed_ = false;
};

} // namespace

Result<Content> verify_m2m(const Node& node, Role role, std::span<const Buffer> buffers, std::uint32_t frames,
                           Deadline deadline)
{
    auto first = open_again(node);
    auto second = open_again(node);
    if (!first || !second)
        return not_checked("it cannot be opened a second time: " + (first ? second : first).error().message());
    Context reference(std::move(*first), role);
    Context tested(std::move(*second), role);
    const Layout& layout = buffers.front().layout();
    const auto formats = reference.set(layout);
    if (!formats)
        return not_checked("the same work cannot be done in its own memory: " + formats.error().message());
    if (const Status opened = reference.open_own(*formats); !opened)
        return not_checked("the same work cannot be done in its own memory: " + opened.error().message());
    if (const auto same = tested.set(layout); !same)
        return same.error();
    if (const Status opened = tested.open_with(*formats, buffers); !opened)
        return opened.error();

    Content content;
    content.stage = role == Role::capture ? "the same picture in the driver's own memory (V4L2_MEMORY_MMAP)"
                                          : "what it makes of the same picture in the driver's own memory";
    Comparer comparer(reference, tested, role);
    for (std::uint32_t i = 0; i < frames; ++i) {
        const Status done = comparer.frame(i, !formats->capture, deadline, content);
        if (!done && comparer.reference_failed())
            return not_checked("it does not do one frame after the other in its own memory: " + done.error().message());
        if (!done)
            return done.error();
    }
    if (content.result == Sameness::not_checked)
        content.result = Sameness::same;
    return content;
}

} // namespace commonbuf::v4l2
