// SPDX-License-Identifier: MIT
//
// Proof by content of a memory-to-memory device: the same pictures go through it twice, side by
// side, through two file handles of its own:
//
//     picture ──► driver's memory ──► [device] ──► driver's memory ──┐
//                                                                    compared
//     picture ──► ours or driver's ──► [device] ──► driver's or ours ┘
//
// What the device makes of a picture does not matter, as long as it makes the same.
#include "base/text.hpp"
#include "os/os.hpp"
#include "verify/compare.hpp"
#include "verify/controls.hpp"
#include "verify/look.hpp"
#include "verify/own_queue.hpp"
#include "verify/provers.hpp"

#include <commonbuf/v4l2/queue.hpp>

#include <algorithm>
#include <chrono>
#include <optional>
#include <vector>

namespace commonbuf::content {
namespace {

using v4l2::Role;

/// How both queues are set for the driver's own memory.
struct Formats {
    Layout output;
    Layout capture;
};

/// Opens the node again: a file handle has both queues to itself.
Result<v4l2::Device> open_again(const v4l2::Device& device)
{
    auto again = v4l2::Device::open(device.info().path);
    if (!again)
        return again;
    // A test driver pretends to work for 40 ms on each frame.
    if (const auto time = find_control(again->fd(), "Transaction Time (msec)")) {
        v4l2_control control{time->id, time->minimum};
        os::ioctl(again->fd(), VIDIOC_S_CTRL, &control);
    }
    return again;
}

/// Finds a picture that goes into the device when `image` comes out of it: the same format if it
/// takes that, or else the first that it takes in this size.
Result<Layout> input_for(const v4l2::Device& device, const Layout& image)
{
    for (const Memories memories : {memories_of(image), Memories::single, Memories::per_plane}) {
        const auto same = linear_layout({image.format, image.width, image.height}, image.planes[0].stride, memories);
        if (!same)
            continue;
        if (auto layout = own_layout(device, Role::output, *same))
            return layout;
    }
    for (const std::uint32_t fourcc : device.info().output_formats) {
        const Request request{Format::v4l2(fourcc), image.width, image.height};
        const auto support = device.output().importer().support(request);
        if (!support)
            continue;
        const Support::Entry& entry = (*support)->entries.front();
        if (auto layout = linear_layout(request, entry.constraints->min_stride, entry.memories))
            return own_layout(device, Role::output, *layout);
    }
    return Error::unsupported("find an input picture for " + device.info().path,
                              "what goes into this device is no picture that the library can draw");
}

/// What comes out when `input` goes in: the same image if the device makes that, or else its first
/// format, in the size of the picture.
Result<Layout> result_of(const v4l2::Device& device, const Layout& input)
{
    if (auto same = own_layout(device, Role::capture, input))
        return same;
    for (const std::uint32_t fourcc : device.info().capture_formats) {
        const Request request{Format::v4l2(fourcc), input.width, input.height};
        const auto support = device.capture().importer().support(request);
        if (!support)
            continue;
        const Support::Entry& entry = (*support)->entries.front();
        const Constraints& asked = *entry.constraints;
        return is_opaque(request.format) ? opaque_layout(request, asked.min_stride, asked.min_size)
                                         : linear_layout(request, asked.min_stride, entry.memories);
    }
    return Error::unsupported("find an output picture of " + device.info().path,
                              "the device has no format for pictures of this size");
}

Result<Formats> formats_for(const v4l2::Device& device, Role side, const Layout& image)
{
    auto output = side == Role::output ? own_layout(device, Role::output, image) : input_for(device, image);
    if (!output)
        return output.error();
    auto capture = side == Role::output ? result_of(device, image) : own_layout(device, Role::capture, image);
    if (!capture)
        return capture.error();
    return Formats{*output, *capture};
}

/// One stream: both queues of a file handle, with one slot each.
class Stage {
public:
    explicit Stage(const v4l2::Device& device) : device_(device) {}

    const v4l2::Device& device() const noexcept { return device_; }

    /// Opens both queues in the driver's own memory. With `ours`, `side` takes these buffers.
    Status open(const Formats& formats, Role side, std::span<const Buffer> ours)
    {
        for (const Role role : {Role::output, Role::capture}) {
            End& end = end_of(role);
            const bool is_ours = role == side && !ours.empty();
            // One slot: a buffer that comes in makes the driver let go of the one before, and the
            // CPU may write into that.
            auto queue = is_ours
                             ? device_.open_queue(role, ours.front().layout(), 1)
                             : device_.open_own_queue(role, role == Role::output ? formats.output : formats.capture, 1);
            if (!queue)
                return queue.error();
            end.buffers = is_ours ? std::vector<Buffer>(ours.begin(), ours.end()) : queue->buffers();
            if (end.buffers.empty())
                return Error::out_of_memory(Call{"VIDIOC_REQBUFS", device_.info().path}, "the driver made no slot");
            end.queue.emplace(std::move(*queue));
        }
        return {};
    }

    const Buffer& buffer(Role role, std::uint32_t frame) const
    {
        const End& end = role == Role::output ? output_ : capture_;
        // The driver may make more slots than it was asked for, and one is used.
        return end.queue->buffers().empty() ? end.buffers[frame % end.buffers.size()] : end.buffers.front();
    }

