// SPDX-License-Identifier: MIT
//
// Proof by content of a camera. Nobody knows what it should see; but a camera with a
// still picture must see in our memory what it sees in its own.
#include "backends/v4l2/controls.hpp"
#include "backends/v4l2/failure.hpp"
#include "backends/v4l2/own_queue.hpp"
#include "backends/v4l2/saved_format.hpp"
#include "backends/v4l2/verify.hpp"
#include "buffer/buffer_state.hpp"
#include "verify/compare.hpp"
#include "base/text.hpp"

#include <commonbuf/v4l2/device.hpp>
#include <commonbuf/v4l2/queue.hpp>

#include <algorithm>
#include <deque>
#include <map>
#include <utility>
#include <vector>

namespace commonbuf::v4l2 {

Content not_checked(std::string reason)
{
    Content content;
    content.reason = std::move(reason);
    return content;
}

Status fill_whole_image(const Node& node, const Layout& image)
{
    v4l2_selection selection{};
    selection.type = V4L2_BUF_TYPE_VIDEO_CAPTURE; // with either API
    selection.target = V4L2_SEL_TGT_COMPOSE;
    selection.r = {0, 0, image.width, image.height};
    node.ioctl(VIDIOC_S_SELECTION, &selection);
    if (node.ioctl(VIDIOC_G_SELECTION, &selection) != 0)
        return {};
    if (selection.r.left <= 0 && selection.r.top <= 0 && selection.r.width >= image.width &&
        selection.r.height >= image.height)
        return {};
    return Error::unsupported(node.where("VIDIOC_S_SELECTION"),
                              text::format("it fills {}x{} pixels of {}x{} and leaves the others as they are",
                                           selection.r.width, selection.r.height, image.width, image.height));
}

Result<Layout> set_own_layout(const Node& node, Role role, const Layout& image)
{
    Layout own = image;
    for (Plane& plane : own.planes)
        plane.stride = 0;
    own.memory_sizes = {};
    const auto answer = set_format(node, role, own);
    if (!answer)
        return answer.error();
    if (role == Role::capture) {
        if (const Status whole = fill_whole_image(node, image); !whole)
            return whole.error();
    }
    return linear_layout({image.format, image.width, image.height}, answer->strides[0], memories_of(image),
                         node.is_coded(role) ? answer->height : 0);
}

namespace {

using content::Picture;
using content::View;

class CaptureCheck {
public:
    CaptureCheck(const std::shared_ptr<Node>& node, std::span<const Buffer> buffers, std::uint32_t frames,
                 Deadline deadline, StillPicture& still)
        : node_(node),
          layout_(buffers.front().layout()),
          buffers_(buffers),
          frames_(frames),
          deadline_(deadline),
          still_(still),
          saved_(node, Role::capture),
          text_(node, find_control(*node, "OSD Text Mode").value_or(v4l2_queryctrl{}).id),
          pattern_(node, V4L2_CID_TEST_PATTERN)
    {}

    Result<Content> run()
    {
        if (const Status saved = saved_.save(); !saved)
            return saved.error();
        outlive();
        // A camera that refuses the buffers is not asked for a picture: one that needs
        // contiguous memory may be unable to get its own.
        if (auto filled = fill_queue(); !filled)
            return filled.error();
        if (still_ && still_->format() == layout_.format && still_->width() == layout_.width &&
            still_->height() == layout_.height) {
            hold_text();
            auto content = stream(&*still_);
            if (!content || content->result == Sameness::same)
                return content;
        }
        const Status found = find_still();
        if (!found)
            return without_picture(found.error());
        auto content = stream(still_ ? &*still_ : nullptr);
        if (!content || content->result != Sameness::different || !still_)
            return content;
        // Was it the picture that changed meanwhile?
        const auto again = own_frames(2);
        if (again && again->back() != *still_)
            return not_checked("its picture changes now and then, so nothing can be said of frames that differ");
        return content;
    }

private:
    /// Even when the program is killed, the camera stops, and formats and controls are as they
    /// were. A stream of somebody else does not suffer: its queue refuses to be stopped and
    /// set, and the controls are set to what they are.
    void outlive()
    {
        int type = node_->type(Role::capture);
        auto text = text_.value();
        auto pattern = pattern_.value();
        std::vector<os::Ioctl> first{{VIDIOC_STREAMOFF, &type}};
        if (text)
            first.push_back({VIDIOC_S_CTRL, &*text});
        if (pattern)
            first.push_back({VIDIOC_S_CTRL, &*pattern});
        saved_.outlive(to_v4l2(*node_, Role::capture, layout_), first);
    }

