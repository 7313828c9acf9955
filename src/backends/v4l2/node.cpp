// SPDX-License-Identifier: MIT
#include "backends/v4l2/node.hpp"
#include "base/text.hpp"

#include <commonbuf/format.hpp>

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>

namespace commonbuf::v4l2 {
namespace {

/// A field of fixed size that a driver filled, which may lack its NUL.
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
    // No driver has as many; one that never says EINVAL must not hold us.
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

bool is_multiplanar(v4l2_buf_type type)
{
    return type == V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE || type == V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE;
}

v4l2_buf_type buffer_type(const NodeInfo& node, Role role)
{
    if (node.metadata)
        return role == Role::capture ? V4L2_BUF_TYPE_META_CAPTURE : V4L2_BUF_TYPE_META_OUTPUT;
    const bool multiplanar = node.multiplanar;
    if (role == Role::capture)
        return multiplanar ? V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE : V4L2_BUF_TYPE_VIDEO_CAPTURE;
    return multiplanar ? V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE : V4L2_BUF_TYPE_VIDEO_OUTPUT;
}

/// V4L2 counts bytes in 32 bits.
std::uint32_t narrow(std::uint64_t bytes)
{
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(bytes, std::numeric_limits<std::uint32_t>::max()));
}

/// The stride of the first plane in a memory: what V4L2 calls bytesperline.
std::uint32_t stride_of_memory(const Layout& layout, std::uint32_t memory)
{
    for (const Plane& plane : layout.used_planes()) {
        if (plane.memory == memory)
            return plane.stride;
    }
    return 0;
}

/// The first plane that does not lie where V4L2's formats with a single memory put it;
/// they have no offsets of their own.
std::optional<std::uint32_t> misplaced_plane(const Layout& layout, std::uint32_t rows)
{
    if (layout.memory_count != 1 || layout.plane_count < 2 || layout.planes[1].stride == 0)
        return std::nullopt;
    const auto rule =
        linear_layout({layout.format, layout.width, layout.height}, layout.planes[0].stride, Memories::single, rows);
    for (std::uint32_t i = 1; rule && i < layout.plane_count; ++i) {
        if (layout.planes[i].offset != rule->planes[i].offset)
            return i;
    }
    return std::nullopt;
}

/// Whether the size that a driver answers is that of the layout: the same, or, for a codec,
/// the layout's with its padding.
bool same_size(const Layout& layout, const Answer& answer, bool coded, bool compressed)
{
    if (compressed)
        return answer.width >= layout.width && answer.height >= layout.height;
    if (!coded)
        return answer.width == layout.width && answer.height == layout.height;
    const bool asked = layout.planes[0].stride != 0;
    return answer.width >= layout.width &&
           (asked ? answer.height == padded_rows(layout) : answer.height >= layout.height);
}

} // namespace

std::string_view to_string(Role role) noexcept { return role == Role::capture ? "capture" : "output"; }

