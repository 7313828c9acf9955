// SPDX-License-Identifier: MIT
#pragma once

#include "os/os.hpp"

#include <commonbuf/result.hpp>
#include <commonbuf/v4l2/colorimetry.hpp>
#include <commonbuf/v4l2/node_info.hpp>

#include <linux/videodev2.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace commonbuf::v4l2 {

/// An open node: what it is, and its calls.
class Node {
public:
    /// Asks the node what it is. Errors: invalid_argument (not a V4L2 node), device_gone, and what
    /// else the driver answers: a node that cannot say its formats is not one without formats.
    static Result<std::shared_ptr<Node>> create(UniqueFd fd, std::string path);

    int fd() const noexcept { return fd_.get(); }
    const NodeInfo& info() const noexcept { return info_; }
    bool has(Role role) const noexcept { return role == Role::capture ? info_.capture : info_.output; }

    /// Its folder in sysfs, for example "/sys/dev/char/81:0".
    const std::string& sysfs() const noexcept { return sysfs_; }

    /// The kernel's name of the node, for example "video0", whatever its path is.
    const std::string& kernel_name() const noexcept { return kernel_name_; }

    /// The type of a queue's buffers: its single-planar API, its multi-planar API, or metadata if
    /// it has nothing else.
    v4l2_buf_type type(Role role) const noexcept { return role == Role::capture ? types_.capture : types_.output; }

    /// Whether a queue's buffers are described plane by plane: the multi-planar API.
    bool is_planar(Role role) const noexcept { return V4L2_TYPE_IS_MULTIPLANAR(type(role)); }

    /// Whether a queue carries metadata, which has no pixels.
    bool is_metadata(Role role) const noexcept;

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

    /// The colorimetry that the caller wants; nothing if that is the driver's business.
    std::optional<Colorimetry> wanted_colorimetry(Role role) const;
    void want_colorimetry(Role role, const Colorimetry& wanted) const;

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
    struct Types {
        v4l2_buf_type capture;
        v4l2_buf_type output;
    };
    static Types types_of(std::uint32_t capabilities) noexcept;

    Node(UniqueFd fd, NodeInfo info, Types types, std::string sysfs);

    UniqueFd fd_;
    NodeInfo info_;
    Types types_;
    std::string sysfs_;
    std::string kernel_name_;
    mutable std::mutex slots_;
    mutable std::mutex mutex_; ///< for what follows
    mutable std::deque<os::FileId> exports_;
    mutable std::optional<Colorimetry> capture_colorimetry_;
    mutable std::optional<Colorimetry> output_colorimetry_;
};

/// A video node of this machine that is not open yet.
struct NodePlace {
    std::string path;  ///< in /dev
    std::string sysfs; ///< its folder there
    std::string name;  ///< for example "vivid-000-vid-cap"; empty if it has none

    /// Opens it. Errors: those of open(2), not_present (another device has its name in /dev).
    Result<UniqueFd> open() const;
};

/// The video nodes in the order of their numbers; without radio, VBI and sub-devices.
std::vector<NodePlace> node_places();

} // namespace commonbuf::v4l2
