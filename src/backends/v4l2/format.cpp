// SPDX-License-Identifier: MIT
//
// The only place that knows both of V4L2's APIs: v4l2_format is a union of the single-planar, the
// multi-planar and the metadata format.
#include "backends/v4l2/format.hpp"

#include "base/text.hpp"
#include "format/twins.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <optional>
#include <vector>

namespace commonbuf::v4l2 {
namespace {

bool is_metadata(std::uint32_t type) { return type == V4L2_BUF_TYPE_META_CAPTURE || type == V4L2_BUF_TYPE_META_OUTPUT; }

// The formats of both APIs for pictures begin alike: with width, height, pixelformat and field.
static_assert(offsetof(v4l2_pix_format, field) == offsetof(v4l2_pix_format_mplane, field));

/// What V4L2 calls bytesperline of a memory: the stride of the first plane in it, or the height of its
/// columns.
std::uint32_t line_of_memory(const Layout& layout, std::uint32_t memory)
{
    if (const TiledTwin* twin = tiled_twin(arrangement_of(layout)); twin != nullptr && memory == 0)
        return tiled_line(*twin, layout);
    const auto planes = layout.used_planes();
    const auto first = std::ranges::find(planes, memory, &Plane::memory);
    return first != planes.end() ? first->stride : 0;
}

/// The bytes between the start of an image and its picture in a plane: those of its lines.
std::uint64_t bytes_before(const Layout& layout, std::uint32_t plane)
{
    const FormatInfo* info = format_info(layout.format);
    if (info == nullptr || plane >= info->plane_count)
        return 0;
    return std::uint64_t{layout.lines_before / info->planes[plane].vsub} * layout.planes[plane].stride;
}

/// The first plane at the start of a memory whose picture does not begin there, behind its lines.
std::optional<std::uint32_t> misplaced_start(const Layout& picture)
{
    for (std::uint32_t i = 0; i < picture.plane_count; ++i) {
        const bool is_first = i == 0 || picture.planes[i].memory != picture.planes[i - 1].memory;
        if (is_first && picture.planes[i].offset != bytes_before(picture, i))
            return i;
    }
    return std::nullopt;
}

/// The first plane that does not lie where V4L2's formats with a single memory put it. Those
/// formats have no offsets of their own.
std::optional<std::uint32_t> misplaced_plane(const Layout& layout, std::uint32_t rows)
{
    if (layout.memory_count != 1 || layout.plane_count < 2 || layout.planes[1].stride == 0)
        return std::nullopt;
    const Request image{layout.format, layout.width, layout.height};
    const TiledTwin* twin = tiled_twin(arrangement_of(layout));
    const auto rule = twin != nullptr ? tiled_layout(*twin, image, tiled_line(*twin, layout), rows)
                                      : linear_layout(image, layout.planes[0].stride, Memories::single, rows);
    for (std::uint32_t i = 1; rule && i < layout.plane_count; ++i) {
        const bool other_rows = twin != nullptr && layout.planes[i].stride != rule->planes[i].stride;
        if (layout.planes[i].offset != rule->planes[i].offset || other_rows)
            return i;
    }
    return std::nullopt;
}

/// Whether the size of a queue's pictures is padded to whole blocks, of which a part is visible: those of
/// codecs, and what converters read in tiles.
bool is_padded(const Node& node, Role role, const Layout& layout)
{
    return node.is_coded(role) || (role == Role::output && tiled_twin(arrangement_of(layout)) != nullptr);
}

/// Whether the size that a driver answers is that of the layout: the same, or the layout's with its
/// padding.
bool same_size(const Layout& layout, const Answer& answer, bool padded, bool compressed)
{
    if (compressed)
        return answer.width >= layout.width && answer.height >= layout.height;
    if (!padded)
        return answer.width == layout.width && answer.height == layout.height;
    if (answer.width < layout.width || answer.height < layout.height)
        return false;
    // Whose rows only the driver knows, it pads as it likes.
    if (is_opaque(layout.format))
        return true;
    // Where the caller knows the padding, the driver may leave it out of the height.
    return layout.planes[0].stride == 0 || answer.height == padded_rows(layout) ||
           (layout.rows != 0 && answer.height < layout.rows);
}

/// What to ask for, one after the other, until the driver makes the image.
constexpr std::array<std::uint32_t, 3> asked_fields{V4L2_FIELD_NONE, V4L2_FIELD_INTERLACED, V4L2_FIELD_ALTERNATE};

/// Sends VIDIOC_TRY_FMT or VIDIOC_S_FMT. Returns the first answer that is the image, or the very
/// first one.
Result<Answer> ask(const Node& node, Role role, const Layout& layout, bool set,
                   const std::optional<Colorimetry>& colours)
{
    const char* const call = set ? "VIDIOC_S_FMT" : "VIDIOC_TRY_FMT";
    std::optional<Answer> first;
    for (const std::uint32_t field : asked_fields) {
        v4l2_format format = to_v4l2(node, role, layout, field);
        if (colours)
            set_colorimetry_of(format, role, *colours);
        if (const int error = node.ioctl(set ? VIDIOC_S_FMT : VIDIOC_TRY_FMT, &format); error != 0) {
            if (first && error == EINVAL)
                continue; // it has no such fields, and the first answer says more
            return node.failed(error, call);
        }
        Answer answer = from_v4l2(format);
        answer.asked_field = field;
        if (same_image(node, role, layout, answer, call))
            return answer;
        if (!first)
            first = answer;
        // A device whose pictures have no fields has no others.
        if (first->field == V4L2_FIELD_NONE)
            break;
    }
    return *first;
}

} // namespace

std::uint32_t narrow(std::uint64_t bytes) noexcept
{
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(bytes, std::numeric_limits<std::uint32_t>::max()));
}

