// SPDX-License-Identifier: MIT
//
// Media requests on real drivers: a codec that takes frames in no other way, and a camera that
// can.
#include "codec.hpp"
#include "devices.hpp"

#include <gtest/gtest.h>
#include <linux/v4l2-controls.h>
#include <linux/videodev2.h>
#include <poll.h>

#include <drm_fourcc.h>

#include <algorithm>
#include <cstring>

namespace {

namespace cb = commonbuf;
using namespace std::chrono_literals;
using cb::v4l2::M2m;
using cb::v4l2::MediaDevice;
using cb::v4l2::Role;
using codec::Bytes;

class Requests : public devices::Test {};

/// In front of each frame of an encoded stream (drivers/media/test-drivers/vicodec,
/// codec-fwht.h): 11 numbers, big-endian.
constexpr std::size_t header_bytes = 44;

std::uint32_t number(const Bytes& frame, std::size_t index)
{
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i)
        value = value << 8U | std::to_integer<std::uint32_t>(frame[index * 4 + i]);
    return value;
}

/// What a stateless decoder has to be told of a frame.
v4l2_ctrl_fwht_params describe(const Bytes& frame, std::chrono::nanoseconds before)
{
    v4l2_ctrl_fwht_params params{};
    params.backward_ref_ts = static_cast<__u64>(before.count());
    params.version = number(frame, 2);
    params.width = number(frame, 3);
    params.height = number(frame, 4);
    params.flags = number(frame, 5);
    params.colorspace = number(frame, 6);
    params.xfer_func = number(frame, 7);
    params.ycbcr_enc = number(frame, 8);
    params.quantization = number(frame, 9);
    return params;
}

std::span<const std::byte> as_bytes(const v4l2_ctrl_fwht_params& params)
{
    return std::as_bytes(std::span(&params, 1));
}

cb::Status fill(const cb::Buffer& buffer, std::span<const std::byte> content)
{
    auto access = buffer.write(cb::deadline_in(5s));
    if (!access)
        return access.error();
    std::copy(content.begin(), content.end(), access->plane(0).begin());
    return access->end();
}

constexpr codec::Size size{640, 480};

/// A stateless decoder with both sides open, and buffers.
struct Decoder {
    M2m device;
    MediaDevice media;
    std::vector<cb::Buffer> coded;
    std::vector<cb::Buffer> pictures;
};

cb::Result<Decoder> open_decoder()
{
    auto device = M2m::open("@stateless-decoder");
    if (!device)
        return device.error();
    auto media = MediaDevice::open(device->device());
    if (!media)
        return media.error();
    const auto coded = cb::Allocator().plan({cb::Format::v4l2(V4L2_PIX_FMT_FWHT_STATELESS), size.width, size.height},
                                            {cb::cpu(cb::Access::write), device->output()});
    const auto raw = cb::Allocator().plan({DRM_FORMAT_NV12, size.width, size.height},
                                          {device->capture(), cb::cpu(cb::Access::read)});
    if (!coded || !raw)
        return (coded ? raw : coded).error();
    if (auto opened = device->open_queues(coded->layout(), raw->layout(), 3); !opened)
        return opened.error();
    Decoder decoder{std::move(*device), std::move(*media), {}, {}};
    for (int i = 0; i < 3; ++i) {
        auto in = coded->allocate();
        auto out = raw->allocate();
        if (!in || !out)
            return (in ? out : in).error();
        decoder.coded.push_back(std::move(*in));
        decoder.pictures.push_back(std::move(*out));
    }
    return decoder;
}

