// SPDX-License-Identifier: MIT
#include "base/text.hpp"
#include "buffer/buffer_state.hpp"
#include "os/os.hpp"

#include <commonbuf/adapters.hpp>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <utility>

namespace commonbuf::adapters {
namespace {

constexpr const char* describing = "describe a buffer";
constexpr const char* reading = "read the description of a buffer";

Error lie(std::string detail) { return Error::invalid_argument(reading, std::move(detail)); }

/// Whether another interface can say all of a buffer: DRM's format, and offsets of 32 bits.
Status describable(const Buffer& buffer)
{
    if (Status can = shareable(buffer, describing); !can)
        return can;
    const Layout& layout = buffer.layout();
    if (layout.format.is_v4l2)
        return Error::unsupported(describing, text::format("DRM has no code for {}", to_string(layout.format)));
    constexpr std::uint64_t most = std::numeric_limits<std::int32_t>::max();
    for (const Plane& plane : layout.used_planes()) {
        if (plane.offset > most || plane.stride > most)
            return Error::unsupported(describing, text::format("the plane at {} with a stride of {} is beyond 31 bits",
                                                               plane.offset, plane.stride));
    }
    return {};
}

constexpr std::uint32_t high(Modifier modifier) noexcept { return static_cast<std::uint32_t>(modifier.value >> 32U); }
constexpr std::uint32_t low(Modifier modifier) noexcept { return static_cast<std::uint32_t>(modifier.value); }
constexpr Modifier from_halves(std::uint32_t high_half, std::uint32_t low_half) noexcept
{
    return std::uint64_t{high_half} << 32U | low_half;
}

/// A plane with a borrowed descriptor.
struct Described {
    int fd = -1;
    std::uint32_t stride = 0;
    std::uint64_t offset = 0;
    Modifier modifier = linear;
};

/// Duplicates the descriptors, those of one dma-buf once, and makes the layout.
Result<ForeignBuffer> joined(Format format, std::uint32_t width, std::uint32_t height,
                             std::span<const Described> planes)
{
    ForeignBuffer made;
    std::vector<os::FileId> ids;
    std::vector<std::uint64_t> sizes;
    std::vector<ForeignPlane> foreign;
    if (planes.empty() || planes.size() > max_planes)
        return lie(text::format("{} planes are not between 1 and {}", planes.size(), max_planes));
    for (const Described& plane : planes) {
        // Before anything else is asked of it: other files may hang, or lie.
        const auto known_kind = os::is_dma_buf(plane.fd);
        if (!known_kind)
            return known_kind.error();
        if (!*known_kind)
            return lie(text::format("descriptor {} is not a dma-buf", plane.fd));
        const auto id = os::id_of(plane.fd);
        if (!id)
            return id.error();
        const auto known = std::ranges::find(ids, *id);
        foreign.push_back(
            {static_cast<std::uint32_t>(known - ids.begin()), plane.stride, plane.offset, plane.modifier});
        if (known != ids.end())
            continue;
        const auto size = os::size_of(plane.fd);
        if (!size)
            return size.error();
        auto own = duplicate(plane.fd);
        if (!own)
            return own.error();
        ids.push_back(*id);
        sizes.push_back(*size);
        made.memories.push_back(std::move(*own));
    }
    auto layout = foreign_layout(format, width, height, foreign, sizes);
    if (!layout)
        return layout.error();
    made.layout = *layout;
    return made;
}

} // namespace

Result<LinuxDmabuf> to_linux_dmabuf(const Buffer& buffer)
{
    if (const Status can = describable(buffer); !can)
        return can.error();
    const Layout& layout = buffer.layout();
    LinuxDmabuf image{
        static_cast<std::int32_t>(layout.width), static_cast<std::int32_t>(layout.height), layout.format.fourcc, 0, {}};
    for (std::uint32_t i = 0; i < layout.plane_count; ++i) {
        const Plane& plane = layout.planes[i];
        image.planes.push_back({buffer.dma_buf_fd(plane.memory), i, static_cast<std::uint32_t>(plane.offset),
                                plane.stride, high(layout.modifier), low(layout.modifier)});
    }
    return image;
}

Result<ForeignBuffer> from_linux_dmabuf(const LinuxDmabuf& image)
{
    if (image.width <= 0 || image.height <= 0)
        return lie(text::format("{}x{} pixels make no picture", image.width, image.height));
    if (image.flags != 0)
        return Error::unsupported(reading, text::format("the flags {:#x} are not supported", image.flags));
    std::vector<std::optional<Described>> found(max_planes);
    for (const LinuxDmabufPlane& plane : image.planes) {
        if (plane.plane_idx >= max_planes || found[plane.plane_idx])
            return lie(text::format("plane {} is one too many, or comes twice", plane.plane_idx));
        found[plane.plane_idx] =
            Described{plane.fd, plane.stride, plane.offset, from_halves(plane.modifier_hi, plane.modifier_lo)};
    }
    std::vector<Described> planes;
    for (std::size_t i = 0; i < image.planes.size(); ++i) {
        if (!found[i])
            return lie(text::format("plane {} of {} is missing", i, image.planes.size()));
        planes.push_back(*found[i]);
    }
    return joined(image.format, static_cast<std::uint32_t>(image.width), static_cast<std::uint32_t>(image.height),
                  planes);
}

Result<Feedback> to_feedback(dev_t main_device, std::span<const FeedbackSource> sources)
{
    Feedback made{main_device, {}, {}};
    std::map<FormatModifier, std::uint16_t> known;
    for (const FeedbackSource& source : sources) {
        FeedbackTranche tranche{source.device, source.flags, {}};
        for (const FormatModifier& each : source.formats) {
            if (each.format.is_v4l2)
                continue;
            if (made.table.size() > std::numeric_limits<std::uint16_t>::max())
                return Error::invalid_argument("make a table of formats", "it has more entries than 16 bits can count");
            const auto [entry, fresh] = known.try_emplace(each, static_cast<std::uint16_t>(made.table.size()));
            if (fresh)
                made.table.push_back({each.format.fourcc, 0, each.modifier.value});
            if (std::ranges::find(tranche.indices, entry->second) == tranche.indices.end())
                tranche.indices.push_back(entry->second);
        }
        made.tranches.push_back(std::move(tranche));
    }
    return made;
}

Result<std::vector<FeedbackSource>> from_feedback(const Feedback& feedback)
{
    std::vector<FeedbackSource> sources;
    for (const FeedbackTranche& tranche : feedback.tranches) {
        FeedbackSource source{tranche.device, tranche.flags, {}};
        for (const std::uint16_t index : tranche.indices) {
            if (index >= feedback.table.size())
                return Error::invalid_argument("read a table of formats",
                                               text::format("entry {} is beyond its {}", index, feedback.table.size()));
            const FeedbackEntry& entry = feedback.table[index];
            source.formats.push_back({entry.format, entry.modifier});
        }
        sources.push_back(std::move(source));
    }
    return sources;
}

Result<std::vector<SpaPlane>> to_spa(const Buffer& buffer)
{
    if (const Status can = describable(buffer); !can)
        return can.error();
    constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max();
    std::vector<SpaPlane> planes;
    for (const Plane& plane : buffer.layout().used_planes()) {
        const std::uint64_t room = buffer.size(plane.memory);
        planes.push_back({buffer.dma_buf_fd(plane.memory), 0, static_cast<std::uint32_t>(std::min(room, most)),
                          static_cast<std::uint32_t>(plane.offset),
                          static_cast<std::uint32_t>(std::min(plane.size, most)),
                          static_cast<std::int32_t>(plane.stride)});
    }
    return planes;
}

Result<ForeignBuffer> from_spa(std::span<const SpaPlane> spa, const FormatModifier& format, std::uint32_t width,
                               std::uint32_t height)
{
    std::vector<Described> planes;
    for (const SpaPlane& plane : spa) {
        if (plane.fd < 0 || plane.fd > std::numeric_limits<int>::max() || plane.chunk_stride < 0)
            return lie(text::format("descriptor {} with a stride of {}", plane.fd, plane.chunk_stride));
        planes.push_back({static_cast<int>(plane.fd), static_cast<std::uint32_t>(plane.chunk_stride),
                          std::uint64_t{plane.mapoffset} + plane.chunk_offset, format.modifier});
    }
    return joined(format.format, width, height, planes);
}

namespace egl {

// EGL/egl.h and EGL/eglext.h.
constexpr std::intptr_t none = 0x3038;
constexpr std::intptr_t height = 0x3056;
constexpr std::intptr_t width = 0x3057;
constexpr std::intptr_t fourcc = 0x3271; // EGL_LINUX_DRM_FOURCC_EXT
/// EGL_DMA_BUF_PLANE0_FD_EXT and so on; offset and pitch follow each.
constexpr std::array<std::intptr_t, max_planes> fd{0x3272, 0x3275, 0x3278, 0x3440};
/// EGL_DMA_BUF_PLANE0_MODIFIER_LO_EXT and so on; the high half follows each.
constexpr std::array<std::intptr_t, max_planes> modifier{0x3443, 0x3445, 0x3447, 0x3449};

} // namespace egl

Result<std::vector<std::intptr_t>> to_egl(const Buffer& buffer)
{
    if (const Status can = describable(buffer); !can)
        return can.error();
    const Layout& layout = buffer.layout();
    std::vector<std::intptr_t> list{egl::width,  static_cast<std::intptr_t>(layout.width),
                                    egl::height, static_cast<std::intptr_t>(layout.height),
                                    egl::fourcc, static_cast<std::intptr_t>(layout.format.fourcc)};
    for (std::size_t i = 0; i < layout.plane_count; ++i) {
        const Plane& plane = layout.planes[i];
        list.insert(list.end(), {egl::fd[i], buffer.dma_buf_fd(plane.memory), egl::fd[i] + 1,
                                 static_cast<std::intptr_t>(plane.offset), egl::fd[i] + 2,
                                 static_cast<std::intptr_t>(plane.stride)});
        if (layout.modifier != implicit_modifier)
            list.insert(list.end(), {egl::modifier[i], static_cast<std::intptr_t>(low(layout.modifier)),
                                     egl::modifier[i] + 1, static_cast<std::intptr_t>(high(layout.modifier))});
    }
    list.push_back(egl::none);
    return list;
}

Result<ForeignBuffer> from_egl(std::span<const std::intptr_t> attributes)
{
    struct Half {
        std::optional<std::uint32_t> low{};
        std::optional<std::uint32_t> high{};
    };
    std::array<std::optional<Described>, max_planes> planes{};
    std::array<Half, max_planes> modifiers{};
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    std::uint32_t fourcc = 0;
    for (std::size_t i = 0; i < attributes.size() && attributes[i] != egl::none; i += 2) {
        if (i + 1 == attributes.size())
            return lie("its last attribute has no value");
        const std::intptr_t key = attributes[i];
        const auto value = static_cast<std::uint32_t>(attributes[i + 1]); // signed or not, as the caller had it
        if (key == egl::width)
            width = value;
        if (key == egl::height)
            height = value;
        if (key == egl::fourcc)
            fourcc = value;
        for (std::size_t plane = 0; plane < max_planes; ++plane) {
            if (key >= egl::fd[plane] && key <= egl::fd[plane] + 2) {
                Described& each = planes[plane] ? *planes[plane] : planes[plane].emplace();
                if (key == egl::fd[plane])
                    each.fd = static_cast<int>(value);
                else if (key == egl::fd[plane] + 1)
                    each.offset = value;
                else
                    each.stride = value;
            }
            if (key == egl::modifier[plane])
                modifiers[plane].low = value;
            if (key == egl::modifier[plane] + 1)
                modifiers[plane].high = value;
        }
    }
    std::vector<Described> all;
    for (std::size_t i = 0; i < max_planes && planes[i]; ++i) {
        if (modifiers[i].low.has_value() != modifiers[i].high.has_value())
            return lie(text::format("plane {} has half a modifier", i));
        planes[i]->modifier = modifiers[i].low ? from_halves(*modifiers[i].high, *modifiers[i].low) : implicit_modifier;
        all.push_back(*planes[i]);
    }
    if (std::ranges::count_if(planes, [](const auto& each) { return each.has_value(); }) !=
        static_cast<std::ptrdiff_t>(all.size()))
        return lie("a plane between others is missing");
    return joined(fourcc, width, height, all);
}

Result<DrmFrame> to_drm_frame(const Buffer& buffer)
{
    if (const Status can = describable(buffer); !can)
        return can.error();
    const Layout& layout = buffer.layout();
    DrmFrame frame;
    frame.nb_objects = static_cast<int>(layout.memory_count);
    for (std::size_t i = 0; i < layout.memory_count; ++i)
        frame.objects[i] = {buffer.dma_buf_fd(i), static_cast<std::size_t>(buffer.size(i)), layout.modifier.value};
    frame.nb_layers = 1;
    DrmLayer& layer = frame.layers[0];
    layer.format = layout.format.fourcc;
    layer.nb_planes = static_cast<int>(layout.plane_count);
    for (std::size_t i = 0; i < layout.plane_count; ++i) {
        const Plane& plane = layout.planes[i];
        layer.planes[i] = {static_cast<int>(plane.memory), static_cast<std::ptrdiff_t>(plane.offset),
                           static_cast<std::ptrdiff_t>(plane.stride)};
    }
    return frame;
}

Result<ForeignBuffer> from_drm_frame(const DrmFrame& frame, std::uint32_t width, std::uint32_t height, Format format)
{
    constexpr int most = max_planes;
    if (frame.nb_objects < 1 || frame.nb_objects > most || frame.nb_layers < 1 || frame.nb_layers > most)
        return lie(
            text::format("{} objects and {} layers are not between 1 and {}", frame.nb_objects, frame.nb_layers, most));
    if (format.fourcc == 0 && frame.nb_layers != 1)
        return lie("it has several layers, and nobody said of which format");
    std::vector<Described> planes;
    for (const DrmLayer& layer : std::span(frame.layers).first(static_cast<std::size_t>(frame.nb_layers))) {
        if (layer.nb_planes < 1 || layer.nb_planes > most)
            return lie(text::format("a layer has {} planes, which are not between 1 and {}", layer.nb_planes, most));
        for (const DrmPlane& plane : std::span(layer.planes).first(static_cast<std::size_t>(layer.nb_planes))) {
            if (plane.object_index < 0 || plane.object_index >= frame.nb_objects || plane.offset < 0 ||
                plane.pitch < 0 || plane.pitch > std::numeric_limits<std::int32_t>::max())
                return lie(text::format("a plane is in object {} of {}, at {} with a stride of {}", plane.object_index,
                                        frame.nb_objects, plane.offset, plane.pitch));
            const DrmObject& object = frame.objects[static_cast<std::size_t>(plane.object_index)];
            planes.push_back({object.fd, static_cast<std::uint32_t>(plane.pitch),
                              static_cast<std::uint64_t>(plane.offset), object.format_modifier});
        }
    }
    return joined(format.fourcc != 0 ? format : Format(frame.layers[0].format), width, height, planes);
}

Result<GbmImport> to_gbm(const Buffer& buffer)
{
    if (const Status can = describable(buffer); !can)
        return can.error();
    const Layout& layout = buffer.layout();
    GbmImport image{layout.width, layout.height,        layout.format.fourcc, layout.plane_count, {-1, -1, -1, -1}, {},
                    {},           layout.modifier.value};
    for (std::size_t i = 0; i < layout.plane_count; ++i) {
        const Plane& plane = layout.planes[i];
        image.fds[i] = buffer.dma_buf_fd(plane.memory);
        image.strides[i] = static_cast<int>(plane.stride);
        image.offsets[i] = static_cast<int>(plane.offset);
    }
    return image;
}

Result<ForeignBuffer> from_gbm(const GbmImport& image)
{
    if (image.num_fds < 1 || image.num_fds > max_planes)
        return lie(text::format("{} descriptors are not between 1 and {}", image.num_fds, max_planes));
    std::vector<Described> planes;
    for (std::size_t i = 0; i < image.num_fds; ++i) {
        if (image.strides[i] < 0 || image.offsets[i] < 0)
            return lie(text::format("plane {} at {} with a stride of {}", i, image.offsets[i], image.strides[i]));
        planes.push_back({image.fds[i], static_cast<std::uint32_t>(image.strides[i]),
                          static_cast<std::uint64_t>(image.offsets[i]), image.modifier});
    }
    return joined(image.format, image.width, image.height, planes);
}

} // namespace commonbuf::adapters