std::uint32_t pixel_format(const Arrangement& arrangement) noexcept
{
    const FormatInfo* info = format_info(arrangement.format);
    if (info == nullptr)
        return is_opaque(arrangement.format) ? arrangement.format.fourcc : 0;
    if (arrangement.modifier == linear)
        return arrangement.memories == Memories::single ? info->v4l2_single : info->v4l2_multi;
    const TiledTwin* twin = tiled_twin(arrangement);
    return twin != nullptr ? twin->v4l2 : 0;
}

std::uint32_t code_of(const Node& node, Role role, const Arrangement& arrangement)
{
    const std::uint32_t code = pixel_format(arrangement);
    const std::uint32_t other = other_v4l2_code(code);
    if (other == 0)
        return code;
    const auto& known = node.formats(role);
    const auto has = [&known](std::uint32_t each) { return std::ranges::find(known, each) != known.end(); };
    return !has(code) && has(other) ? other : code;
}

std::uint32_t padded_rows(const Layout& layout) noexcept
{
    if (const TiledTwin* twin = tiled_twin(arrangement_of(layout)); twin != nullptr)
        return tiled_rows(*twin, layout);
    const Plane& first = layout.planes[0];
    if (layout.modifier != linear || first.stride == 0)
        return layout.height;
    return std::max(layout.height, narrow(first.size / first.stride));
}

Layout with_lines(const Layout& layout) noexcept
{
    Layout whole = layout;
    const FormatInfo* info = format_info(layout.format);
    if (info == nullptr || (layout.lines_before == 0 && layout.lines_after == 0))
        return whole;
    const std::uint64_t lines = std::uint64_t{layout.lines_before} + layout.lines_after;
    whole.height = narrow(lines + layout.height);
    whole.rows = layout.rows != 0 ? narrow(lines + layout.rows) : 0;
    for (std::uint32_t i = 0; i < std::min<std::uint32_t>(layout.plane_count, info->plane_count); ++i) {
        Plane& plane = whole.planes[i];
        plane.size = std::uint64_t{plane.stride} * plane_rows(*info, i, whole.height);
        plane.offset -= std::min(plane.offset, bytes_before(layout, i));
    }
    whole.lines_before = whole.lines_after = 0;
    return whole;
}

