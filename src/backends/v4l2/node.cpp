// SPDX-License-Identifier: MIT
#include "backends/v4l2/node.hpp"

#include "backends/v4l2/format.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <cerrno>
#include <span>

namespace commonbuf::v4l2 {
namespace {

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
    info.name =
        os::read_text("/sys/class/video4linux/" + path.substr(path.find_last_of('/') + 1) + "/name").value_or("");
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
    Formats captured;
    Formats put_out;
    if (info.capture)
        captured = enumerate_formats(fd.get(), buffer_type(info, Role::capture));
    if (info.output)
        put_out = enumerate_formats(fd.get(), buffer_type(info, Role::output));
    info.encodes = info.memory_to_memory && put_out.raw && captured.compressed;
    info.decodes = info.memory_to_memory && put_out.compressed && captured.raw;
    info.capture_formats = std::move(captured.codes);
    info.output_formats = std::move(put_out.codes);
    return std::shared_ptr<Node>(new Node(std::move(fd), std::move(info)));
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

} // namespace commonbuf::v4l2
