// SPDX-License-Identifier: MIT
#include "truth_v4l2.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace truth {

VideoNode::VideoNode(std::string path) : path_(std::move(path)), fd_(open_node(path_))
{
    v4l2_capability capability{};
    call(fd(), VIDIOC_QUERYCAP, &capability, "VIDIOC_QUERYCAP on " + path_);
    constexpr std::uint32_t multi =
        V4L2_CAP_VIDEO_CAPTURE_MPLANE | V4L2_CAP_VIDEO_OUTPUT_MPLANE | V4L2_CAP_VIDEO_M2M_MPLANE;
    multiplanar_ = (capability.device_caps & multi) != 0;
}

v4l2_buf_type VideoNode::capture() const noexcept
{
    return multiplanar_ ? V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE : V4L2_BUF_TYPE_VIDEO_CAPTURE;
}

v4l2_buf_type VideoNode::output() const noexcept
{
    return multiplanar_ ? V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE : V4L2_BUF_TYPE_VIDEO_OUTPUT;
}

std::vector<std::uint32_t> VideoNode::codes(v4l2_buf_type type) const
{
    std::vector<std::uint32_t> all;
    v4l2_fmtdesc entry{};
    entry.type = type;
    for (; attempt(fd(), VIDIOC_ENUM_FMT, &entry) == 0; ++entry.index)
        all.push_back(entry.pixelformat);
    return all;
}

std::optional<v4l2_queryctrl> VideoNode::control(const std::string& name) const
{
    v4l2_queryctrl query{};
    for (query.id = V4L2_CTRL_FLAG_NEXT_CTRL; attempt(fd(), VIDIOC_QUERYCTRL, &query) == 0;
         query.id |= V4L2_CTRL_FLAG_NEXT_CTRL) {
        if (name == reinterpret_cast<const char*>(query.name))
            return query;
    }
    return std::nullopt;
}

bool VideoNode::set_control(const std::string& name, std::int32_t value) const
{
    const auto found = control(name);
    v4l2_control wanted{found ? found->id : 0, value};
    return found && attempt(fd(), VIDIOC_S_CTRL, &wanted) == 0;
}

bool VideoNode::set_menu(const std::string& name, const std::string& item) const
{
    const auto found = control(name);
    if (!found)
        return false;
    v4l2_querymenu menu{};
    menu.id = found->id;
    for (std::int32_t i = found->minimum; i <= found->maximum; ++i) {
        menu.index = static_cast<std::uint32_t>(i);
        if (attempt(fd(), VIDIOC_QUERYMENU, &menu) == 0 && item == reinterpret_cast<const char*>(menu.name))
            return set_control(name, i);
    }
    return false;
}

VideoQueue::~VideoQueue() { stop(); }

const VideoQueue::Format& VideoQueue::set(std::uint32_t code, std::uint32_t width, std::uint32_t height,
                                          const std::vector<std::uint32_t>& strides)
{
    v4l2_format wanted{};
    wanted.type = type_;
    if (node_.multiplanar()) {
        v4l2_pix_format_mplane& pixels = wanted.fmt.pix_mp;
        pixels.pixelformat = code;
        pixels.width = width;
        pixels.height = height;
        pixels.field = V4L2_FIELD_NONE;
        pixels.num_planes = static_cast<std::uint8_t>(std::max<std::size_t>(strides.size(), 1));
        for (std::size_t i = 0; i < strides.size(); ++i)
            pixels.plane_fmt[i].bytesperline = strides[i];
    } else {
        v4l2_pix_format& pixels = wanted.fmt.pix;
        pixels.pixelformat = code;
        pixels.width = width;
        pixels.height = height;
        pixels.field = V4L2_FIELD_NONE;
        pixels.bytesperline = strides.empty() ? 0 : strides.front();
    }
    call(node_.fd(), VIDIOC_S_FMT, &wanted, words("VIDIOC_S_FMT"));
    if (read_format().code != code)
        throw Refused(words("VIDIOC_S_FMT") + ": the driver takes " + letters(format_.code) + " instead of " +
                      letters(code));
    return format_;
}

const VideoQueue::Format& VideoQueue::set(const Layout& layout)
{
    const Shape& shape = *shape_of(layout.fourcc);
    const bool apart = layout.memories.size() > 1;
    if (apart && layout.memories.size() != shape.planes.size())
        throw Refused("V4L2 has no planes in so many memories");
    std::vector<std::uint32_t> strides;
    for (std::size_t i = 0; i < layout.memories.size(); ++i)
        strides.push_back(layout.planes[i].stride);
    for (std::size_t i = 0; i < layout.planes.size(); ++i) {
        const Plane& plane = layout.planes[i];
        if ((apart && plane.memory != i) || (i == 0 && !apart && plane.offset != 0))
            throw Refused("V4L2 has no word for where plane " + std::to_string(i) + " begins");
    }
    const auto known = node_.codes(type_);
    for (const std::uint32_t code : apart ? shape.apart : shape.together) {
        if (std::find(known.begin(), known.end(), code) == known.end())
            continue;
        set(code, layout.width, layout.height, strides);
        if (format_.width < layout.width || format_.height < layout.height)
            throw Refused(words("VIDIOC_S_FMT") + ": the driver makes it " + std::to_string(format_.width) + "x" +
                          std::to_string(format_.height));
        for (std::size_t i = 0; i < strides.size(); ++i) {
            if (i >= format_.strides.size() || format_.strides[i] != strides[i])
                throw Refused(words("VIDIOC_S_FMT") + ": the driver has another stride than " +
                              std::to_string(strides[i]));
        }
        return format_;
    }
    throw Refused(node_.path() + " has no " + letters(layout.fourcc) + (apart ? " in several memories" : ""));
}

