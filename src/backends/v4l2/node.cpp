// SPDX-License-Identifier: MIT
#include "backends/v4l2/node.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>

namespace commonbuf::v4l2 {
namespace {

const std::string sysfs = "/sys/class/video4linux/";

// What an errno means in V4L2, if it means more than elsewhere. The sources are the kernel's
// Documentation/userspace-api/media/v4l/vidioc-*.rst, and videobuf2 for EIO: after
// vb2_queue_error() every call on a queue answers EIO until the queue is stopped.
struct Meaning {
    std::string_view call; ///< empty for every call
    int error;
    Category category;
    const char* detail;
    const char* advice;
};

constexpr const char* restart = "the signal is gone or changed: stop, queue the buffers again, start";

constexpr std::array meanings{
    Meaning{"VIDIOC_STREAMON", EPIPE, Category::invalid_state, "the media pipeline is not configured like the queue",
            "give its pads the queue's format and size, and enable its links (media-ctl --print-topology shows both)"},
    Meaning{"VIDIOC_STREAMON", ENOLINK, Category::invalid_state, "a link of the media pipeline is not enabled",
            "enable the links up to this node (media-ctl --print-topology shows them)"},
    Meaning{"VIDIOC_STREAMON", ENOSPC, Category::no_bandwidth, "the bus cannot carry this stream beside the others",
            "for a USB camera, take a smaller picture, a port on another controller, or fewer cameras"},
    Meaning{"VIDIOC_STREAMON", EINVAL, Category::invalid_state, "the driver wants more buffers before it starts",
            "queue buffers first, or open the queue with more slots"},
    Meaning{"VIDIOC_STREAMON", EIO, Category::device_failed, "the device or its signal failed", restart},
    Meaning{"VIDIOC_QBUF", EIO, Category::device_failed, "the device or its signal failed, or it cannot map the memory",
            restart},
    Meaning{"VIDIOC_DQBUF", EIO, Category::device_failed, "the device or its signal failed", restart},
    Meaning{"VIDIOC_DQBUF", EPIPE, Category::end_of_stream, "the last frame has come",
            "stop and start the queue, or let the codec resume"},
    Meaning{"VIDIOC_DQBUF", EINVAL, Category::invalid_state, "the queue is not streaming", "call start() first"},
    Meaning{"", EBUSY, Category::busy, "another program, or another part of this one, owns the queue",
            "stop it, or plan with another node"},
    Meaning{"", ENODEV, Category::device_gone, "the device is gone", "close it, and open it again when it is back"},
};

/// A field of fixed size that a driver filled in; it may lack its NUL.
std::string field_text(std::span<const __u8> field)
{
    const auto end = std::find(field.begin(), field.end(), 0);
    return {field.begin(), end};
}

struct Formats {
    std::vector<std::uint32_t> codes;
    bool raw = false;        ///< some are pixels
    bool compressed = false; ///< some are not
};

Formats enumerate_formats(int fd, v4l2_buf_type type)
{
    // No driver has so many; one that never answers EINVAL must not keep us here.
    constexpr std::uint32_t most = 1024;
    Formats formats;
    for (std::uint32_t i = 0; i < most; ++i) {
        v4l2_fmtdesc entry{};
        entry.index = i;
        entry.type = type;
        if (os::ioctl(fd, VIDIOC_ENUM_FMT, &entry) != 0)
            break;
        formats.codes.push_back(entry.pixelformat);
        ((entry.flags & V4L2_FMT_FLAG_COMPRESSED) != 0 ? formats.compressed : formats.raw) = true;
    }
    return formats;
}

v4l2_buf_type buffer_type(const NodeInfo& node, Role role) noexcept
{
    const bool captures = role == Role::capture;
    if (node.metadata)
        return captures ? V4L2_BUF_TYPE_META_CAPTURE : V4L2_BUF_TYPE_META_OUTPUT;
    if (node.multiplanar)
        return captures ? V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE : V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE;
    return captures ? V4L2_BUF_TYPE_VIDEO_CAPTURE : V4L2_BUF_TYPE_VIDEO_OUTPUT;
}

} // namespace

Result<std::shared_ptr<Node>> Node::create(UniqueFd fd, std::string path)
{
    v4l2_capability answer{};
    if (const int error = os::ioctl(fd.get(), VIDIOC_QUERYCAP, &answer); error != 0) {
        Error result = Error::from_errno(error, {"VIDIOC_QUERYCAP", path});
        if (error == ENOTTY || error == EINVAL) {
            result.category = Category::invalid_argument;
            result.detail = "this is not a V4L2 node";
            result.advice = "run allocinfo devices to list those of this machine";
        }
        return result;
    }
    const std::uint32_t caps =
        (answer.capabilities & V4L2_CAP_DEVICE_CAPS) != 0 ? answer.device_caps : answer.capabilities;
    constexpr std::uint32_t both = V4L2_CAP_VIDEO_M2M | V4L2_CAP_VIDEO_M2M_MPLANE;
    constexpr std::uint32_t multi =
        V4L2_CAP_VIDEO_CAPTURE_MPLANE | V4L2_CAP_VIDEO_OUTPUT_MPLANE | V4L2_CAP_VIDEO_M2M_MPLANE;

    NodeInfo info;
    info.name = node_name(path);
    info.path = std::move(path);
    info.driver = field_text(answer.driver);
    info.card = field_text(answer.card);
    info.bus = field_text(answer.bus_info);
    // KERNEL_VERSION packs three numbers.
    info.version = text::format("{}.{}.{}", answer.version >> 16U, (answer.version >> 8U) & 0xffU, // NOLINT
                                answer.version & 0xffU);                                           // NOLINT
    info.metadata = (caps & (V4L2_CAP_META_CAPTURE | V4L2_CAP_META_OUTPUT)) != 0;
    info.capture =
        (caps & (V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_VIDEO_CAPTURE_MPLANE | V4L2_CAP_META_CAPTURE | both)) != 0;
    info.output = (caps & (V4L2_CAP_VIDEO_OUTPUT | V4L2_CAP_VIDEO_OUTPUT_MPLANE | V4L2_CAP_META_OUTPUT | both)) != 0;
    info.memory_to_memory = (caps & both) != 0;
    info.multiplanar = (caps & multi) != 0;
    info.streaming = (caps & V4L2_CAP_STREAMING) != 0;
    const auto formats = [&](bool has, Role role) {
        return has ? enumerate_formats(fd.get(), buffer_type(info, role)) : Formats{};
    };
    Formats captured = formats(info.capture, Role::capture);
    Formats put_out = formats(info.output, Role::output);
    info.encodes = info.memory_to_memory && put_out.raw && captured.compressed;
    info.decodes = info.memory_to_memory && put_out.compressed && captured.raw;
    info.capture_formats = std::move(captured.codes);
    info.output_formats = std::move(put_out.codes);
    return std::shared_ptr<Node>(new Node(std::move(fd), std::move(info)));
}

Error Node::failed(int error, std::string_view call) const
{
    Error result = Error::from_errno(error, where(call));
    const auto* known = std::ranges::find_if(meanings, [&](const Meaning& meaning) {
        return meaning.error == error && (meaning.call.empty() || meaning.call == call);
    });
    if (known != meanings.end()) {
        result.category = known->category;
        result.detail = known->detail;
        result.advice = known->advice;
    }
    return result;
}

v4l2_buf_type Node::type(Role role) const noexcept { return buffer_type(info_, role); }

std::string Node::identity(Role role) const
{
    // The node in /dev is new whenever the driver is loaded, perhaps with other parameters.
    const auto id = os::id_of(fd_.get());
    if (!id)
        return {};
    return text::format("v4l2 {} {} {} {} {} {}:{} {}", info_.driver, info_.version, info_.bus, info_.card, info_.name,
                        id->device, id->inode, to_string(role));
}

void Node::note_export(const os::FileId& memory) const
{
    // Trials ask about what was made just before; nobody holds so many at once.
    constexpr std::size_t most = 1024;
    const std::lock_guard lock(exports_mutex_);
    if (exports_.size() == most)
        exports_.pop_front();
    exports_.push_back(memory);
}

bool Node::has_exported(const os::FileId& memory) const
{
    const std::lock_guard lock(exports_mutex_);
    return std::any_of(exports_.begin(), exports_.end(), [&memory](const os::FileId& each) {
        return each.device == memory.device && each.inode == memory.inode;
    });
}

Tried Node::trying(std::string words) const
{
    Tried tried(std::move(words));
    tried.call.target = info_.path;
    return tried;
}

std::vector<std::string> node_paths()
{
    std::vector<std::string> names = os::list(sysfs);
    std::erase_if(names, [](const std::string& name) { return !os::is_numbered(name, "video"); });
    // The shorter number is the lower one; os::list() has sorted those of one length.
    std::ranges::stable_sort(names, {}, &std::string::size);
    for (std::string& name : names)
        name.insert(0, "/dev/");
    return names;
}

std::string node_name(std::string_view path)
{
    return os::read_text(sysfs + os::last_part(path) + "/name").value_or("");
}

} // namespace commonbuf::v4l2