#define NEED_DECODER(variable)                                                                                         \
    auto variable##_found = open_decoder();                                                                            \
    if (!variable##_found && variable##_found.error().category == cb::Category::not_present)                           \
        GTEST_SKIP() << variable##_found.error().message();                                                            \
    ASSERT_TRUE(variable##_found) << variable##_found.error().message();                                               \
    Decoder& variable = *variable##_found

TEST_F(Requests, AStatelessDecoderMakesWhatAStatefulOneMakes)
{
    NEED_DECODER(decoder);
    constexpr std::uint32_t frames = 8;
    const auto stream = codec::encode_in_own_memory(size, frames);
    ASSERT_TRUE(stream) << stream.error().message();
    const auto reference = codec::decode_in_own_memory(size, *stream);
    ASSERT_TRUE(reference) << reference.error().message();

    auto& in = *decoder.device.output_queue();
    auto& out = *decoder.device.capture_queue();
    EXPECT_TRUE(in.supports_requests());
    ASSERT_TRUE(decoder.device.start());
    auto request = decoder.media.allocate();
    ASSERT_TRUE(request) << request.error().message();
    std::chrono::nanoseconds before{};
    std::size_t predicted = 0;
    for (std::uint32_t i = 0; i < frames; ++i) {
        const Bytes& frame = (*stream)[i];
        cb::v4l2::Payload payload;
        payload.bytes_used[0] = static_cast<std::uint32_t>(frame.size() - header_bytes);
        payload.timestamp = std::chrono::milliseconds(i + 1);
        payload.request = request->fd();
        ASSERT_TRUE(fill(decoder.coded[i % 3], std::span(frame).subspan(header_bytes)));
        const auto params = describe(frame, before);
        const auto set = request->set_control(V4L2_CID_STATELESS_FWHT_PARAMS, as_bytes(params));
        ASSERT_TRUE(set) << set.error().message();
        ASSERT_TRUE(in.queue_when_ready(decoder.coded[i % 3], {}, payload));
        // The one before is what this one is made from: it stays as it is.
        ASSERT_TRUE(out.queue_when_ready(decoder.pictures[i % 3]));
        EXPECT_FALSE(*request->complete());
        const auto submitted = request->submit();
        ASSERT_TRUE(submitted) << submitted.error().message();
        ASSERT_TRUE(request->wait(cb::deadline_in(10s)));
        EXPECT_TRUE(*request->complete());
        const auto picture = out.dequeue(cb::deadline_in(10s));
        ASSERT_TRUE(picture) << picture.error().message();
        EXPECT_EQ(picture->timestamp, payload.timestamp);
        before = picture->timestamp;
        predicted += picture->coding() == cb::v4l2::Coding::predicted ? 1U : 0U;
        ASSERT_TRUE(in.dequeue(cb::deadline_in(10s)));
        const auto seen = codec::pixels(picture->buffer);
        ASSERT_TRUE(seen);
        EXPECT_TRUE(*seen == (*reference)[i]) << "picture " << i;
        ASSERT_TRUE(request->reset());
    }
    EXPECT_GT(predicted, 0U) << "some frame needs the one before it";
}

/// visl gets pictures in slices. It decodes none of them, but counts them, and paints bars.
TEST_F(Requests, SlicesOfOnePictureGoIntoOneBuffer)
{
    auto found = M2m::open("@visl");
    if (!found)
        GTEST_SKIP() << found.error().message();
    M2m& decoder = *found;
    EXPECT_EQ(decoder.kind(), M2m::Kind::decoder);
    const auto media = MediaDevice::open(decoder.device());
    ASSERT_TRUE(media) << media.error().message();
    const auto coded = cb::Allocator().plan({cb::Format::v4l2(V4L2_PIX_FMT_H264_SLICE), size.width, size.height},
                                            {cb::cpu(cb::Access::write), decoder.output()});
    ASSERT_TRUE(coded) << coded.error().message();
    const auto raw = cb::Allocator().plan({DRM_FORMAT_NV12, size.width, size.height},
                                          {decoder.capture(), cb::cpu(cb::Access::read_write)});
    ASSERT_TRUE(raw) << raw.error().message();
    constexpr std::uint32_t slices = 4;
    ASSERT_TRUE(decoder.open_queues(coded->layout(), raw->layout(), slices));
    auto& in = *decoder.output_queue();
    auto& out = *decoder.capture_queue();
    ASSERT_TRUE(in.supports_hold_capture());
    EXPECT_FALSE(out.supports_hold_capture());
    ASSERT_TRUE(decoder.start());

    std::vector<cb::Buffer> inputs;
    std::vector<cb::v4l2::MediaRequest> requests;
    for (std::uint32_t i = 0; i < slices; ++i) {
        auto input = coded->allocate();
        auto request = media->allocate();
        ASSERT_TRUE(input && request);
        ASSERT_TRUE(fill(*input, as_bytes(v4l2_ctrl_fwht_params{})));
        inputs.push_back(std::move(*input));
        requests.push_back(std::move(*request));
    }
    const auto submit = [&](std::uint32_t slice, std::chrono::milliseconds picture, bool hold) -> cb::Status {
        v4l2_ctrl_h264_slice_params params{};
        params.slice_type = V4L2_H264_SLICE_TYPE_I;
        params.first_mb_in_slice = slice * 300;
        cb::v4l2::Payload payload;
        payload.bytes_used[0] = 16;
        payload.timestamp = picture;
        payload.hold_capture = hold;
        payload.request = requests[slice].fd();
        return requests[slice]
            .set_control(V4L2_CID_STATELESS_H264_SLICE_PARAMS, std::as_bytes(std::span(&params, 1)))
            .and_then([&] { return in.queue_when_ready(inputs[slice], {}, payload); })
            .and_then([&] { return requests[slice].submit(); });
    };
    /// Every slice that was given is worked on, and can be used again.
    const auto finish = [&](std::uint32_t count) -> cb::Status {
        cb::Status first;
        for (std::uint32_t i = 0; i < count && first; ++i)
            first = requests[i].wait(cb::deadline_in(10s)).and_then([&] { return requests[i].reset(); });
        for (std::uint32_t i = 0; i < count && first; ++i) {
            if (const auto back = in.dequeue(cb::deadline_in(10s)); !back)
                first = back.error();
        }
        return first;
    };
    std::vector<cb::Buffer> pictures;
    for (int i = 0; i < 3; ++i) {
        auto picture = raw->allocate();
        ASSERT_TRUE(picture) << picture.error().message();
        ASSERT_TRUE(fill(*picture, std::vector<std::byte>(std::size_t{size.width} * size.height)));
        pictures.push_back(std::move(*picture));
    }

    // The last slice says that it is.
    ASSERT_TRUE(out.queue_when_ready(pictures[0]) && out.queue_when_ready(pictures[1]));
    for (std::uint32_t i = 0; i + 1 < slices; ++i) {
        const auto submitted = submit(i, 1ms, true);
        ASSERT_TRUE(submitted) << submitted.error().message();
    }
    const auto finished = finish(slices - 1);
    ASSERT_TRUE(finished) << finished.error().message();
    EXPECT_FALSE(*out.try_dequeue()) << "it waits for its last slice";
    EXPECT_EQ(out.with_device(), 2U);
    ASSERT_TRUE(submit(0, 1ms, false) && finish(1));
    const auto first = out.dequeue(cb::deadline_in(10s));
    ASSERT_TRUE(first) << first.error().message();
    EXPECT_EQ(first->buffer, pictures[0]);
    EXPECT_EQ(first->timestamp, 1ms);
    EXPECT_EQ(first->sequence, slices - 1) << "the driver counts slices";
    EXPECT_FALSE(*out.try_dequeue()) << "once, and no other";
    const auto seen = codec::pixels(first->buffer);
    ASSERT_TRUE(seen);
    EXPECT_EQ(std::count(seen->begin(), seen->end(), std::byte{0}), 0) << "all of it is painted";

    // All of them hold; the next picture lets go of it.
    for (std::uint32_t i = 0; i < slices; ++i)
        ASSERT_TRUE(submit(i, 2ms, true));
    ASSERT_TRUE(finish(slices));
    EXPECT_FALSE(*out.try_dequeue());
    ASSERT_TRUE(out.queue_when_ready(pictures[2]));
    ASSERT_TRUE(submit(0, 3ms, true) && finish(1));
    const auto second = out.dequeue(cb::deadline_in(10s));
    ASSERT_TRUE(second) << second.error().message();
    EXPECT_EQ(second->buffer, pictures[1]);
    EXPECT_EQ(second->timestamp, 2ms);
    EXPECT_EQ(second->sequence, 2 * slices - 1);

    // None follows, and nobody knew.
    ASSERT_TRUE(submit(1, 3ms, true));
    ASSERT_TRUE(requests[1].wait(cb::deadline_in(10s)) && in.dequeue(cb::deadline_in(10s)));
    EXPECT_FALSE(*out.try_dequeue());
    EXPECT_EQ(decoder.drain().error().category, cb::Category::unsupported);
    const auto flushed = decoder.flush();
    ASSERT_TRUE(flushed) << flushed.error().message();
    const auto third = out.dequeue(cb::deadline_in(10s));
    ASSERT_TRUE(third) << third.error().message();
    EXPECT_EQ(third->buffer, pictures[2]);
    EXPECT_EQ(third->sequence, 2 * slices + 1);
    EXPECT_TRUE(decoder.flush()) << "nothing is held";
    EXPECT_FALSE(*out.try_dequeue());
}

/// Where the kernel would pass over the wish, and give the picture back with its first slice.
TEST_F(Requests, WhoHoldsNoPictureSaysSo)
{
    NEED_DECODER(decoder);
    auto& in = *decoder.device.output_queue();
    auto request = decoder.media.allocate();
    ASSERT_TRUE(request);
    EXPECT_FALSE(in.supports_hold_capture());
    cb::v4l2::Payload payload;
    payload.hold_capture = true;
    payload.request = request->fd();
    const auto refused = in.queue_when_ready(decoder.coded[0], {}, payload);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().category, cb::Category::unsupported) << refused.error().message();
    EXPECT_EQ(decoder.device.flush().error().category, cb::Category::unsupported);
}

TEST_F(Requests, ADriverThatRequiresThemSaysSo)
{
    NEED_DECODER(decoder);
    auto& in = *decoder.device.output_queue();
    EXPECT_FALSE(in.requires_requests()) << "nobody has asked yet";
    const auto refused = in.queue_when_ready(decoder.coded[0]);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().category, cb::Category::invalid_argument) << refused.error().message();
    EXPECT_EQ(refused.error().sys_errno, EBADR);
    EXPECT_TRUE(in.requires_requests());
    EXPECT_EQ(in.with_device(), 0U);
    const auto drained = decoder.device.drain();
    ASSERT_FALSE(drained);
    EXPECT_EQ(drained.error().category, cb::Category::unsupported) << drained.error().message();

    // And one that has none says that.
    auto encoder = cb::v4l2::Device::open("@stateful-encoder");
    ASSERT_TRUE(encoder);
    const auto plan = cb::Allocator().plan({DRM_FORMAT_NV12, size.width, size.height}, {encoder->output()});
    ASSERT_TRUE(plan);
    auto queue = encoder->open_queue(Role::output, plan->layout(), 2);
    ASSERT_TRUE(queue);
    EXPECT_FALSE(queue->supports_requests());
    auto request = decoder.media.allocate();
    ASSERT_TRUE(request);
    cb::v4l2::Payload payload;
    payload.request = request->fd();
    const auto none = queue->queue(*plan->allocate(), payload);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().sys_errno, EBADR) << none.error().message();
    EXPECT_FALSE(queue->requires_requests());
}

