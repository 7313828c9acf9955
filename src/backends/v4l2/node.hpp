// SPDX-License-Identifier: MIT
#pragma once

#include "os/os.hpp"

#include <commonbuf/result.hpp>
#include <commonbuf/v4l2/node_info.hpp>

#include <linux/videodev2.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace commonbuf::v4l2 {

/// An open node: what it is, and its calls.
class Node {
public:
    /// Asks the node what it is. Errors: invalid_argument (not a V4L2 node), device_gone.
    static Result<std::shared_ptr<Node>> create(UniqueFd fd, std::string path);

    int fd() const noexcept { return fd_.get(); }
    const NodeInfo& info() const noexcept { return info_; }
    bool has(Role role) const noexcept { return role == Role::capture ? info_.capture : info_.output; }

    /// The type of a queue's buffers: its metadata, its single-planar or its multi-planar API.
    v4l2_buf_type type(Role role) const noexcept;

    /// Whether a queue's buffers are described plane by plane: the multi-planar API.
    bool is_planar() const noexcept { return info_.multiplanar && !info_.metadata; }

    const std::vector<std::uint32_t>& formats(Role role) const noexcept
    {
        return role == Role::capture ? info_.capture_formats : info_.output_formats;
    }

    /// Whether a queue holds the raw pictures of a codec. Their size is the coded one: rows and
    /// columns are padded to whole blocks, and which part is visible is said elsewhere.
    bool is_coded(Role role) const noexcept { return role == Role::output ? info_.encodes : info_.decodes; }

    /// Whether a queue holds the compressed frames of a codec. Only their maximum number of bytes
    /// counts; their size in pixels is padded to whole blocks too.
    bool is_compressed(Role role) const noexcept { return role == Role::output ? info_.decodes : info_.encodes; }

    /// The key under which verdicts on a queue are remembered.
    std::string identity(Role role) const;

    /// Hold this to make or free slots: the kernel lets every user of a file free those of the
    /// others.
    std::mutex& slots() const noexcept { return slots_; }

    /// The dma-bufs of the driver's own memory that were recently made through this node.
    void note_export(const os::FileId& memory) const;
    bool has_exported(const os::FileId& memory) const;

    /// A call on this node, for errors: {"VIDIOC_S_FMT", "/dev/video0"}.
    Call where(std::string_view call) const { return {call, info_.path}; }

    /// The error of a call on this node, with the category and the advice that its errno has for V4L2.
    Error failed(int error, std::string_view call) const;

    /// An operation of this library on this node in words, for errors: "open a queue".
    Tried trying(std::string words) const;

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

/// The paths of the video nodes in the order of their numbers; without radio, VBI and sub-devices.
std::vector<std::string> node_paths();

/// The name of a node in sysfs, for example "vivid-000-vid-cap"; empty if it has none.
std::string node_name(std::string_view path);

} // namespace commonbuf::v4l2
