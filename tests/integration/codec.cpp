// SPDX-License-Identifier: MIT
#include "codec.hpp"

#include <drm_fourcc.h>
#include <linux/videodev2.h>

#include <algorithm>
#include <cstring>

namespace codec {
namespace {

using namespace std::chrono_literals;
using cb::v4l2::Role;

/// The next frame of one of two queues on one file handle.
cb::Result<cb::v4l2::Frame> next(cb::v4l2::Queue& queue) { return queue.dequeue(cb::deadline_in(10s)); }

cb::Result<cb::Layout> layout_for(const cb::Use& use, cb::Format format, Size size)
{
    const auto plan = cb::Allocator().plan({format, size.width, size.height}, {use, cb::cpu(cb::Access::read_write)});
    if (!plan)
        return plan.error();
    return plan->layout();
}

cb::Status write(const cb::Buffer& buffer, const Bytes& content)
{
    auto access = buffer.write(cb::deadline_in(5s));
    if (!access)
        return access.error();
    const auto plane = access->plane(0);
    if (content.size() > plane.size())
        return cb::Error::invalid_argument("write a frame", "it does not fit");
    std::memcpy(plane.data(), content.data(), content.size());
    return access->end();
}

} // namespace

cb::Status draw(const cb::Buffer& buffer, std::uint32_t number)
{
    auto access = buffer.write(cb::deadline_in(5s));
    if (!access)
        return access.error();
    const cb::Layout& layout = buffer.layout();
    for (std::uint32_t p = 0; p < layout.plane_count; ++p) {
        const auto plane = access->plane(p);
        const std::uint32_t stride = layout.planes[p].stride;
        // Padding too: what an encoder reads of it must not be chance.
        for (std::size_t at = 0; at < plane.size(); ++at) {
            const std::size_t x = at % stride;
            const std::size_t y = at / stride;
            // Most of it stays, so that codecs have something to predict.
            const std::size_t moved = y / 16 % 8 == number % 8 ? 5 * number + 60 : 0;
            plane[at] = static_cast<std::byte>(64 + ((x * 3) ^ (y * 5)) % 64 + moved % 64 + p * 16);
        }
    }
    return access->end();
}

cb::Result<Bytes> pixels(const cb::Buffer& buffer)
{
    auto access = buffer.read(cb::deadline_in(5s));
    if (!access)
        return access.error();
    const cb::Layout& layout = buffer.layout();
    const cb::FormatInfo& format = *cb::format_info(layout.format);
    Bytes seen;
    for (std::uint32_t p = 0; p < layout.plane_count; ++p) {
        const auto plane = access->plane(p);
        const auto row = static_cast<std::ptrdiff_t>(cb::min_stride(format, p, layout.width));
        for (std::uint32_t y = 0; y < cb::plane_rows(format, p, layout.height); ++y) {
            const auto from = plane.begin() + static_cast<std::ptrdiff_t>(y) * layout.planes[p].stride;
            seen.insert(seen.end(), from, from + row);
        }
    }
    if (auto ended = access->end(); !ended)
        return ended.error();
    return seen;
}

cb::Result<Bytes> bytes(const cb::Buffer& buffer, std::uint32_t count)
{
    auto access = buffer.read(cb::deadline_in(5s));
    if (!access)
        return access.error();
    const auto plane = access->plane(0);
    Bytes copy(plane.begin(), plane.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(count, plane.size())));
    if (auto ended = access->end(); !ended)
        return ended.error();
    return copy;
}

cb::Result<std::vector<Bytes>> encode_in_own_memory(Size size, std::uint32_t frames)
{
    const auto device = cb::v4l2::Device::open("@stateful-encoder");
    if (!device)
        return device.error();
    const auto raw = layout_for(device->output(), DRM_FORMAT_NV12, size);
    const auto coded = layout_for(device->capture(), cb::Format::v4l2(V4L2_PIX_FMT_FWHT), size);
    if (!raw || !coded)
        return (raw ? coded : raw).error();
    auto in = device->open_own_queue(Role::output, *raw, 2);
    auto out = in ? device->open_own_queue(Role::capture, *coded, 2) : in.error();
    if (!out)
        return out.error();
    std::vector<Bytes> stream;
    for (std::uint32_t i = 0; i < frames; ++i) {
        const cb::Buffer picture = in->buffers().at(i % 2);
        auto done = draw(picture, i).and_then([&] { return in->queue(picture); }).and_then([&] {
            return out->queue(out->buffers().at(i % 2));
        });
        if (done && i == 0)
            done = in->start().and_then([&] { return out->start(); });
        if (!done)
            return done.error();
        const auto frame = next(*out);
        if (!frame)
            return frame.error();
        auto content = bytes(frame->buffer, frame->bytes_used[0]);
        if (!content)
            return content.error();
        stream.push_back(std::move(*content));
        if (const auto back = next(*in); !back)
            return back.error();
    }
    return stream;
}

cb::Result<std::vector<Bytes>> decode_in_own_memory(Size size, std::span<const Bytes> stream)
{
    const auto device = cb::v4l2::Device::open("@stateful-decoder");
    if (!device)
        return device.error();
    const auto coded = layout_for(device->output(), cb::Format::v4l2(V4L2_PIX_FMT_FWHT), size);
    if (!coded)
        return coded.error();
    auto in = device->open_own_queue(Role::output, *coded, 2);
    if (!in)
        return in.error();
    std::optional<cb::v4l2::Queue> out;
    std::vector<Bytes> pictures;
    for (std::size_t i = 0; i < stream.size(); ++i) {
        const cb::Buffer frame = in->buffers().at(i % 2);
        cb::v4l2::Payload payload;
        payload.bytes_used[0] = static_cast<std::uint32_t>(stream[i].size());
        auto done = write(frame, stream[i]).and_then([&] { return in->queue(frame, payload); });
        if (done && i == 0) {
            done = in->start();
            // The first frame tells the decoder the size; only then its pictures can be set.
            const auto raw = layout_for(device->capture(), DRM_FORMAT_NV12, size);
            if (!raw)
                return raw.error();
            auto opened = device->open_own_queue(Role::capture, *raw, 2);
            if (!opened)
                return opened.error();
            out.emplace(std::move(*opened));
        }
        if (done)
            done = out->queue(out->buffers().at(i % out->slots()));
        if (done && i == 0)
            done = out->start();
        if (!done)
            return done.error();
        const auto picture = next(*out);
        if (!picture)
            return picture.error();
        auto seen = pixels(picture->buffer);
        if (!seen)
            return seen.error();
        pictures.push_back(std::move(*seen));
        if (const auto back = next(*in); !back)
            return back.error();
    }
    return pictures;
}

} // namespace codec
