// SPDX-License-Identifier: MIT
//
// The only place that knows both of V4L2's APIs: v4l2_format is a union of the single-planar, the
// multi-planar and the metadata format.
#include "backends/v4l2/format.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <vector>

namespace commonbuf::v4l2 {
namespace {

bool is_metadata(std::uint32_t type) { return type == V4L2_BUF_TYPE_META_CAPTURE || type == V4L2_BUF_TYPE_META_OUTPUT; }

// The formats of both APIs for pictures begin alike: with width, height, pixelformat and field.
static_assert(offsetof(v4l2_pix_format, field) == offsetof(v4l2_pix_format_mplane, field));

/// The stride of the first plane in a memory: what V4L2 calls bytesperline.
std::uint32_t stride_of_memory(const Layout& layout, std::uint32_t memory)
{
    const auto planes = layout.used_planes();
    const auto first = std::ranges::find(planes, memory, &Plane::memory);
    return first != planes.end() ? first->stride : 0;
}

/// The first plane that does not lie where V4L2's formats with a single memory put it. Those
/// formats have no offsets of their own.
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

/// Whether the size that a driver answers is that of the layout: the same, or for a codec the
/// layout's with its padding.
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

std::uint32_t narrow(std::uint64_t bytes) noexcept
{
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(bytes, std::numeric_limits<std::uint32_t>::max()));
}

std::uint32_t pixel_format(Format format, Memories memories) noexcept
{
    const FormatInfo* info = format_info(format);
    if (info == nullptr)
        return is_opaque(format) && memories == Memories::single ? format.fourcc : 0;
    return memories == Memories::single ? info->v4l2_single : info->v4l2_multi;
}

std::uint32_t code_of(const Node& node, Role role, Format format, Memories memories)
{
    const std::uint32_t code = pixel_format(format, memories);
    if (code != V4L2_PIX_FMT_MJPEG && code != V4L2_PIX_FMT_JPEG)
        return code;
    const std::uint32_t other = code == V4L2_PIX_FMT_MJPEG ? V4L2_PIX_FMT_JPEG : V4L2_PIX_FMT_MJPEG;
    const auto& known = node.formats(role);
    const auto has = [&known](std::uint32_t each) { return std::ranges::find(known, each) != known.end(); };
    return !has(code) && has(other) ? other : code;
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
    v4l2_format format = bare_format(node, role, code_of(node, role, layout.format, memories_of(layout)));
    if (node.info().metadata) {
        format.fmt.meta.buffersize = narrow(layout.memory_sizes[0]);
        return format;
    }
    v4l2_pix_format& pix = format.fmt.pix;
    pix.width = layout.width;
    pix.height = node.is_coded(role) ? padded_rows(layout) : layout.height;
    pix.field = V4L2_FIELD_NONE;
    if (!node.is_planar()) {
        pix.bytesperline = stride_of_memory(layout, 0);
        pix.sizeimage = narrow(layout.memory_sizes[0]);
        return format;
    }
    format.fmt.pix_mp.num_planes = static_cast<__u8>(layout.memory_count);
    for (std::uint32_t i = 0; i < layout.memory_count; ++i) {
        format.fmt.pix_mp.plane_fmt[i].bytesperline = stride_of_memory(layout, i);
        format.fmt.pix_mp.plane_fmt[i].sizeimage = narrow(layout.memory_sizes[i]);
    }
    return format;
}

v4l2_format bare_format(const Node& node, Role role, std::uint32_t fourcc) noexcept
{
    v4l2_format format{};
    format.type = node.type(role);
    if (node.info().metadata)
        format.fmt.meta.dataformat = fourcc;
    else
        format.fmt.pix.pixelformat = fourcc;
    return format;
}

void enlarge(v4l2_format& format, std::uint32_t bytes) noexcept
{
    // No references: the structs are packed.
    if (is_metadata(format.type))
        format.fmt.meta.buffersize = std::max<std::uint32_t>(format.fmt.meta.buffersize, bytes);
    else if (V4L2_TYPE_IS_MULTIPLANAR(format.type))
        format.fmt.pix_mp.plane_fmt[0].sizeimage =
            std::max<std::uint32_t>(format.fmt.pix_mp.plane_fmt[0].sizeimage, bytes);
    else
        format.fmt.pix.sizeimage = std::max<std::uint32_t>(format.fmt.pix.sizeimage, bytes);
}

Answer from_v4l2(const v4l2_format& format) noexcept
{
    if (is_metadata(format.type))
        return {0, 0, format.fmt.meta.dataformat, V4L2_FIELD_NONE, 1, {}, {format.fmt.meta.buffersize}};
    const v4l2_pix_format& pix = format.fmt.pix;
    if (!V4L2_TYPE_IS_MULTIPLANAR(format.type))
        return {pix.width, pix.height, pix.pixelformat, pix.field, 1, {pix.bytesperline}, {pix.sizeimage}};
    const v4l2_pix_format_mplane& planar = format.fmt.pix_mp;
    Answer answer{pix.width, pix.height, pix.pixelformat, pix.field, planar.num_planes, {}, {}};
    for (std::size_t i = 0; i < std::min<std::size_t>(planar.num_planes, max_planes); ++i) {
        answer.strides[i] = planar.plane_fmt[i].bytesperline;
        answer.sizes[i] = planar.plane_fmt[i].sizeimage;
    }
    return answer;
}

Status same_image(const Node& node, Role role, const Layout& layout, const Answer& answer, std::string_view call)
{
    const bool coded = node.is_coded(role);
    const auto differs = [&](std::string detail) { return Error::unsupported(node.where(call), std::move(detail)); };
    const std::uint32_t fourcc = code_of(node, role, layout.format, memories_of(layout));
    // V4L2 has no way to say where in a memory the image begins (vb2 itself refuses a
    // data_offset in a capture buffer).
    if (layout.planes[0].offset != 0)
        return differs(text::format("V4L2 puts the image at the start of its memory, but the layout puts it at {}",
                                    layout.planes[0].offset));
    if (const auto misplaced = misplaced_plane(layout, coded ? padded_rows(layout) : layout.height))
        return differs(text::format("V4L2 puts plane {} right behind the one before, but the layout puts it at {}",
                                    *misplaced, layout.planes[*misplaced].offset));
    // Metadata has no pixels.
    if (!node.info().metadata && !same_size(layout, answer, coded, node.is_compressed(role)))
        return differs(text::format("asked for {}x{}, the driver sets {}x{}", layout.width, layout.height, answer.width,
                                    answer.height));
    if (answer.fourcc != fourcc || answer.memory_count != layout.memory_count)
        return differs(text::format("asked for {} in {} memories, the driver sets {} in {}",
                                    to_string(Format::v4l2(fourcc)), layout.memory_count,
                                    to_string(Format::v4l2(answer.fourcc)), answer.memory_count));
    // Sequential and alternating fields are not rows of one image.
    if (answer.field != V4L2_FIELD_NONE && answer.field != V4L2_FIELD_INTERLACED &&
        answer.field != V4L2_FIELD_INTERLACED_TB && answer.field != V4L2_FIELD_INTERLACED_BT)
        return differs(text::format("the driver delivers separate fields (v4l2_field {})", answer.field));
    for (std::uint32_t i = 0; i < layout.memory_count; ++i) {
        const std::uint32_t stride = stride_of_memory(layout, i);
        if (stride != 0 && answer.strides[i] != stride)
            return differs(text::format("asked for a stride of {}, the driver sets {}", stride, answer.strides[i]));
    }
    return {};
}

Result<v4l2_format> current_format(const Node& node, Role role)
{
    v4l2_format format{};
    format.type = node.type(role);
    if (const int error = node.ioctl(VIDIOC_G_FMT, &format); error != 0)
        return node.failed(error, "VIDIOC_G_FMT");
    return format;
}

Result<Answer> set_format(const Node& node, Role role, const Layout& layout)
{
    v4l2_format format = to_v4l2(node, role, layout);
    if (const int error = node.ioctl(VIDIOC_S_FMT, &format); error != 0)
        return node.failed(error, "VIDIOC_S_FMT");
    const Answer answer = from_v4l2(format);
    if (const Status same = same_image(node, role, layout, answer, "VIDIOC_S_FMT"); !same)
        return same.error();
    // The stream itself says which part of its pictures a decoder shows.
    if (role == Role::capture || node.info().metadata || node.is_compressed(role) ||
        (answer.width == layout.width && answer.height == layout.height))
        return answer;
    v4l2_selection selection{};
    selection.type = V4L2_BUF_TYPE_VIDEO_OUTPUT; // with either API
    selection.target = V4L2_SEL_TGT_CROP;
    selection.r = {0, 0, layout.width, layout.height};
    if (const int error = node.ioctl(VIDIOC_S_SELECTION, &selection); error != 0)
        return node.failed(error, "VIDIOC_S_SELECTION");
    if (selection.r.width != layout.width || selection.r.height != layout.height)
        return Error::unsupported(node.where("VIDIOC_S_SELECTION"),
                                  text::format("asked to encode {}x{} of the padded {}x{}, the encoder takes {}x{}",
                                               layout.width, layout.height, answer.width, answer.height,
                                               selection.r.width, selection.r.height));
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

} // namespace commonbuf::v4l2