    /// Gives the device a picture and room for what it makes of it.
    Status send(std::uint32_t frame, Deadline deadline)
    {
        Status done = look(buffer(Role::output, frame), Access::write, deadline, [frame](const View& view) {
            // Encoders read whole blocks, beyond the picture's edges.
            fill(view, std::byte{0});
            draw(view, frame);
        });
        if (done)
            done = look(buffer(Role::capture, frame), Access::write, deadline,
                        [frame](const View& view) { fill(view, canary(frame)); });
        for (const Role role : {Role::output, Role::capture}) {
            if (done)
                done = end_of(role).queue->queue(buffer(role, frame));
        }
        for (const Role role : {Role::output, Role::capture}) {
            if (done && frame == 0)
                done = end_of(role).queue->start();
        }
        return done;
    }

    /// Waits until the device is done with both; how many bytes it made.
    Result<std::uint32_t> receive(Deadline deadline)
    {
        const auto made = capture_.queue->dequeue(deadline);
        if (!made)
            return made.error();
        if (const auto taken = output_.queue->dequeue(deadline); !taken)
            return taken.error();
        return made->bytes_used[0];
    }

private:
    struct End {
        std::vector<Buffer> buffers;
        std::optional<v4l2::Queue> queue;
    };

    End& end_of(Role role) noexcept { return role == Role::output ? output_ : capture_; }

    v4l2::Device device_;
    End output_;
    End capture_;
};

class Comparer {
public:
    Comparer(Stage& reference, Stage& tested, Role side, Deadline deadline)
        : reference_(reference),
          tested_(tested),
          side_(side),
          deadline_(deadline)
    {}

    Status frame(std::uint32_t frame, Content& content)
    {
        for (Stage* stage : {&reference_, &tested_}) {
            if (Status sent = stage->send(frame, deadline_); !sent)
                return sent;
        }
        const auto expected_bytes = reference_.receive(std::min(deadline_, deadline_in(patience)));
        if (!expected_bytes) {
            reference_failed_ = true;
            return expected_bytes.error();
        }
        const auto found_bytes = tested_.receive(deadline_);
        if (!found_bytes)
            return found_bytes.error();
        const bool compressed = is_opaque(tested_.buffer(Role::capture, frame).layout().format);
        return compressed ? compare_bytes(frame, *expected_bytes, *found_bytes, content)
                          : compare_pictures(frame, content);
    }

    /// Whether the device failed with its own memory too.
    bool reference_failed() const noexcept { return reference_failed_; }

private:
    // Coders that want many frames before they give one are not waited for.
    static constexpr std::chrono::seconds patience{5};

    Status compare_bytes(std::uint32_t frame, std::size_t expected, std::size_t found, Content& content)
    {
        const auto bytes_of = [](const View& view, std::size_t count) {
            return view.memories[0].first(std::min(count, view.memories[0].size()));
        };
        std::vector<std::byte> copy;
        Status looked = look(reference_.buffer(Role::capture, frame), Access::read, deadline_, [&](const View& view) {
            const auto bytes = bytes_of(view, expected);
            copy.assign(bytes.begin(), bytes.end());
        });
        if (!looked)
            return looked;
        return look(tested_.buffer(Role::capture, frame), Access::read, deadline_, [&](const View& view) {
            const auto comparison = compare(copy, bytes_of(view, found));
            if (comparison.first && !content.first)
                note(content, {Cause::unknown, text::format("what the device made has {} bytes, and {} from its own "
                                                            "memory",
                                                            found, expected)});
            add(content, frame, comparison);
        });
    }

    Status compare_pictures(std::uint32_t frame, Content& content)
    {
        const auto expected = take_picture(reference_.buffer(Role::capture, frame), deadline_);
        if (!expected)
            return expected.error();
        const bool first = !content.first;
        std::optional<Picture> seen;
        Status looked = look(tested_.buffer(Role::capture, frame), Access::read, deadline_, [&](const View& view) {
            add(content, frame, *expected, view, canary(frame));
            if (first && content.first && side_ == Role::output)
                seen = Picture(view);
        });
        if (!looked || !seen)
            return looked;
        // What came out says what was read, if the device leaves pictures as they are.
        return look(tested_.buffer(Role::output, frame), Access::read, deadline_, [&](const View& view) {
            note(content, seen->format() == view.layout.format ? guess(*seen, view, std::nullopt) : Guess{});
        });
    }

    Stage& reference_;
    Stage& tested_;
    Role side_;
    Deadline deadline_;
    bool reference_failed_ = false;
};

} // namespace

Result<Content> verify_m2m(const v4l2::UsedQueue& queue, const Stream& stream)
{
    auto first = open_again(queue.device);
    auto second = open_again(queue.device);
    if (!first || !second)
        return not_checked("it cannot be opened a second time: " + (first ? second : first).error().message());
    Stage reference(*first);
    Stage tested(*second);
    const auto formats = formats_for(reference.device(), queue.role, stream.layout());
    if (!formats)
        return not_checked("the same work cannot be done in its own memory: " + formats.error().message());
    if (const Status opened = reference.open(*formats, queue.role, {}); !opened)
        return not_checked("the same work cannot be done in its own memory: " + opened.error().message());
    if (const Status opened = tested.open(*formats, queue.role, stream.buffers); !opened)
        return opened.error();

    Content content{.stage = queue.role == Role::capture
                                 ? "the same picture in the driver's own memory (V4L2_MEMORY_MMAP)"
                                 : "what it makes of the same picture in the driver's own memory"};
    Comparer comparer(reference, tested, queue.role, stream.deadline);
    for (std::uint32_t i = 0; i < stream.frames; ++i) {
        const Status done = comparer.frame(i, content);
        if (!done && comparer.reference_failed())
            return not_checked("it does not do one frame after the other in its own memory: " + done.error().message());
        if (!done)
            return done.error();
    }
    return finished(std::move(content));
}

} // namespace commonbuf::content
