// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>
#include <commonbuf/heap.hpp>
#include <commonbuf/layout.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>
#include <commonbuf/use.hpp>
#include <commonbuf/v4l2/colorimetry.hpp>
#include <commonbuf/v4l2/node_info.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace commonbuf::v4l2 {

class Node; // the library's own
class Queue;

/// One open V4L2 node.
///
/// A handle: copies share the descriptor. It is closed when the last copy, the last use and the
/// last queue are gone. Thread-safe. A handle that was moved from stays one of the copies.
class COMMONBUF_API Device {
public:
    // Without moves, which would leave a handle of nothing.
    Device(const Device&) noexcept = default;
    Device& operator=(const Device&) noexcept = default;

    /// Opens a node by its path ("/dev/video0") or by a name ("@vivid-000-vid-cap"): the
    /// kernel's name of the node, or, if no node has that, what its driver calls the card, the
    /// bus or itself (NodeInfo). The path may be any name of the node, such as a link: what the
    /// node is follows from its device number.
    ///
    /// Errors: not_present, permission_denied (with the group that may open it),
    /// invalid_argument (several nodes have the name; not a V4L2 node), busy.
    static Result<Device> open(std::string_view target);

    /// Uses a descriptor that the caller opened. Takes the descriptor, even if this fails.
    ///
    /// Errors: invalid_argument (not a V4L2 node), device_gone.
    static Result<Device> wrap(UniqueFd fd, std::string path);

    const NodeInfo& info() const noexcept;

    /// Returns the node's descriptor, borrowed; for VIDIOC_S_CTRL, poll() and the like.
    int fd() const noexcept;

    /// Returns the use in which frames come out of the device into the image.
    Use capture() const;

    /// Returns the use in which the device reads frames from the image.
    Use output() const;

    /// Returns the colorimetry of a queue's pictures (VIDIOC_G_FMT).
    ///
    /// Errors: unsupported (no such queue; metadata has no colours), device_gone.
    Result<Colorimetry> colorimetry(Role role) const;

    /// Sets the colorimetry of a queue's pictures and returns what the driver made of it: for an
    /// output queue what the pictures are, for a capture queue what they should be
    /// (V4L2_PIX_FMT_FLAG_SET_CSC; drivers that cannot convert ignore it).
    ///
    /// It holds for all queues that this Device and its copies open afterwards, and for their
    /// trials. An output queue without one keeps the colorimetry that it has.
    ///
    /// Errors: unsupported (no such queue; metadata has no colours), busy (the queue has slots),
    /// device_gone.
    Result<Colorimetry> set_colorimetry(Role role, const Colorimetry& wanted) const;

    /// Sets the format of a queue to a layout and makes `slots` buffer slots of
    /// V4L2_MEMORY_DMABUF. The driver may make more; Queue::slots() says how many there are.
    ///
    /// A driver that sends interlaced pictures field by field takes a layout of half the height:
    /// then each buffer holds one field (Queue::field(), Frame::field).
    ///
    /// Errors: busy (another file handle owns the queue, or another program tries formats on
    /// the node and does not end within 5 seconds), unsupported (no such queue, or the driver
    /// does not take this layout; the error has the driver's numbers), invalid_argument (more
    /// slots than the driver has: often 32, see VIDIOC_CREATE_BUFS), out_of_memory,
    /// too_many_files, device_gone.
    Result<Queue> open_queue(Role role, const Layout& layout, std::uint32_t slots) const;

    /// Does the same as open_queue() with slots in the driver's own memory (V4L2_MEMORY_MMAP), for
    /// drivers that import nothing. Queue::buffers() are dma-bufs over that memory
    /// (VIDIOC_EXPBUF): other devices can import them, but this queue takes no other buffers.
    ///
    /// Errors: those of open_queue(); unsupported (the driver has no such memory or does not
    /// export it).
    Result<Queue> open_own_queue(Role role, const Layout& layout, std::uint32_t slots) const;

    /// Returns the memory that the queue's driver allocates (V4L2_MEMORY_MMAP) as a heap like any
    /// other: its buffers are dma-bufs (VIDIOC_EXPBUF).
    ///
    /// Plans with this device's uses find the heap by themselves if no other heap serves, or if
    /// Preferences::prefer names it ("v4l2"). Null if the driver does not export its memory, or if
    /// the memory would not outlive its slot (no V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS, before
    /// Linux 4.20).
    ///
    /// Each allocation needs the queue for a moment (VIDIOC_CREATE_BUFS, EXPBUF, REQBUFS 0) and
    /// fails with `busy` if anybody has buffer slots there, including this program's own Queue.
    /// So allocate first, then open the queue. The format does not change. The memory goes into
    /// a Queue like any other; a device that imports nothing has open_own_queue(). The heap
    /// keeps the node open.
    std::shared_ptr<Heap> heap(Role role) const;

    explicit Device(std::shared_ptr<Node> node) noexcept : node_(std::move(node)) {}

private:
    friend class M2m;
    friend class MediaDevice;
    Result<Queue> open(Role role, const Layout& layout, std::uint32_t slots, bool own) const;
    std::shared_ptr<Node> node_;
};

/// One queue of a device, as a use stands for it.
struct UsedQueue {
    Device device;
    Role role = Role::capture;
};

/// Says which queue a use stands for; nothing for uses that come from no v4l2::Device.
COMMONBUF_API std::optional<UsedQueue> queue_of(const Use& use);

} // namespace commonbuf::v4l2
