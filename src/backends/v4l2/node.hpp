// SPDX-License-Identifier: MIT
#pragma once

#include "os/os.hpp"

#include <commonbuf/layout.hpp>
#include <commonbuf/v4l2/v4l2.hpp>

#include <linux/videodev2.h>

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace commonbuf::v4l2 {

/// An open node, and its format calls without the difference between the single-
/// and the multi-planar API.
class Node {
public:
    /// Asks the node what it is. Errors: invalid_argument (not a V4L2 node), device_lost.
    static Result<std::shared_ptr<Node>> create(UniqueFd fd, std::string path);

    int fd() const noexcept { return fd_.get(); }
    const NodeInfo& info() const noexcept { return info_; }
    bool has(Role role) const noexcept { return role == Role::capture ? info_.capture : info_.output; }
    v4l2_buf_type type(Role role) const noexcept;
    const std::vector<std::uint32_t>& formats(Role role) const noexcept
    {
        return role == Role::capture ? info_.capture_formats : info_.output_formats;
    }

    /// Whether a queue holds raw pictures of a codec, whose size is the coded one: rows and
    /// columns are padded to whole blocks, and what is seen of it is a matter apart.
    bool is_coded(Role role) const noexcept { return role == Role::output ? info_.encodes : info_.decodes; }

    /// Whether a queue holds the frames that a codec compresses to: how many bytes they have
    /// at most is all that counts, and their size is padded to whole blocks as well.
    bool is_compressed(Role role) const noexcept { return role == Role::output ? info_.decodes : info_.encodes; }

    /// What verdicts on a queue are remembered under.
    std::string identity(Role role) const;

    /// To be held by who makes or frees slots: the kernel lets every user of a file free those
    /// of the others.
    std::mutex& slots() const noexcept { return slots_; }

    /// The dma-bufs of the driver's own memory that were made through this node lately.
    void note_export(const os::FileId& memory) const;
    bool has_exported(const os::FileId& memory) const;

    /// "VIDIOC_S_FMT on /dev/video0".
    Call where(std::string_view call) const;

    /// 0 or a positive errno value; EINTR is retried.
    int ioctl(unsigned long request, void* argument) const noexcept { return os::ioctl(fd_.get(), request, argument); }

private:
    Node(UniqueFd fd, NodeInfo info) : fd_(std::move(fd)), info_(std::move(info)) {}

    UniqueFd fd_;
    NodeInfo info_;
    mutable std::mutex slots_;
    mutable std::mutex exports_mutex_;
    mutable std::deque<os::FileId> exports_;
};

/// The V4L2 name of a format in an arrangement of memories; 0 for none. An opaque format
/// is its own, in one memory.
std::uint32_t pixel_format(Format format, Memories memories) noexcept;

/// How a layout with several planes lies in memory.
Memories memories_of(const Layout& layout) noexcept;

/// A layout as the driver sees it. A stride of 0 asks the driver for its own.
v4l2_format to_v4l2(const Node& node, Role role, const Layout& layout);

/// What a driver answered to a format, for either API.
struct Answer {
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    std::uint32_t fourcc = 0;
    std::uint32_t field = 0;
    std::uint32_t memory_count = 0;
    std::array<std::uint32_t, max_planes> strides{};
    std::array<std::uint32_t, max_planes> sizes{};
};
Answer from_v4l2(const v4l2_format& format) noexcept;

/// Whether a driver's answer is the layout that it was asked for, its sizes apart.
/// Errors: unsupported, with both numbers.
Status same_image(const Node& node, Role role, const Layout& layout, const Answer& answer, std::string_view call);

/// The rows of the first plane, padding included.
std::uint32_t padded_rows(const Layout& layout) noexcept;

/// Sets a queue to a layout: the format, and for an encoder which part of it is picture.
/// Errors: what the driver says, unsupported (it makes something else of it).
Result<Answer> set_format(const Node& node, Role role, const Layout& layout);

/// Which sizes a node has in a format, as advice: "use 640x360, 1280x720"; empty where it
/// does not say (VIDIOC_ENUM_FRAMESIZES).
std::string sizes_advice(const Node& node, std::uint32_t fourcc);

/// The advice and category for an errno of S_FMT, REQBUFS and their like.
Error format_failure(const Node& node, int error, std::string_view call);

/// A buffer description for QBUF and its like. `planes` is the space that the
/// multi-planar API needs; it must outlive the call of the ioctl.
using Planes = std::array<v4l2_plane, max_planes>;
v4l2_buffer describe(const Node& node, Role role, std::uint32_t index, const Layout& layout, std::span<const int> fds,
                     std::span<const std::uint64_t> sizes, Planes& planes);

/// Whether a queue's buffers are described plane by plane: the multi-planar API.
bool is_planar(const Node& node, Role role) noexcept;

/// Adds what goes along with a buffer to its description. `sizes` are what the driver asked for:
/// the kernel counts by them, however large the memories are.
/// Errors: invalid_argument, unsupported; see Queue::queue().
Status add(const Payload& payload, const Node& node, Role role, std::span<const std::uint64_t> sizes,
           v4l2_buffer& buffer, Planes& planes);

/// The rectangles of a queue; see Queue::selection().
Result<Rectangle> get_selection(const Node& node, Role role, std::uint32_t target);
Result<Rectangle> set_selection(const Node& node, Role role, std::uint32_t target, const Rectangle& wanted,
                                std::uint32_t flags);

/// Whether a queue can be opened at all: the role, the layout, the count.
Status check_opening(const Node& node, Role role, const Layout& layout, std::uint32_t slots);

/// Gives `count` slots of V4L2_MEMORY_DMABUF, or frees all with 0; the count that the
/// driver made stands in `count` afterwards. 0 or a positive errno value.
int request_slots(const Node& node, Role role, std::uint32_t& count) noexcept;

/// The same of V4L2_MEMORY_MMAP.
int request_own_slots(const Node& node, Role role, std::uint32_t& count) noexcept;

/// Whether a queue has slots on this very file, perhaps without streaming: the kernel would
/// let us free them.
bool has_slots(const Node& node, Role role) noexcept;

/// What kinds of buffers a queue has: V4L2_BUF_CAP_*. 0 where the kernel does not say
/// (VIDIOC_CREATE_BUFS of none; before Linux 4.20). Nothing is made.
std::uint32_t buffer_capabilities(const Node& node, Role role) noexcept;

/// A dma-buf of a slot's memory, of the driver's own. Errors: unsupported (it exports none).
Result<UniqueFd> export_memory(const Node& node, Role role, std::uint32_t slot, std::uint32_t memory);

/// The name of a queue as a heap: "v4l2-video0-capture".
std::string heap_name(const Node& node, Role role);

/// The queue as a heap; null where its memory cannot be given out.
std::shared_ptr<Heap> make_heap(const std::shared_ptr<Node>& node, Role role);

/// Trial imports into a queue; it has its format back when the trial goes.
Result<std::unique_ptr<Trial>> begin_trial(const std::shared_ptr<Node>& node, Role role, const Layout& layout);

/// The use of a queue.
Use make_use(std::shared_ptr<Node> node, Role role);

} // namespace commonbuf::v4l2