TEST_F(Requests, WhatIsMissingIsSaidAndBuffersComeBack)
{
    NEED_DECODER(decoder);
    auto& in = *decoder.device.output_queue();
    auto request = decoder.media.allocate();
    ASSERT_TRUE(request);
    // Nothing in it, or the control that the codec needs is not.
    const auto empty = request->submit();
    ASSERT_FALSE(empty);
    EXPECT_EQ(empty.error().category, cb::Category::invalid_state) << empty.error().message();
    cb::v4l2::Payload payload;
    payload.bytes_used[0] = 100;
    payload.request = request->fd();
    ASSERT_TRUE(in.queue_when_ready(decoder.coded[0], {}, payload));
    const auto lacking = request->submit();
    ASSERT_FALSE(lacking);
    EXPECT_EQ(lacking.error().category, cb::Category::invalid_state) << lacking.error().message();
    EXPECT_EQ(in.reclaim(decoder.coded[0]).error().category, cb::Category::busy) << "it is in the request";
    ASSERT_TRUE(request->reset());
    EXPECT_TRUE(in.reclaim(decoder.coded[0]));
    EXPECT_EQ(in.with_device(), 0U);
    EXPECT_EQ(in.reclaim(decoder.coded[0]).error().category, cb::Category::invalid_argument);

    // Values that make no sense are refused when they are set.
    v4l2_ctrl_fwht_params params{};
    const auto refused = request->set_control(V4L2_CID_STATELESS_FWHT_PARAMS, as_bytes(params));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().category, cb::Category::invalid_argument) << refused.error().message();
}

