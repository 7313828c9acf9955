// SPDX-License-Identifier: MIT
#include "backends/v4l2/node.hpp"

#include "base/text.hpp"
#include "os/device_node.hpp"
#include "os/v4l2_failure.hpp"

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

/// Errors: what the driver answers, except that there is no further format.
Result<Formats> enumerate_formats(int fd, v4l2_buf_type type, const std::string& path)
{
    // No driver has so many; one that never answers EINVAL must not keep us here.
    constexpr std::uint32_t most = 1024;
    Formats formats;
    for (std::uint32_t i = 0; i < most; ++i) {
        v4l2_fmtdesc entry{};
        entry.index = i;
        entry.type = type;
        const int error = os::ioctl(fd, VIDIOC_ENUM_FMT, &entry);
        // ENOTTY: loopback and other old drivers name no formats.
        if (error == EINVAL || error == ENOTTY)
            break;
        if (error != 0)
            return os::v4l2_failure(error, {"VIDIOC_ENUM_FMT", path});
        formats.codes.push_back(entry.pixelformat);
        ((entry.flags & V4L2_FMT_FLAG_COMPRESSED) != 0 ? formats.compressed : formats.raw) = true;
    }
    return formats;
}

constexpr bool has_any(std::uint32_t value, std::uint32_t bits) noexcept { return (value & bits) != 0; }

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
    constexpr std::uint32_t captures = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_VIDEO_CAPTURE_MPLANE | both;
    constexpr std::uint32_t outputs = V4L2_CAP_VIDEO_OUTPUT | V4L2_CAP_VIDEO_OUTPUT_MPLANE | both;

    const auto sysfs = os::sysfs_folder(fd.get());
    if (!sysfs)
        return sysfs.error();
    NodeInfo info;
    info.name = os::read_text(*sysfs + "/name").value_or("");
    info.path = std::move(path);
    info.driver = field_text(answer.driver);
    info.card = field_text(answer.card);
    info.bus = field_text(answer.bus_info);
    // KERNEL_VERSION packs three numbers.
    info.version = text::format("{}.{}.{}", answer.version >> 16U, (answer.version >> 8U) & 0xffU, // NOLINT
                                answer.version & 0xffU);                                           // NOLINT
    info.capture = has_any(caps, captures | V4L2_CAP_META_CAPTURE);
    info.output = has_any(caps, outputs | V4L2_CAP_META_OUTPUT);
    info.metadata = !has_any(caps, captures | outputs) && (info.capture || info.output);
    info.memory_to_memory = has_any(caps, both);
    info.multiplanar = has_any(caps, multi);
    info.streaming = has_any(caps, V4L2_CAP_STREAMING);
    const Types types = types_of(caps);
    const auto formats = [&](bool has, v4l2_buf_type type) {
        return has ? enumerate_formats(fd.get(), type, info.path) : Formats{};
    };
    auto captured = formats(info.capture, types.capture);
    if (!captured)
        return captured.error();
    auto put_out = formats(info.output, types.output);
    if (!put_out)
        return put_out.error();
    info.encodes = info.memory_to_memory && put_out->raw && captured->compressed;
    info.decodes = info.memory_to_memory && put_out->compressed && captured->raw;
    info.capture_formats = std::move(captured->codes);
    info.output_formats = std::move(put_out->codes);
    return std::shared_ptr<Node>(new Node(std::move(fd), std::move(info), types, *sysfs));
}

Node::Node(UniqueFd fd, NodeInfo info, Types types, std::string sysfs)
    : fd_(std::move(fd)),
      info_(std::move(info)),
      types_(types),
      sysfs_(std::move(sysfs)),
      kernel_name_(os::link_name(sysfs_).value_or(os::last_part(info_.path)))
{}

/// One node may carry pictures and metadata (a sensor's embedded lines on the node of its picture,
/// parameters on that of an ISP): each queue that has pictures is one of pictures.
Node::Types Node::types_of(std::uint32_t capabilities) noexcept
{
    Types types{V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_BUF_TYPE_VIDEO_OUTPUT};
    if (has_any(capabilities, V4L2_CAP_VIDEO_CAPTURE_MPLANE | V4L2_CAP_VIDEO_M2M_MPLANE))
        types.capture = V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE;
    else if (!has_any(capabilities, V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_VIDEO_M2M))
        types.capture = V4L2_BUF_TYPE_META_CAPTURE;
    if (has_any(capabilities, V4L2_CAP_VIDEO_OUTPUT_MPLANE | V4L2_CAP_VIDEO_M2M_MPLANE))
        types.output = V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE;
    else if (!has_any(capabilities, V4L2_CAP_VIDEO_OUTPUT | V4L2_CAP_VIDEO_M2M))
        types.output = V4L2_BUF_TYPE_META_OUTPUT;
    return types;
}

bool Node::is_metadata(Role role) const noexcept
{
    return type(role) == V4L2_BUF_TYPE_META_CAPTURE || type(role) == V4L2_BUF_TYPE_META_OUTPUT;
}

Error Node::failed(int error, std::string_view call) const { return os::v4l2_failure(error, where(call)); }

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
    const std::lock_guard lock(mutex_);
    if (exports_.size() == most)
        exports_.pop_front();
    exports_.push_back(memory);
}

bool Node::has_exported(const os::FileId& memory) const
{
    const std::lock_guard lock(mutex_);
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

std::optional<Colorimetry> Node::wanted_colorimetry(Role role) const
{
    const std::lock_guard lock(mutex_);
    return role == Role::capture ? capture_colorimetry_ : output_colorimetry_;
}

void Node::want_colorimetry(Role role, const Colorimetry& wanted) const
{
    const std::lock_guard lock(mutex_);
    (role == Role::capture ? capture_colorimetry_ : output_colorimetry_) = wanted;
}

Result<UniqueFd> NodePlace::open() const
{
    auto fd = os::open(path);
    if (fd && !os::is_device(fd->get(), sysfs))
        return Error::not_present(Call{"open", path}, "another device has this name in /dev, and this one has none",
                                  "make its node in /dev: sysfs says its number");
    return fd;
}

std::vector<NodePlace> node_places()
{
    const std::string folder = "/sys/class/video4linux/";
    std::vector<std::string> names = os::list(folder);
    std::erase_if(names, [](const std::string& name) { return !os::is_numbered(name, "video"); });
    // The shorter number is the lower one; os::list() has sorted those of one length.
    std::ranges::stable_sort(names, {}, &std::string::size);
    std::vector<NodePlace> places;
    for (const std::string& name : names) {
        const std::string sysfs = folder + name;
        places.push_back({os::find_node("/dev/" + name, sysfs), sysfs, os::read_text(sysfs + "/name").value_or("")});
    }
    return places;
}

} // namespace commonbuf::v4l2
