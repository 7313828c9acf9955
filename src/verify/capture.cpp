// SPDX-License-Identifier: MIT
//
// Proof by content of a camera. Nobody knows what it should see, but a camera with a still picture
// must see in our memory what it sees in its own.
#include "base/text.hpp"
#include "os/os.hpp"
#include "os/v4l2_format.hpp"
#include "verify/compare.hpp"
#include "verify/controls.hpp"
#include "verify/look.hpp"
#include "verify/own_queue.hpp"
#include "verify/provers.hpp"

#include <commonbuf/v4l2/queue.hpp>

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace commonbuf::content {
namespace {

/// A picture that stands still; of an interlaced source one for each field (V4L2_FIELD_...), whose
/// rows differ.
using Stills = std::map<std::uint32_t, Picture>;

/// The last picture that each camera gave frame after frame in its own memory. Kept between calls:
/// frames that equal it need no new one, and a small region has no room for the driver's buffers
/// beside ours.
class StillPictures {
public:
    /// Returns none if it is not known.
    Stills find(const std::string& camera, const Layout& layout)
    {
        const std::lock_guard lock(mutex_);
        const auto found = pictures_.find(camera);
        const bool fits = found != pictures_.end() && std::ranges::all_of(found->second, [&](const auto& each) {
                              return each.second.fits(layout);
                          });
        return fits ? found->second : Stills();
    }

    void keep(const std::string& camera, const Stills& pictures)
    {
        const std::lock_guard lock(mutex_);
        pictures_.insert_or_assign(camera, pictures);
    }

private:
    std::mutex mutex_;
    std::map<std::string, Stills> pictures_;
};

StillPictures& still_pictures()
{
    static StillPictures pictures;
    return pictures;
}

class CaptureCheck {
public:
    CaptureCheck(const v4l2::Device& camera, const std::string& identity, const Stream& stream)
        : camera_(camera),
          identity_(identity),
          asked_(stream),
          saved_(camera_.fd(), type(), true),
          text_(camera_.fd(), find_control(camera_.fd(), "OSD Text Mode").value_or(v4l2_queryctrl{}).id),
          pattern_(camera_.fd(), V4L2_CID_TEST_PATTERN)
    {}

    Result<Content> run()
    {
        if (const Status saved = saved_.save(camera_.info().path); !saved)
            return saved.error();
        outlive();
        // A camera that refuses the buffers is not asked for a picture: one that needs contiguous
        // memory may be unable to get its own.
        if (auto filled = fill_queue(); !filled)
            return filled.error();
        const Stills known = still_pictures().find(identity_, asked_.layout());
        Result<Content> content = not_checked({});
        still_ = known;
        if (!still_.empty()) {
            hold_text();
            content = stream();
            if (!content || content->result == Sameness::same)
                return content;
        }
        if (const Status found = find_still(); !found)
            return without_picture(found.error());
        // The same picture as before: then it is the buffers that are different.
        if (still_.empty() || still_ != known)
            content = stream();
        return unless_it_changes(std::move(content));
    }

private:
    /// Was it the picture that changed meanwhile? It is looked at for as long as the buffers were.
    Result<Content> unless_it_changes(Result<Content> content)
    {
        if (!content || content->result != Sameness::different || still_.empty())
            return content;
        const auto again = own_frames(std::max(asked_.frames, 2U) + 1);
        if (!again)
            return not_checked("frames differ, and the device's own could not be looked at once more: " +
                               again.error().message());
        // The first may be of the time before it started.
        if (!std::all_of(again->shown.begin() + static_cast<std::ptrdiff_t>(again->parts), again->shown.end(),
                         [&](const Shown& frame) { return is_still(frame); }))
            return not_checked("its picture changes now and then, so nothing can be said of frames that differ");
        return content;
    }

    v4l2_buf_type type() const noexcept
    {
        return camera_.info().multiplanar ? V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE : V4L2_BUF_TYPE_VIDEO_CAPTURE;
    }

    /// Even if the program is killed, the camera stops, and formats and controls are as they were.
    /// Somebody else's stream does not suffer: its queue refuses to be stopped and set, and the
    /// controls are set to what they are.
    void outlive()
    {
        int streamed = type();
        auto text = text_.value();
        auto pattern = pattern_.value();
        std::vector<os::Ioctl> first{{VIDIOC_STREAMOFF, &streamed}};
        if (text)
            first.push_back({VIDIOC_S_CTRL, &*text});
        if (pattern)
            first.push_back({VIDIOC_S_CTRL, &*pattern});
        saved_.outlive(first);
    }

    static Result<Content> without_picture(const Error& error)
    {
        if (error.category != Category::busy && error.category != Category::out_of_memory &&
            error.category != Category::unsupported)
            return error;
        return not_checked("there is no frame to compare with: " + error.message());
    }

    /// Opens a queue that fills the whole image, even if it was told to fill only a part of it.
    /// Drivers take that while there are no slots, so the queue is opened again afterwards.
    ///
    /// Errors: those of `open`. A part that stays one is noted in `partial_`.
    template <typename Open>
    Result<v4l2::Queue> open_whole(Open open)
    {
        const Layout& image = asked_.layout();
        const auto note_part = [&](const v4l2::Queue& queue) {
            const auto filled = queue.selection(V4L2_SEL_TGT_COMPOSE);
            const bool whole = !filled || (filled->left <= 0 && filled->top <= 0 && filled->width >= image.width &&
                                           filled->height >= image.height);
            partial_ = whole ? std::string()
                             : text::format("it fills {}x{} pixels of {}x{} and leaves the others as they are",
                                            filled->width, filled->height, image.width, image.height);
        };
        Result<v4l2::Queue> queue = open();
        if (queue)
            note_part(*queue);
        if (!queue || partial_.empty())
            return queue;
        queue = Error::invalid_state("open a queue", "it is opened again"); // frees its slots
        v4l2_selection selection{.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,       // with either API
                                 .target = V4L2_SEL_TGT_COMPOSE,
                                 .r = {0, 0, image.width, image.height}};
        os::ioctl(camera_.fd(), VIDIOC_S_SELECTION, &selection);
        queue = open();
        if (queue)
            note_part(*queue);
        return queue;
    }

    /// What a frame showed.
    struct Shown {
        std::uint32_t field;
        Picture picture;
    };

    struct OwnFrames {
        std::size_t parts = 1; ///< 2 if each frame is only one field
        std::vector<Shown> shown{};
    };

    bool is_still(const Shown& frame) const
    {
        const auto still = still_.find(frame.field);
        return still != still_.end() && still->second == frame.picture;
    }

    /// So many frames in the driver's own memory; of each field, if each is only one.
    Result<OwnFrames> own_frames(std::uint32_t count)
    {
        const auto layout = own_layout(camera_, v4l2::Role::capture, asked_.layout());
        if (!layout)
            return layout.error();
        constexpr std::uint32_t slots = 2;
        auto queue = open_whole([&] { return camera_.open_own_queue(v4l2::Role::capture, *layout, slots); });
        if (!queue)
            return queue.error();
        if (!partial_.empty())
            return Error::unsupported(Call{"VIDIOC_S_SELECTION", camera_.info().path}, partial_);
        for (const Buffer& buffer : queue->buffers()) {
            if (const Status queued = queue->queue(buffer); !queued)
                return queued.error();
        }
        if (const Status started = queue->start(); !started)
            return started.error();
        OwnFrames frames{.parts = period_of(queue->field())};
        // A slow machine loses fields, and now and then always those of one kind.
        constexpr std::size_t patience = 8;
        std::map<std::uint32_t, std::uint32_t> seen;
        const auto is_enough = [&] {
            return seen.size() == frames.parts &&
                   std::ranges::all_of(seen, [count](const auto& part) { return part.second >= count; });
        };
        while (!is_enough() && frames.shown.size() < patience * count * frames.parts) {
            const auto frame = queue->dequeue(asked_.deadline);
            if (!frame)
                return frame.error();
            auto picture = take_picture(frame->buffer, asked_.deadline);
            if (!picture)
                return picture.error();
            frames.shown.push_back({part_of(*queue, *frame), std::move(*picture)});
            ++seen[frames.shown.back().field];
            if (const Status queued = queue->queue(frame->buffer); !queued)
                return queued.error();
        }
        return frames;
    }

    /// Which part of the picture a frame is: its field, or 0 for all of it.
    static std::uint32_t part_of(const v4l2::Queue& queue, const v4l2::Frame& frame) noexcept
    {
        return period_of(queue.field()) > 1 ? frame.field : 0;
    }

    /// After how many frames the same part of the picture comes again.
    static std::uint32_t period_of(std::uint32_t field) noexcept { return field == V4L2_FIELD_ALTERNATE ? 2 : 1; }

    /// Finds a picture that comes frame after frame, if need be with text and scene held still by
    /// the driver's controls. A camera that cannot be stilled has none.
    Status find_still()
    {
        still_.clear();
        for (const auto hold : {&CaptureCheck::hold_nothing, &CaptureCheck::hold_text, &CaptureCheck::hold_scene}) {
            if (!(this->*hold)())
                continue;
            // The first frame after a start is sometimes half of one.
            constexpr std::uint32_t enough = 3;
            const auto frames = own_frames(enough);
            if (!frames)
                return frames.error();
            // The last two of each part, since a busy machine may have lost one between them.
            Stills last;
            for (const Shown& frame : frames->shown) {
                const auto [before, is_new] = last.try_emplace(frame.field, frame.picture);
                if (!is_new && before->second == frame.picture)
                    still_.insert_or_assign(frame.field, frame.picture);
                else
                    still_.erase(frame.field);
                before->second = frame.picture;
            }
            if (still_.size() == frames->parts) {
                still_pictures().keep(identity_, still_);
                return {};
            }
            still_.clear();
        }
        return {};
    }

    bool hold_nothing() { return true; }

    /// Drivers of test pictures write the time over them.
    bool hold_text()
    {
        const auto control = find_control(camera_.fd(), "OSD Text Mode");
        const auto none = control ? find_menu_item(camera_.fd(), *control, "None") : std::nullopt;
        return none && text_.set(*none);
    }

    /// Sensors have pictures of their own; item 0 is the scene.
    bool hold_scene()
    {
        const auto now = pattern_.value();
        return now && now->value == 0 && pattern_.set(1);
    }

    /// Says all that can be said of a picture that moves: whether every row was written.
    void look_for_canary(const View& view, std::byte before, std::uint32_t frame, Content& content)
    {
        ++content.frames;
        const FormatInfo* info = format_info(view.layout.format);
        for (std::uint32_t plane = 0; plane < view.layout.plane_count; ++plane) {
            for (std::uint32_t r = 0; r < plane_rows(*info, plane, view.layout.height); ++r) {
                const auto row = view.row(plane, r);
                if (!std::all_of(row.begin(), row.end(), [before](std::byte byte) { return byte == before; }))
                    continue;
                // A row of one colour may have the canary's value, but not two canaries'.
                if (++untouched_[{plane, r}] < 2)
                    continue;
                content.wrong_bytes += row.size();
                content.result = Sameness::different;
                note(content,
                     {Cause::nothing_written, text::format("row {} of plane {} is as it was before", r, plane)});
                if (!content.first)
                    content.first = Difference{frame, plane, view.layout.planes[plane].memory,     r,
                                               0,     0,     std::to_integer<std::uint8_t>(before)};
            }
        }
    }

    /// A queue that is ready to start, and the buffers that it did not get.
    struct Filled {
        v4l2::Queue queue;
        std::deque<Buffer> waiting;
        std::uint32_t sent;
    };

    /// Fills the next buffer with its canary and gives it to the camera.
    Status send(Filled& filled)
    {
        const Buffer buffer = filled.waiting.front();
        filled.waiting.pop_front();
        const std::byte before = canary(filled.sent++);
        canaries_[buffer.id()] = before;
        Status done = look(buffer, Access::write, asked_.deadline, [&](const View& view) { fill(view, before); });
        return done ? filled.queue.queue(buffer) : done;
    }

    /// One buffer is always out of the queue, and goes in when another one comes out: then the
    /// driver lets go of that one, and the CPU may write into it. While a device has memory mapped
    /// only for writing, the CPU must not begin an access for writing.
    Result<Filled> fill_queue()
    {
        const auto slots = static_cast<std::uint32_t>(std::max<std::size_t>(asked_.buffers.size(), 2)) - 1;
        auto queue = open_whole([&] { return camera_.open_queue(v4l2::Role::capture, asked_.layout(), slots); });
        if (!queue)
            return queue.error();
        Filled filled{std::move(*queue), {asked_.buffers.begin(), asked_.buffers.end()}, 0};
        while (filled.sent < std::min(filled.queue.slots(), slots)) {
            if (const Status given = send(filled); !given)
                return given.error();
        }
        return filled;
    }

    /// Streams into the buffers and compares with the still picture, if there is one.
    Result<Content> stream()
    {
        auto filled = fill_queue();
        if (!filled)
            return filled.error();
        if (!partial_.empty())
            return not_checked(partial_);
        Content content{.stage = !still_.empty() ? "a frame in the driver's own memory (V4L2_MEMORY_MMAP)"
                                                 : "what stood in the buffers before"};
        if (const Status started = filled->queue.start(); !started)
            return started.error();
        for (std::uint32_t i = 0; i < asked_.frames; ++i) {
            const auto frame = filled->queue.dequeue(asked_.deadline);
            if (!frame)
                return frame.error();
            const std::byte before = canaries_[frame->buffer.id()];
            const Status looked = look(frame->buffer, Access::read, asked_.deadline, [&](const View& view) {
                if (const auto still = still_.find(part_of(filled->queue, *frame)); still != still_.end())
                    add(content, i, still->second, view, before);
                else if (still_.empty())
                    look_for_canary(view, before, i, content);
            });
            if (!looked)
                return looked.error();
            filled->waiting.push_back(frame->buffer);
            if (const Status given = send(*filled); !given)
                return given.error();
        }
        if (!still_.empty())
            return finished(std::move(content));
        if (content.result == Sameness::not_checked)
            content.reason = "its picture moves and no control holds it still: every row of every frame was written, "
                             "and what was written was not compared";
        return content;
    }

    v4l2::Device camera_;
    const std::string& identity_;
    const Stream& asked_;
    Stills still_;        ///< none if the picture moves
    std::string partial_; ///< which part of the image the camera fills; empty if it fills all
    std::map<BufferId, std::byte> canaries_;
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> untouched_; ///< frames, by plane and row
    os::SavedFormat saved_;
    HeldControl text_;
    HeldControl pattern_;
};

} // namespace

Result<Content> verify_capture(const v4l2::Device& camera, const std::string& identity, const Stream& stream)
{
    auto content = CaptureCheck(camera, identity, stream).run();
    if (!content && content.error().category == Category::busy)
        return not_checked("it is left alone: " + content.error().message());
    return content;
}

} // namespace commonbuf::content