    static Result<Content> without_picture(const Error& error)
    {
        switch (error.category) {
        case Category::busy:
        case Category::out_of_memory:
        case Category::unsupported: return not_checked("there is no frame to compare with: " + error.message());
        default: return error;
        }
    }

    /// Frames in the driver's own memory.
    Result<std::vector<Picture>> own_frames(std::uint32_t count)
    {
        const auto layout = set_own_layout(*node_, Role::capture, layout_);
        if (!layout)
            return layout.error();
        constexpr std::uint32_t slots = 2;
        auto queue = OwnQueue::create(node_, Role::capture, slots);
        if (!queue)
            return queue.error();
        for (std::uint32_t i = 0; i < queue->slots(); ++i) {
            if (const Status queued = queue->queue(i); !queued)
                return queued.error();
        }
        if (const Status started = queue->start(); !started)
            return started.error();
        std::vector<Picture> pictures;
        while (pictures.size() < count) {
            const auto done = queue->dequeue(deadline_);
            if (!done)
                return done.error();
            if (const Status begun = queue->begin_access(done->slot); !begun)
                return begun.error();
            pictures.emplace_back(View{*layout, queue->memories(done->slot)});
            if (const Status ended = queue->end_access(done->slot); !ended)
                return ended.error();
            if (const Status queued = queue->queue(done->slot); !queued)
                return queued.error();
        }
        return pictures;
    }

    /// A picture that comes frame after frame, if need be with text and scene held still
    /// by the driver's controls; none for a camera that cannot be stilled.
    Status find_still()
    {
        still_.reset();
        for (const auto hold : {&CaptureCheck::hold_nothing, &CaptureCheck::hold_text, &CaptureCheck::hold_scene}) {
            if (!(this->*hold)())
                continue;
            // The first frame after a start is sometimes half of one.
            constexpr std::uint32_t enough = 3;
            auto pictures = own_frames(enough);
            if (!pictures)
                return pictures.error();
            if (pictures->back() == (*pictures)[enough - 2]) {
                still_ = std::move(pictures->back());
                return {};
            }
        }
        return {};
    }

    bool hold_nothing() { return true; }

    /// Drivers of test pictures write the time over them.
    bool hold_text()
    {
        const auto control = find_control(*node_, "OSD Text Mode");
        const auto none = control ? find_menu_item(*node_, *control, "None") : std::nullopt;
        return none && text_.set(*none);
    }

    /// Sensors have pictures of their own; item 0 is the scene.
    bool hold_scene()
    {
        v4l2_control control{V4L2_CID_TEST_PATTERN, 0};
        return node_->ioctl(VIDIOC_G_CTRL, &control) == 0 && control.value == 0 && pattern_.set(1);
    }

    /// Fills a buffer with its canary and gives it to the camera.
    Status send(Queue& queue, const Buffer& buffer, std::uint32_t frame)
    {
        auto access = buffer.write(deadline_);
        if (!access)
            return access.error();
        content::fill({layout_, buffer.state().bytes()}, content::canary(frame));
        if (Status ended = access->end(); !ended)
            return ended;
        canaries_[buffer.id()] = content::canary(frame);
        return queue.queue(buffer);
    }

    Status look(const Buffer& buffer, const Picture* expected, std::uint32_t frame, Content& content)
    {
        auto access = buffer.read(deadline_);
        if (!access)
            return access.error();
        const View view{layout_, buffer.state().bytes()};
        const std::byte canary = canaries_[buffer.id()];
        if (expected == nullptr) {
            look_for_canary(view, canary, frame, content);
        } else {
            const auto comparison = content::compare(*expected, view);
            const bool first = comparison.first && !content.first;
            content::add(content, frame, comparison);
            if (first) {
                const auto guess = content::guess(*expected, view, canary);
                content.cause = guess.cause;
                content.reason = guess.reason;
            }
        }
        return access->end();
    }