Result<std::shared_ptr<Node>> Node::create(UniqueFd fd, std::string path)
{
    v4l2_capability answer{};
    if (const int error = os::ioctl(fd.get(), VIDIOC_QUERYCAP, &answer); error != 0) {
        Error result = Error::from_errno(error, {"VIDIOC_QUERYCAP", path});
        if (error == ENOTTY || error == EINVAL) {
            result.category = Category::invalid_argument;
            result.detail = "this is no V4L2 node";
            result.advice = "allocinfo devices lists those of this machine";
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

bool is_planar(const Node& node, Role role) noexcept { return is_multiplanar(node.type(role)); }

v4l2_buf_type Node::type(Role role) const noexcept { return buffer_type(info_, role); }

std::string Node::identity(Role role) const
{
    // The node in /dev is a new one whenever the driver is loaded, with other parameters maybe.
    const auto id = os::id_of(fd_.get());
    if (!id)
        return {};
    return text::format("v4l2 {} {} {} {} {} {}:{} {}", info_.driver, info_.version, info_.bus, info_.card, info_.name,
                        id->device, id->inode, to_string(role));
}

void Node::note_export(const os::FileId& memory) const
{
    // Trials look at what was made just before; nobody holds as many at once.
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

Call Node::where(std::string_view call) const { return {call, info_.path}; }

std::uint32_t pixel_format(Format format, Memories memories) noexcept
{
    const FormatInfo* info = format_info(format);
    if (info == nullptr)
        return is_opaque(format) && memories == Memories::single ? format.fourcc : 0;
    return memories == Memories::single ? info->v4l2_single : info->v4l2_multi;
}

Memories memories_of(const Layout& layout) noexcept
{
    return layout.memory_count > 1 ? Memories::per_plane : Memories::single;
}

std::uint32_t padded_rows(const Layout& layout) noexcept
{
    const Plane& first = layout.planes[0];
    if (layout.modifier != linear || first.stride == 0)
        return layout.height;
    return std::max(layout.height, narrow(first.size / first.stride));
}

v4l2_format to_v4l2(const Node& node, Role role, const Layout& layout)
{
    const std::uint32_t rows = node.is_coded(role) ? padded_rows(layout) : layout.height;
    const std::uint32_t fourcc = pixel_format(layout.format, memories_of(layout));
    v4l2_format format{};
    format.type = node.type(role);
    if (node.info().metadata) {
        format.fmt.meta.dataformat = fourcc;
        format.fmt.meta.buffersize = narrow(layout.memory_sizes[0]);
    } else if (is_multiplanar(node.type(role))) {
        v4l2_pix_format_mplane& pix = format.fmt.pix_mp;
        pix.width = layout.width;
        pix.height = rows;
        pix.pixelformat = fourcc;
        pix.field = V4L2_FIELD_NONE;
        pix.num_planes = static_cast<__u8>(layout.memory_count);
        for (std::uint32_t i = 0; i < layout.memory_count; ++i) {
            pix.plane_fmt[i].bytesperline = stride_of_memory(layout, i);
            pix.plane_fmt[i].sizeimage = narrow(layout.memory_sizes[i]);
        }
    } else {
        v4l2_pix_format& pix = format.fmt.pix;
        pix.width = layout.width;
        pix.height = rows;
        pix.pixelformat = fourcc;
        pix.field = V4L2_FIELD_NONE;
        pix.bytesperline = stride_of_memory(layout, 0);
        pix.sizeimage = narrow(layout.memory_sizes[0]);
    }
    return format;
}

Answer from_v4l2(const v4l2_format& format) noexcept
{
    Answer answer;
    if (format.type == V4L2_BUF_TYPE_META_CAPTURE || format.type == V4L2_BUF_TYPE_META_OUTPUT) {
        answer = {0, 0, format.fmt.meta.dataformat, V4L2_FIELD_NONE, 1, {}, {format.fmt.meta.buffersize}};
    } else if (is_multiplanar(static_cast<v4l2_buf_type>(format.type))) {
        const v4l2_pix_format_mplane& pix = format.fmt.pix_mp;
        answer = {pix.width, pix.height, pix.pixelformat, pix.field, pix.num_planes, {}, {}};
        for (std::size_t i = 0; i < std::min<std::size_t>(pix.num_planes, max_planes); ++i) {
            answer.strides[i] = pix.plane_fmt[i].bytesperline;
            answer.sizes[i] = pix.plane_fmt[i].sizeimage;
        }
    } else {
        const v4l2_pix_format& pix = format.fmt.pix;
        answer = {pix.width, pix.height, pix.pixelformat, pix.field, 1, {pix.bytesperline}, {pix.sizeimage}};
    }
    return answer;
}

Status same_image(const Node& node, Role role, const Layout& layout, const Answer& answer, std::string_view call)
{
    const bool coded = node.is_coded(role);
    const auto differs = [&](std::string detail) { return Error::unsupported(node.where(call), std::move(detail)); };
    const std::uint32_t fourcc = pixel_format(layout.format, memories_of(layout));
    // V4L2 has no way to say where in a memory the image begins (vb2 itself refuses a
    // data_offset in a capture buffer).
    if (layout.planes[0].offset != 0)
        return differs(text::format("V4L2 puts the image at the start of its memory, and the layout at {}",
                                    layout.planes[0].offset));
    if (const auto misplaced = misplaced_plane(layout, coded ? padded_rows(layout) : layout.height))
        return differs(text::format("V4L2 puts plane {} right behind the one before, and the layout at {}", *misplaced,
                                    layout.planes[*misplaced].offset));
    // Metadata has no pixels.
    if (!node.info().metadata && !same_size(layout, answer, coded, node.is_compressed(role)))
        return differs(
            text::format("the driver makes {}x{} of {}x{}", answer.width, answer.height, layout.width, layout.height));
    if (answer.fourcc != fourcc || answer.memory_count != layout.memory_count)
        return differs(text::format("the driver makes {} in {} memories of {} in {}",
                                    to_string(Format::v4l2(answer.fourcc)), answer.memory_count,
                                    to_string(Format::v4l2(fourcc)), layout.memory_count));
    // One after the other or alternating, fields are not rows of one image.
    if (answer.field != V4L2_FIELD_NONE && answer.field != V4L2_FIELD_INTERLACED &&
        answer.field != V4L2_FIELD_INTERLACED_TB && answer.field != V4L2_FIELD_INTERLACED_BT)
        return differs(text::format("the driver gives separate fields (v4l2_field {})", answer.field));
    for (std::uint32_t i = 0; i < layout.memory_count; ++i) {
        const std::uint32_t stride = stride_of_memory(layout, i);
        if (stride != 0 && answer.strides[i] != stride)
            return differs(text::format("the driver makes a stride of {} of {}", answer.strides[i], stride));
    }
    return {};
}

Result<Answer> set_format(const Node& node, Role role, const Layout& layout)
{
    v4l2_format format = to_v4l2(node, role, layout);
    if (const int error = node.ioctl(VIDIOC_S_FMT, &format); error != 0)
        return format_failure(node, error, "VIDIOC_S_FMT");
    const Answer answer = from_v4l2(format);
    if (const Status same = same_image(node, role, layout, answer, "VIDIOC_S_FMT"); !same)
        return same.error();
    // What a decoder shows of its pictures, the stream says.
    if (role == Role::capture || node.info().metadata || node.is_compressed(role) ||
        (answer.width == layout.width && answer.height == layout.height))
        return answer;
    v4l2_selection selection{};
    selection.type = V4L2_BUF_TYPE_VIDEO_OUTPUT; // with either API
    selection.target = V4L2_SEL_TGT_CROP;
    selection.r = {0, 0, layout.width, layout.height};
    if (const int error = node.ioctl(VIDIOC_S_SELECTION, &selection); error != 0)
        return format_failure(node, error, "VIDIOC_S_SELECTION");
    if (selection.r.width != layout.width || selection.r.height != layout.height)
        return Error::unsupported(node.where("VIDIOC_S_SELECTION"),
                                  text::format("of {}x{}, with padding {}x{}, the encoder takes {}x{}", layout.width,
                                               layout.height, answer.width, answer.height, selection.r.width,
                                               selection.r.height));
    return answer;
}

std::string sizes_advice(const Node& node, std::uint32_t fourcc)
{
    constexpr std::uint32_t most = 16;
    std::vector<std::string> sizes;
    for (std::uint32_t i = 0; i < most; ++i) {
        v4l2_frmsizeenum entry{};
        entry.index = i;
        entry.pixel_format = fourcc;
        if (node.ioctl(VIDIOC_ENUM_FRAMESIZES, &entry) != 0)
            break;
        if (entry.type != V4L2_FRMSIZE_TYPE_DISCRETE) {
            const v4l2_frmsize_stepwise& range = entry.stepwise;
            return text::format("use a size from {}x{} to {}x{} in steps of {}x{}", range.min_width, range.min_height,
                                range.max_width, range.max_height, range.step_width, range.step_height);
        }
        sizes.push_back(text::format("{}x{}", entry.discrete.width, entry.discrete.height));
    }
    return sizes.empty() ? std::string() : "use " + text::join(sizes, ", ");
}

Error format_failure(const Node& node, int error, std::string_view call)
{
    Error result = Error::from_errno(error, node.where(call));
    if (error == EBUSY) {
        result.detail = "another program, or another part of this one, owns the queue";
        result.advice = "stop it, or plan with a node of its own";
    } else if (error == ENODEV) {
        result.detail = "the device is gone";
    }
    return result;
}

v4l2_buffer describe(const Node& node, Role role, std::uint32_t index, const Layout& layout, std::span<const int> fds,
                     std::span<const std::uint64_t> sizes, Planes& planes)
{
    v4l2_buffer buffer{};
    buffer.type = node.type(role);
    buffer.memory = V4L2_MEMORY_DMABUF;
    buffer.index = index;
    buffer.field = V4L2_FIELD_NONE;
    const auto used = [&](std::size_t i) { return role == Role::output ? narrow(layout.memory_sizes[i]) : 0; };
    if (is_multiplanar(node.type(role))) {
        planes = {};
        for (std::size_t i = 0; i < fds.size(); ++i) {
            planes[i].m.fd = fds[i];
            planes[i].length = narrow(sizes[i]);
            planes[i].bytesused = used(i);
        }
        buffer.m.planes = planes.data();
        buffer.length = static_cast<std::uint32_t>(fds.size());
    } else {
        buffer.m.fd = fds[0];
        buffer.length = narrow(sizes[0]);
        buffer.bytesused = used(0);
    }
    return buffer;
}

namespace {

int request_slots_of(const Node& node, Role role, v4l2_memory memory, std::uint32_t& count) noexcept
{
    v4l2_requestbuffers request{};
    request.count = count;
    request.type = node.type(role);
    request.memory = memory;
    const int error = node.ioctl(VIDIOC_REQBUFS, &request);
    count = error == 0 ? request.count : 0;
    return error;
}

} // namespace

int request_slots(const Node& node, Role role, std::uint32_t& count) noexcept
{
    const std::lock_guard lock(node.slots());
    return request_slots_of(node, role, V4L2_MEMORY_DMABUF, count);
}

int request_own_slots(const Node& node, Role role, std::uint32_t& count) noexcept
{
    const std::lock_guard lock(node.slots());
    return request_slots_of(node, role, V4L2_MEMORY_MMAP, count);
}

bool has_slots(const Node& node, Role role) noexcept
{
    Planes planes{};
    v4l2_buffer first{};
    first.type = node.type(role);
    if (is_multiplanar(node.type(role))) {
        first.m.planes = planes.data();
        first.length = static_cast<std::uint32_t>(planes.size());
    }
    return node.ioctl(VIDIOC_QUERYBUF, &first) == 0;
}

std::uint32_t buffer_capabilities(const Node& node, Role role) noexcept
{
    v4l2_create_buffers none{};
    none.memory = V4L2_MEMORY_MMAP;
    none.format.type = node.type(role);
    return node.ioctl(VIDIOC_CREATE_BUFS, &none) == 0 ? none.capabilities : 0;
}

Result<UniqueFd> export_memory(const Node& node, Role role, std::uint32_t slot, std::uint32_t memory)
{
    v4l2_exportbuffer request{};
    request.type = node.type(role);
    request.index = slot;
    request.plane = memory;
    request.flags = O_CLOEXEC | O_RDWR;
    if (const int error = node.ioctl(VIDIOC_EXPBUF, &request); error != 0) {
        Error failure = format_failure(node, error, "VIDIOC_EXPBUF");
        if (error == EINVAL || error == ENOTTY)
            failure.category = Category::unsupported;
        return failure;
    }
    UniqueFd fd(request.fd);
    const auto id = os::id_of(fd.get());
    if (!id)
        return id.error();
    node.note_export(*id);
    return fd;
}

std::string heap_name(const Node& node, Role role)
{
    const std::string& path = node.info().path;
    return text::format("v4l2-{}-{}", path.substr(path.find_last_of('/') + 1), to_string(role));
}

} // namespace commonbuf::v4l2