v4l2_format to_v4l2(const Node& node, Role role, const Layout& picture, std::uint32_t field)
{
    const Layout layout = with_lines(picture);
    v4l2_format format = bare_format(node, role, code_of(node, role, arrangement_of(layout)));
    if (node.is_metadata(role)) {
        format.fmt.meta.buffersize = narrow(layout.memory_sizes[0]);
        return format;
    }
    v4l2_pix_format& pix = format.fmt.pix;
    pix.width = layout.width;
    pix.height = is_padded(node, role, layout) ? padded_rows(layout) : layout.height;
    pix.field = field;
    if (!node.is_planar(role)) {
        pix.bytesperline = line_of_memory(layout, 0);
        pix.sizeimage = narrow(layout.memory_sizes[0]);
        return format;
    }
    format.fmt.pix_mp.num_planes = static_cast<__u8>(layout.memory_count);
    for (std::uint32_t i = 0; i < layout.memory_count; ++i) {
        format.fmt.pix_mp.plane_fmt[i].bytesperline = line_of_memory(layout, i);
        format.fmt.pix_mp.plane_fmt[i].sizeimage = narrow(layout.memory_sizes[i]);
    }
    return format;
}

v4l2_format bare_format(const Node& node, Role role, std::uint32_t fourcc) noexcept
{
    v4l2_format format{};
    format.type = node.type(role);
    if (node.is_metadata(role))
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

Colorimetry colorimetry_of(const v4l2_format& format) noexcept
{
    if (V4L2_TYPE_IS_MULTIPLANAR(format.type)) {
        const v4l2_pix_format_mplane& planar = format.fmt.pix_mp;
        return {planar.colorspace, planar.xfer_func, planar.ycbcr_enc, planar.quantization};
    }
    const v4l2_pix_format& pix = format.fmt.pix;
    // Old drivers leave what follows the magic number undefined.
    if (pix.priv != V4L2_PIX_FMT_PRIV_MAGIC)
        return {.colorspace = pix.colorspace};
    return {pix.colorspace, pix.xfer_func, pix.ycbcr_enc, pix.quantization};
}

void set_colorimetry_of(v4l2_format& format, Role role, const Colorimetry& wanted) noexcept
{
    if (is_metadata(format.type))
        return;
    const std::uint32_t flag = role == Role::capture ? V4L2_PIX_FMT_FLAG_SET_CSC : 0U;
    if (V4L2_TYPE_IS_MULTIPLANAR(format.type)) {
        v4l2_pix_format_mplane& planar = format.fmt.pix_mp;
        planar.colorspace = wanted.colorspace;
        planar.xfer_func = static_cast<__u8>(wanted.xfer_func);
        planar.ycbcr_enc = static_cast<__u8>(wanted.ycbcr_enc);
        planar.quantization = static_cast<__u8>(wanted.quantization);
        planar.flags = static_cast<__u8>(planar.flags | flag);
        return;
    }
    v4l2_pix_format& pix = format.fmt.pix;
    pix.priv = V4L2_PIX_FMT_PRIV_MAGIC;
    pix.colorspace = wanted.colorspace;
    pix.xfer_func = wanted.xfer_func;
    pix.ycbcr_enc = wanted.ycbcr_enc;
    pix.quantization = wanted.quantization;
    pix.flags |= flag;
}

std::optional<Colorimetry> colours_to_set(const Node& node, Role role)
{
    if (node.is_metadata(role))
        return std::nullopt;
    auto wanted = node.wanted_colorimetry(role);
    if (wanted || role == Role::capture)
        return wanted;
    const auto format = current_format(node, role);
    return format ? std::optional(colorimetry_of(*format)) : std::nullopt;
}

Status same_image(const Node& node, Role role, const Layout& picture, const Answer& answer, std::string_view call)
{
    const Layout layout = with_lines(picture);
    const bool coded = node.is_coded(role);
    const bool padded = is_padded(node, role, layout);
    const auto differs = [&](std::string detail) { return Error::unsupported(node.where(call), std::move(detail)); };
    const std::uint32_t fourcc = code_of(node, role, arrangement_of(layout));
    if (fourcc == 0)
        return differs(text::format("V4L2 has no code for {}", to_string(arrangement_of(layout))));
    if (layout.height != picture.height && coded)
        return differs("a codec takes all that it reads or writes for picture, also the lines around one");
    if (layout.height != picture.height && layout.modifier != linear)
        return differs(text::format("lines around a picture cannot be told from it in the tiles of {}",
                                    to_string(layout.modifier)));
    if (picture.lines_after != 0 && padded_rows(picture) != picture.height)
        return differs(text::format("V4L2 puts the lines behind a picture right behind its {} rows, but the layout "
                                    "puts them behind {}",
                                    picture.height, padded_rows(picture)));
    // V4L2 has no way to say where in a memory the image begins (vb2 itself refuses a
    // data_offset in a capture buffer).
    if (const auto start = misplaced_start(picture))
        return differs(
            text::format("V4L2 puts the image at the start of its memory{}, but the layout puts plane {} at {}",
                         picture.lines_before != 0 ? ", and the picture behind its lines" : "", *start,
                         picture.planes[*start].offset));
    if (const auto misplaced =
            misplaced_plane(layout, padded ? padded_rows(layout) : std::max(layout.rows, layout.height)))
        return differs(text::format("V4L2 puts plane {} right behind the one before, but the layout puts it at {}",
                                    *misplaced, layout.planes[*misplaced].offset));
    // Metadata has no pixels.
    if (!node.is_metadata(role) && !same_size(layout, answer, padded, node.is_compressed(role))) {
        Error error =
            differs(text::format("asked for {}x{}, the driver sets {}x{}{}", layout.width, layout.height, answer.width,
                                 answer.height, answer.is_one_field() ? ": one field of the picture in a buffer" : ""));
        if (answer.is_one_field())
            error.advice = text::format("use {}x{}, and each buffer holds one field", answer.width, answer.height);
        return error;
    }
    if (answer.fourcc != fourcc || answer.memory_count != layout.memory_count)
        return differs(text::format("asked for {} in {} memories, the driver sets {} in {}",
                                    to_string(Format::v4l2(fourcc)), layout.memory_count,
                                    to_string(Format::v4l2(answer.fourcc)), answer.memory_count));
    // A single field is an image of half the height. Two, one after the other, are not.
    if (answer.field == V4L2_FIELD_SEQ_TB || answer.field == V4L2_FIELD_SEQ_BT)
        return differs(text::format("the driver puts both fields into a buffer, one after the other (v4l2_field {})",
                                    answer.field));
    for (std::uint32_t i = 0; i < layout.memory_count; ++i) {
        const std::uint32_t line = line_of_memory(layout, i);
        if (line != 0 && answer.strides[i] != line)
            return differs(text::format("asked for a stride of {}, the driver sets {}", line, answer.strides[i]));
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

Result<Answer> try_format(const Node& node, Role role, const Layout& layout)
{
    return ask(node, role, layout, false, node.wanted_colorimetry(role));
}

Result<Answer> set_format(const Node& node, Role role, const Layout& layout, std::optional<Colorimetry> colours)
{
    auto asked = ask(node, role, layout, true, colours ? colours : colours_to_set(node, role));
    if (!asked)
        return asked.error();
    const Answer answer = *asked;
    if (const Status same = same_image(node, role, layout, answer, "VIDIOC_S_FMT"); !same)
        return same.error();
    // The stream itself says which part of its pictures a decoder shows. With lines, all of it is
    // picture to the device.
    if (role == Role::capture || !is_padded(node, role, layout) ||
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
                                  text::format("asked to read {}x{} of the padded {}x{}, the device reads {}x{}",
                                               layout.width, layout.height, answer.width, answer.height,
                                               selection.r.width, selection.r.height));
    return answer;
}

Result<os::NodeLock> lock_formats(const Node& node)
{
    if (node.info().memory_to_memory)
        return os::NodeLock();
    return os::NodeLock::acquire(node.fd(), node.info().path);
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