TEST_F(Requests, ACameraTakesControlsWithItsFrames)
{
    NEED_CAMERA(camera, devices::camera("vivid-000-vid-cap"));
    const auto media = MediaDevice::open(camera);
    if (!media)
        GTEST_SKIP() << media.error().message();
    const auto plan = cb::Allocator().plan({DRM_FORMAT_XRGB8888, 640, 480}, {camera.capture()});
    ASSERT_TRUE(plan) << plan.error().message();
    auto queue = camera.open_queue(Role::capture, plan->layout(), 2);
    ASSERT_TRUE(queue);
    if (!queue->supports_requests())
        GTEST_SKIP() << "this vivid has no requests";
    std::vector<cb::v4l2::MediaRequest> requests;
    for (int i = 0; i < 2; ++i) {
        auto request = media->allocate();
        ASSERT_TRUE(request) << request.error().message();
        const auto set = request->set_control(V4L2_CID_BRIGHTNESS, 100 + i);
        ASSERT_TRUE(set) << set.error().message();
        cb::v4l2::Payload payload;
        payload.request = request->fd();
        const auto queued = queue->queue(*plan->allocate(), payload);
        ASSERT_TRUE(queued) << queued.error().message();
        ASSERT_TRUE(request->submit());
        requests.push_back(std::move(*request));
    }
    EXPECT_EQ(requests[0].wait(cb::deadline_in(50ms)).error().category, cb::Category::timed_out)
        << "it does not stream yet";
    ASSERT_TRUE(queue->start());
    for (const auto& request : requests) {
        const auto done = request.wait(cb::deadline_in(10s));
        EXPECT_TRUE(done) << done.error().message();
        const auto frame = queue->dequeue(cb::deadline_in(10s));
        EXPECT_TRUE(frame) << frame.error().message();
    }
    EXPECT_TRUE(queue->stop());
}

} // namespace