const VideoQueue::Format& VideoQueue::read_format()
{
    v4l2_format now{};
    now.type = type_;
    call(node_.fd(), VIDIOC_G_FMT, &now, words("VIDIOC_G_FMT"));
    format_ = {};
    if (node_.multiplanar()) {
        const v4l2_pix_format_mplane& pixels = now.fmt.pix_mp;
        format_ = {pixels.pixelformat, pixels.width, pixels.height, {}, {}};
        for (std::size_t i = 0; i < pixels.num_planes; ++i) {
            format_.strides.push_back(pixels.plane_fmt[i].bytesperline);
            format_.sizes.push_back(pixels.plane_fmt[i].sizeimage);
        }
    } else {
        const v4l2_pix_format& pixels = now.fmt.pix;
        format_ = {pixels.pixelformat, pixels.width, pixels.height, {pixels.bytesperline}, {pixels.sizeimage}};
    }
    return format_;
}

void VideoQueue::select(std::uint32_t target, std::uint32_t width, std::uint32_t height) const
{
    v4l2_selection part{};
    part.type = type_ == node_.capture() ? V4L2_BUF_TYPE_VIDEO_CAPTURE : V4L2_BUF_TYPE_VIDEO_OUTPUT;
    part.target = target;
    part.r = {0, 0, width, height};
    attempt(node_.fd(), VIDIOC_S_SELECTION, &part);
}

std::optional<v4l2_rect> VideoQueue::selected(std::uint32_t target) const
{
    v4l2_selection part{};
    part.type = type_ == node_.capture() ? V4L2_BUF_TYPE_VIDEO_CAPTURE : V4L2_BUF_TYPE_VIDEO_OUTPUT;
    part.target = target;
    return attempt(node_.fd(), VIDIOC_G_SELECTION, &part) == 0 ? std::optional(part.r) : std::nullopt;
}

void VideoQueue::select_default(std::uint32_t target) const
{
    // The default follows the target in each group (videodev2.h).
    if (const auto whole = selected(target + 1)) {
        v4l2_selection part{};
        part.type = type_ == node_.capture() ? V4L2_BUF_TYPE_VIDEO_CAPTURE : V4L2_BUF_TYPE_VIDEO_OUTPUT;
        part.target = target;
        part.r = *whole;
        attempt(node_.fd(), VIDIOC_S_SELECTION, &part);
    }
}

Layout VideoQueue::own_layout(std::uint32_t width, std::uint32_t height) const
{
    const bool apart = format_.sizes.size() > 1;
    const Shape* shape = shape_of_v4l2(format_.code, apart);
    if (shape == nullptr)
        throw Unknowable("nobody here knows the pixels of V4L2's " + letters(format_.code));
    Layout layout{shape->fourcc, 0, width, height, {}, {}};
    std::uint64_t offset = 0;
    for (std::size_t i = 0; i < shape->planes.size(); ++i) {
        const std::uint32_t stride = apart ? format_.strides[i] : shape->stride(i, format_.strides[0]);
        layout.planes.push_back({apart ? static_cast<std::uint32_t>(i) : 0, stride, offset});
        if (!apart)
            offset += std::uint64_t{stride} * shape->rows(i, format_.height);
    }
    layout.memories.assign(format_.sizes.begin(), format_.sizes.end());
    return layout;
}

void VideoQueue::request(std::uint32_t memory, std::uint32_t count)
{
    v4l2_requestbuffers wanted{};
    wanted.type = type_;
    wanted.memory = memory;
    wanted.count = count;
    call(node_.fd(), VIDIOC_REQBUFS, &wanted, words("VIDIOC_REQBUFS"));
    memory_ = memory;
    count_ = wanted.count;
    if (count_ == 0)
        throw Refused(words("VIDIOC_REQBUFS") + ": the driver makes no slot");
}

void VideoQueue::make_own(std::uint32_t count)
{
    request(V4L2_MEMORY_MMAP, count);
    for (std::uint32_t slot = 0; slot < count_; ++slot) {
        std::vector<v4l2_plane> planes(format_.sizes.size());
        v4l2_buffer buffer{};
        buffer.type = type_;
        buffer.memory = memory_;
        buffer.index = slot;
        if (node_.multiplanar()) {
            buffer.m.planes = planes.data();
            buffer.length = static_cast<std::uint32_t>(planes.size());
        }
        call(node_.fd(), VIDIOC_QUERYBUF, &buffer, words("VIDIOC_QUERYBUF"));
        auto& mappings = mappings_.emplace_back();
        auto& maps = maps_.emplace_back();
        for (const v4l2_plane& plane : planes) {
            const bool multi = node_.multiplanar();
            mappings.push_back(std::make_unique<Mapping>(node_.fd(), multi ? plane.length : buffer.length,
                                                         multi ? plane.m.mem_offset : buffer.m.offset));
            maps.push_back(mappings.back()->bytes());
        }
    }
}