    /// All that can be said of a picture that moves: whether every row was written.
    void look_for_canary(const View& view, std::byte canary, std::uint32_t frame, Content& content)
    {
        ++content.frames;
        const FormatInfo* info = format_info(view.layout.format);
        for (std::uint32_t plane = 0; plane < view.layout.plane_count; ++plane) {
            for (std::uint32_t r = 0; r < plane_rows(*info, plane, view.layout.height); ++r) {
                const auto row = view.row(plane, r);
                if (!std::all_of(row.begin(), row.end(), [canary](std::byte byte) { return byte == canary; }))
                    continue;
                // A row of one colour may have the canary's value, but not two canaries'.
                if (++untouched_[{plane, r}] < 2)
                    continue;
                content.wrong_bytes += row.size();
                content.result = Sameness::different;
                content.cause = Cause::nothing_written;
                content.reason = text::format("row {} of plane {} is as it was before", r, plane);
                if (!content.first)
                    content.first = Difference{frame, plane, view.layout.planes[plane].memory,     r,
                                               0,     0,     std::to_integer<std::uint8_t>(canary)};
            }
        }
    }

    /// A queue that is ready to start, and the buffers that it did not get.
    struct Filled {
        Queue queue;
        std::deque<Buffer> waiting;
        std::uint32_t sent;
    };

    /// One buffer is always out of the queue, and comes in where another one goes out:
    /// then the driver lets go of that one, and the CPU may write into it. An access for
    /// writing is wrong for memory that a device has mapped for writing alone.
    Result<Filled> fill_queue()
    {
        const auto count = static_cast<std::uint32_t>(buffers_.size());
        auto queue = Device(node_).open_queue(Role::capture, layout_, std::max(count, 2U) - 1);
        if (!queue)
            return queue.error();
        Filled filled{std::move(*queue), {buffers_.begin(), buffers_.end()}, 0};
        while (filled.sent < std::min(filled.queue.slots(), std::max(count, 2U) - 1)) {
            if (const Status given = send(filled.queue, filled.waiting.front(), filled.sent); !given)
                return given.error();
            filled.waiting.pop_front();
            ++filled.sent;
        }
        return filled;
    }

    /// Streams into the buffers and compares; `expected` is nothing for a moving picture.
    Result<Content> stream(const Picture* expected)
    {
        // Before there are slots; the same format afterwards leaves it as it is.
        v4l2_format format = to_v4l2(*node_, Role::capture, layout_);
        if (node_->ioctl(VIDIOC_S_FMT, &format) == 0) {
            if (const Status whole = fill_whole_image(*node_, layout_); !whole)
                return not_checked(whole.error().message());
        }
        auto filled = fill_queue();
        if (!filled)
            return filled.error();
        auto& [queue, waiting, sent] = *filled;
        Content content;
        content.stage = expected != nullptr ? "a frame in the driver's own memory (V4L2_MEMORY_MMAP)"
                                            : "what stood in the buffers before";
        if (const Status started = queue.start(); !started)
            return started.error();
        for (std::uint32_t i = 0; i < frames_; ++i) {
            const auto frame = queue.dequeue(deadline_);
            if (!frame)
                return frame.error();
            if (const Status looked = look(frame->buffer, expected, i, content); !looked)
                return looked.error();
            waiting.push_back(frame->buffer);
            if (const Status given = send(queue, waiting.front(), sent); !given)
                return given.error();
            waiting.pop_front();
            ++sent;
        }
        if (expected != nullptr && content.result == Sameness::not_checked)
            content.result = Sameness::same;
        if (expected == nullptr && content.result == Sameness::not_checked)
            content.reason = "its picture moves and no control holds it still: every row of every frame was written, "
                             "and what was written was not compared";
        return content;
    }

    std::shared_ptr<Node> node_;
    Layout layout_;
    std::span<const Buffer> buffers_;
    std::uint32_t frames_;
    Deadline deadline_;
    StillPicture& still_;
    std::map<BufferId, std::byte> canaries_;
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> untouched_; ///< frames, by plane and row
    SavedFormat saved_;
    HeldControl text_;
    HeldControl pattern_;
};

} // namespace

Result<Content> verify_capture(const std::shared_ptr<Node>& node, std::span<const Buffer> buffers, std::uint32_t frames,
                               Deadline deadline, StillPicture& still)
{
    auto content = CaptureCheck(node, buffers, frames, deadline, still).run();
    if (!content && content.error().category == Category::busy)
        return not_checked("it is left alone: " + content.error().message());
    return content;
}

} // namespace commonbuf::v4l2