void VideoQueue::make_slots(std::uint32_t count) { request(V4L2_MEMORY_DMABUF, count); }

void VideoQueue::queue(v4l2_buffer& buffer, std::vector<v4l2_plane>& planes)
{
    buffer.type = type_;
    buffer.memory = memory_;
    buffer.field = V4L2_FIELD_NONE;
    if (node_.multiplanar()) {
        buffer.m.planes = planes.data();
        buffer.length = static_cast<std::uint32_t>(planes.size());
    } else {
        buffer.length = planes[0].length;
        buffer.bytesused = planes[0].bytesused;
        buffer.m.fd = planes[0].m.fd;
    }
    const int error = attempt(node_.fd(), VIDIOC_QBUF, &buffer);
    if (error != 0)
        throw Refused(failed(words("VIDIOC_QBUF"), error));
}

void VideoQueue::queue_own(std::uint32_t slot, std::uint32_t used)
{
    std::vector<v4l2_plane> planes(format_.sizes.size());
    for (std::size_t i = 0; i < planes.size(); ++i)
        planes[i].bytesused = used != 0 ? used : format_.sizes[i];
    v4l2_buffer buffer{};
    buffer.index = slot;
    queue(buffer, planes);
}

void VideoQueue::queue(std::uint32_t slot, const Buffer& from)
{
    std::vector<v4l2_plane> planes(from.layout().memories.size());
    for (std::size_t i = 0; i < planes.size(); ++i) {
        planes[i].m.fd = from.fd(i);
        planes[i].length = static_cast<std::uint32_t>(from.size(i));
        planes[i].bytesused = i < format_.sizes.size() ? format_.sizes[i] : 0;
    }
    v4l2_buffer buffer{};
    buffer.index = slot;
    queue(buffer, planes);
}

VideoQueue::Done VideoQueue::dequeue()
{
    constexpr int patience = 10000;
    if (!wait_for(node_.fd(), type_ == node_.capture() ? POLLIN : POLLOUT, patience))
        throw Refused(node_.path() + " gave nothing within 10 s");
    std::vector<v4l2_plane> planes(VIDEO_MAX_PLANES);
    v4l2_buffer buffer{};
    buffer.type = type_;
    buffer.memory = memory_;
    if (node_.multiplanar()) {
        buffer.m.planes = planes.data();
        buffer.length = VIDEO_MAX_PLANES;
    }
    const int error = attempt(node_.fd(), VIDIOC_DQBUF, &buffer);
    if (error != 0)
        throw Refused(failed(words("VIDIOC_DQBUF"), error));
    if ((buffer.flags & V4L2_BUF_FLAG_ERROR) != 0)
        throw Refused(words("VIDIOC_DQBUF") + ": the content is broken");
    Done done{buffer.index, node_.multiplanar() ? planes[0].bytesused : buffer.bytesused, {}};
    for (std::size_t i = 0; i < format_.sizes.size(); ++i)
        done.offsets.push_back(node_.multiplanar() ? planes[i].data_offset : 0);
    return done;
}

void VideoQueue::start()
{
    if (streaming_)
        return;
    int type = type_;
    const int error = attempt(node_.fd(), VIDIOC_STREAMON, &type);
    if (error != 0)
        throw Refused(failed(words("VIDIOC_STREAMON"), error));
    streaming_ = true;
}

void VideoQueue::stop()
{
    int type = type_;
    if (streaming_)
        attempt(node_.fd(), VIDIOC_STREAMOFF, &type);
    streaming_ = false;
    maps_.clear();
    mappings_.clear();
    if (count_ == 0)
        return;
    v4l2_requestbuffers none{};
    none.type = type_;
    none.memory = memory_;
    attempt(node_.fd(), VIDIOC_REQBUFS, &none);
    count_ = 0;
}

void Slots::open(const std::vector<Buffer>& buffers)
{
    buffers_ = &buffers;
    const auto count = static_cast<std::uint32_t>(std::max<std::size_t>(buffers.size(), 2)) - 1;
    queue_.make_slots(count);
    holds_.assign(count, 0);
    for (std::uint32_t slot = count; slot > 0; --slot)
        free_.push_back(slot - 1);
}

void Slots::give(std::size_t buffer)
{
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    holds_[slot] = buffer;
    queue_.queue(slot, (*buffers_)[buffer]);
}

std::size_t Slots::take(std::uint32_t slot)
{
    free_.push_back(slot);
    return holds_[slot];
}

Layout shifted(const Layout& layout, const VideoQueue::Done& done)
{
    Layout result = layout;
    for (Plane& plane : result.planes)
        plane.offset += done.offsets[plane.memory];
    return result;
}

} // namespace truth
