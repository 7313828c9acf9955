// SPDX-License-Identifier: MIT
//
// Memory-to-memory devices with both queues: what goes in comes out, all of it and in order,
// and is what the same device makes in its own memory.
#include "codec.hpp"
#include "devices.hpp"
#include "sw_sync.hpp"

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <deque>

namespace {

namespace cb = commonbuf;
using namespace std::chrono_literals;
using cb::v4l2::M2m;
using codec::Bytes;
using codec::Size;

class M2ms : public devices::Test {};

#define NEED_M2M(variable, name)                                                                                       \
    auto variable##_found = M2m::open("@" name);                                                                       \
    if (!variable##_found)                                                                                             \
        GTEST_SKIP() << variable##_found.error().message();                                                            \
    M2m& variable = *variable##_found

cb::Format fwht() { return cb::Format::v4l2(V4L2_PIX_FMT_FWHT); }

std::vector<cb::Buffer> allocate(const cb::Plan& plan, std::size_t count)
{
    std::vector<cb::Buffer> buffers;
    for (std::size_t i = 0; i < count; ++i) {
        auto buffer = plan.allocate();
        EXPECT_TRUE(buffer) << buffer.error().message();
        if (buffer)
            buffers.push_back(std::move(*buffer));
    }
    return buffers;
}

/// Gives frames to a device as long as there are any and it has room, and takes what comes.
struct Stream {
    M2m& device;
    std::deque<cb::Buffer> inputs; ///< free for the next frame
    std::vector<cb::v4l2::Frame> taken{};
    std::uint32_t sent = 0;

    /// For the message when the last frame does not come.
    std::string state(std::size_t came) const
    {
        const auto* in = device.output_queue();
        const auto* out = device.capture_queue();
        return std::to_string(sent) + " frames went in, " + std::to_string(came) + " came out; " +
               std::to_string(in != nullptr ? in->with_device() : 0) + " and " +
               std::to_string(out != nullptr ? out->with_device() : 0) + " buffers are with the device, " +
               std::to_string(in != nullptr ? in->waiting() : 0) + " and " +
               std::to_string(out != nullptr ? out->waiting() : 0) + " wait" + (device.draining() ? ", draining" : "");
    }

    /// Takes all that is ready on both sides. `keep` looks at each frame before its buffer
    /// goes back to the device.
    template <typename Keep>
    cb::Status take(Keep keep)
    {
        if (auto* in = device.output_queue(); in != nullptr && in->streaming()) {
            for (;;) {
                auto back = in->try_dequeue();
                if (!back)
                    return back.error();
                if (!*back)
                    break;
                inputs.push_back((*back)->buffer);
            }
        }
        auto* out = device.capture_queue();
        while (out != nullptr && out->streaming() && !out->ended()) {
            auto frame = out->try_dequeue();
            if (!frame)
                return frame.error();
            if (!*frame)
                break;
            const bool last = (*frame)->last();
            if (cb::Status kept = keep(**frame); !kept)
                return kept;
            if (last)
                break;
            if (cb::Status again = out->queue_when_ready((*frame)->buffer); !again)
                return again;
        }
        return {};
    }
};

/// Encodes `frames` pictures; the frames one by one.
cb::Result<std::vector<Bytes>> encode(M2m& encoder, Size size, std::uint32_t frames)
{
    const auto raw = cb::Allocator().plan({DRM_FORMAT_NV12, size.width, size.height, 3},
                                          {cb::cpu(cb::Access::write), encoder.output()});
    const auto coded =
        cb::Allocator().plan({fwht(), size.width, size.height, 3}, {encoder.capture(), cb::cpu(cb::Access::read)});
    if (!raw || !coded)
        return (raw ? coded : raw).error();
    if (auto opened = encoder.open_queues(raw->layout(), coded->layout(), 3); !opened)
        return opened.error();
    for (const auto& buffer : allocate(*coded, 3)) {
        if (auto queued = encoder.capture_queue()->queue_when_ready(buffer); !queued)
            return queued.error();
    }
    Stream stream{encoder, {}};
    for (const auto& buffer : allocate(*raw, 3))
        stream.inputs.push_back(buffer);
    if (auto started = encoder.start(); !started)
        return started.error();

    std::vector<Bytes> result;
    const auto deadline = cb::deadline_in(10s);
    bool last = false;
    while (!last) {
        while (!stream.inputs.empty() && stream.sent < frames) {
            const cb::Buffer picture = stream.inputs.front();
            stream.inputs.pop_front();
            cb::v4l2::Payload payload;
            payload.timestamp = std::chrono::milliseconds(stream.sent);
            auto sent = codec::draw(picture, stream.sent).and_then([&] {
                return encoder.output_queue()->queue_when_ready(picture, {}, payload);
            });
            if (!sent)
                return sent.error();
            if (++stream.sent == frames) {
                if (auto drained = encoder.drain(); !drained)
                    return drained.error();
            }
        }
        auto taken = stream.take([&](const cb::v4l2::Frame& frame) -> cb::Status {
            last = last || frame.last();
            if (frame.bytes_used[0] == 0)
                return {};
            EXPECT_EQ(frame.timestamp, std::chrono::milliseconds(result.size())) << "it goes with the picture";
            auto content = codec::bytes(frame.buffer, frame.bytes_used[0]);
            if (!content)
                return content.error();
            result.push_back(std::move(*content));
            return {};
        });
        if (!taken)
            return taken.error();
        if (last || (!stream.inputs.empty() && stream.sent < frames))
            continue;
        const auto more = encoder.wait(deadline).and_then([&](bool) { return encoder.advance(); });
        if (!more)
            return more.error();
        if (std::chrono::steady_clock::now() >= deadline)
            return cb::Error::timed_out("encode", stream.state(result.size()));
    }
    return result;
}

struct Decoded {
    std::vector<Bytes> pictures;
    std::vector<Size> changes;
    std::uint32_t min_buffers = 0;
};

/// Decodes a stream of frames of whatever sizes; `largest` is the largest of them.
cb::Result<Decoded> decode(M2m& decoder, Size largest, std::span<const Bytes> frames)
{
    const auto coded = cb::Allocator().plan({fwht(), largest.width, largest.height, 3},
                                            {cb::cpu(cb::Access::write), decoder.output()});
    if (!coded)
        return coded.error();
    if (auto opened = decoder.open_output(coded->layout(), 3); !opened)
        return opened.error();
    Stream stream{decoder, {}};
    for (const auto& buffer : allocate(*coded, 3))
        stream.inputs.push_back(buffer);
    if (auto started = decoder.start(); !started)
        return started.error();

    Decoded result;
    std::optional<cb::v4l2::SourceChange> coming;
    const auto deadline = cb::deadline_in(10s);
    for (bool last = false; !last;) {
        while (!stream.inputs.empty() && stream.sent < frames.size()) {
            const cb::Buffer buffer = stream.inputs.front();
            stream.inputs.pop_front();
            const Bytes& frame = frames[stream.sent];
            auto access = buffer.write(cb::deadline_in(5s));
            if (!access)
                return access.error();
            std::copy(frame.begin(), frame.end(), access->plane(0).begin());
            cb::v4l2::Payload payload;
            payload.bytes_used[0] = static_cast<std::uint32_t>(frame.size());
            payload.timestamp = std::chrono::milliseconds(stream.sent);
            auto sent =
                access->end().and_then([&] { return decoder.output_queue()->queue_when_ready(buffer, {}, payload); });
            if (!sent)
                return sent.error();
            if (++stream.sent == frames.size()) {
                if (auto drained = decoder.drain(); !drained)
                    return drained.error();
            }
        }
        auto change = decoder.pop_source_change();
        if (!change)
            return change.error();
        if (*change)
            coming = **change;
        bool old_is_over = decoder.capture_queue() == nullptr;
        auto taken = stream.take([&](const cb::v4l2::Frame& frame) -> cb::Status {
            if (frame.bytes_used[0] != 0) {
                EXPECT_EQ(frame.timestamp, std::chrono::milliseconds(result.pictures.size()));
                EXPECT_EQ(frame.coding(), result.pictures.empty() ? cb::v4l2::Coding::key : frame.coding());
                EXPECT_NE(frame.coding(), cb::v4l2::Coding::unknown);
                auto seen = codec::pixels(frame.buffer);
                if (!seen)
                    return seen.error();
                result.pictures.push_back(std::move(*seen));
            }
            if (frame.last()) {
                // The event stands before the frame; it may have come since we looked.
                auto late = decoder.pop_source_change();
                if (!late)
                    return late.error();
                if (*late)
                    coming = **late;
                old_is_over = true;
                last = !coming;
            }
            return {};
        });
        if (!taken)
            return taken.error();
        if (coming && old_is_over) {
            result.changes.push_back({coming->width, coming->height});
            result.min_buffers = coming->min_buffers;
            decoder.close_capture();
            const auto plan = cb::Allocator().plan({DRM_FORMAT_NV12, coming->width, coming->height, 3},
                                                   {decoder.capture(), cb::cpu(cb::Access::read)});
            if (!plan)
                return plan.error();
            coming.reset();
            if (auto opened = decoder.open_capture(plan->layout(), 3); !opened)
                return opened.error();
            for (const auto& buffer : allocate(*plan, 3)) {
                if (auto queued = decoder.capture_queue()->queue_when_ready(buffer); !queued)
                    return queued.error();
            }
            if (auto started = decoder.start(); !started)
                return started.error();
            continue;
        }
        if (last || (!stream.inputs.empty() && stream.sent < frames.size()))
            continue;
        const auto more = decoder.wait(deadline).and_then([&](bool) { return decoder.advance(); });
        if (!more)
            return more.error();
        if (std::chrono::steady_clock::now() >= deadline)
            return cb::Error::timed_out("decode", stream.state(result.pictures.size()));
    }
    return result;
}

TEST_F(M2ms, AnEncoderMakesTheSameAsInItsOwnMemory)
{
    NEED_M2M(encoder, "stateful-encoder");
    EXPECT_EQ(encoder.kind(), M2m::Kind::encoder);
    constexpr Size size{640, 480};
    constexpr std::uint32_t frames = 12;
    const auto stream = encode(encoder, size, frames);
    ASSERT_TRUE(stream) << stream.error().message();
    ASSERT_EQ(stream->size(), frames);
    const auto reference = codec::encode_in_own_memory(size, frames);
    ASSERT_TRUE(reference) << reference.error().message();
    for (std::size_t i = 0; i < frames; ++i) {
        EXPECT_GT((*stream)[i].size(), 0U);
        EXPECT_EQ((*stream)[i], (*reference)[i]) << "frame " << i;
    }
    EXPECT_NE((*stream)[0], (*stream)[1]) << "the picture moves";
}

TEST_F(M2ms, ADecoderMakesTheSameAsInItsOwnMemory)
{
    NEED_M2M(encoder, "stateful-encoder");
    NEED_M2M(decoder, "stateful-decoder");
    EXPECT_EQ(decoder.kind(), M2m::Kind::decoder);
    constexpr Size size{640, 480};
    constexpr std::uint32_t frames = 12;
    const auto stream = encode(encoder, size, frames);
    ASSERT_TRUE(stream) << stream.error().message();
    const auto decoded = decode(decoder, size, *stream);
    ASSERT_TRUE(decoded) << decoded.error().message();
    ASSERT_EQ(decoded->pictures.size(), frames);
    EXPECT_EQ(decoded->changes, std::vector{size}) << "the stream says its size";
    EXPECT_GE(decoded->min_buffers, 1U);
    const auto reference = codec::decode_in_own_memory(size, *stream);
    ASSERT_TRUE(reference) << reference.error().message();
    ASSERT_EQ(reference->size(), frames);
    for (std::size_t i = 0; i < frames; ++i)
        EXPECT_TRUE(decoded->pictures[i] == (*reference)[i]) << "picture " << i;
}

/// Nothing is lost where a stream changes its size: all of the old pictures come before the
/// new ones.
TEST_F(M2ms, AStreamThatChangesItsSizeIsDecodedWhole)
{
    NEED_M2M(first, "stateful-encoder");
    NEED_M2M(second, "stateful-encoder");
    NEED_M2M(decoder, "stateful-decoder");
    constexpr Size small{640, 480};
    constexpr Size large{1280, 720};
    constexpr std::uint32_t each = 5;
    const auto before = encode(first, small, each);
    const auto after = encode(second, large, each);
    ASSERT_TRUE(before && after);
    std::vector<Bytes> stream = *before;
    stream.insert(stream.end(), after->begin(), after->end());
    stream.insert(stream.end(), before->begin(), before->end());

    const auto decoded = decode(decoder, large, stream);
    ASSERT_TRUE(decoded) << decoded.error().message();
    EXPECT_EQ(decoded->changes, (std::vector{small, large, small}));
    ASSERT_EQ(decoded->pictures.size(), 3 * each);
    const auto small_pictures = codec::decode_in_own_memory(small, *before);
    const auto large_pictures = codec::decode_in_own_memory(large, *after);
    ASSERT_TRUE(small_pictures && large_pictures);
    for (std::size_t i = 0; i < each; ++i) {
        EXPECT_TRUE(decoded->pictures[i] == (*small_pictures)[i]) << "picture " << i;
        EXPECT_TRUE(decoded->pictures[each + i] == (*large_pictures)[i]) << "picture " << each + i;
        EXPECT_TRUE(decoded->pictures[2 * each + i] == (*small_pictures)[i]) << "picture " << 2 * each + i;
    }
}

/// Encoders work on whole blocks; what lies around the picture is cropped and composed away.
TEST_F(M2ms, PicturesThatAreNoWholeBlocksComeOutWithTheirSize)
{
    NEED_M2M(encoder, "stateful-encoder");
    NEED_M2M(decoder, "stateful-decoder");
    constexpr Size odd{650, 374};
    const auto stream = encode(encoder, odd, 3);
    ASSERT_TRUE(stream) << stream.error().message();
    ASSERT_NE(encoder.output_queue(), nullptr);
    const auto crop = encoder.output_queue()->selection(V4L2_SEL_TGT_CROP);
    ASSERT_TRUE(crop) << crop.error().message();
    EXPECT_EQ(*crop, (cb::v4l2::Rectangle{0, 0, odd.width, odd.height}));
    const auto decoded = decode(decoder, odd, *stream);
    ASSERT_TRUE(decoded) << decoded.error().message();
    EXPECT_EQ(decoded->changes, std::vector{odd});
    EXPECT_EQ(decoded->pictures.size(), 3U);
    const auto reference = codec::decode_in_own_memory(odd, *stream);
    ASSERT_TRUE(reference) << reference.error().message();
    EXPECT_TRUE(decoded->pictures == *reference);

    // Rectangles that cannot be are refused before the driver bends them.
    const auto outside = encoder.output_queue()->set_selection(V4L2_SEL_TGT_CROP, {8, 8, 4000, 4000});
    ASSERT_FALSE(outside);
    EXPECT_EQ(outside.error().category, cb::Category::invalid_argument) << outside.error().message();
    EXPECT_EQ(encoder.capture_queue()->selection(V4L2_SEL_TGT_CROP).error().category, cb::Category::unsupported);
}

/// A drained encoder goes on where it was told to, with the next picture.
TEST_F(M2ms, AfterTheLastFrameACodecResumes)
{
    NEED_M2M(encoder, "stateful-encoder");
    EXPECT_EQ(encoder.resume().error().category, cb::Category::invalid_state) << "it never stopped";
    constexpr Size size{640, 480};
    ASSERT_TRUE(encode(encoder, size, 4));
    EXPECT_TRUE(encoder.capture_queue()->ended());
    EXPECT_FALSE(encoder.draining());
    // The end of the queue is said, and not waited for.
    const auto begun = std::chrono::steady_clock::now();
    const auto none = encoder.capture_queue()->dequeue(cb::deadline_in(5s));
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().sys_errno, EPIPE) << none.error().message();
    EXPECT_LT(std::chrono::steady_clock::now() - begun, 1s);

    const auto resumed = encoder.resume();
    ASSERT_TRUE(resumed) << resumed.error().message();
    const auto raw = cb::Allocator().plan({DRM_FORMAT_NV12, size.width, size.height}, {cb::cpu(cb::Access::write)});
    ASSERT_TRUE(raw);
    const auto picture = raw->allocate();
    ASSERT_TRUE(picture && codec::draw(*picture, 9));
    const auto queued = encoder.output_queue()->queue_when_ready(*picture);
    ASSERT_TRUE(queued) << queued.error().message();
    const auto frame = encoder.capture_queue()->dequeue(cb::deadline_in(10s));
    ASSERT_TRUE(frame) << frame.error().message();
    EXPECT_GT(frame->bytes_used[0], 0U);
    EXPECT_FALSE(frame->last());
}

/// Pictures wait for the fences of who draws them, on the very side that needs them; and the
/// command to finish waits behind the last of them.
TEST_F(M2ms, FramesWaitForTheirFencesAndTheEndWaitsForTheFrames)
{
    NEED_M2M(encoder, "stateful-encoder");
    NEED_SW_SYNC(timeline);
    constexpr Size size{640, 480};
    const auto raw = cb::Allocator().plan({DRM_FORMAT_NV12, size.width, size.height},
                                          {cb::cpu(cb::Access::write), encoder.output()});
    const auto coded = cb::Allocator().plan({fwht(), size.width, size.height}, {encoder.capture()});
    ASSERT_TRUE(raw && coded);
    ASSERT_TRUE(encoder.open_queues(raw->layout(), coded->layout(), 3));
    for (const auto& buffer : allocate(*coded, 3))
        ASSERT_TRUE(encoder.capture_queue()->queue_when_ready(buffer));
    ASSERT_TRUE(encoder.start());
    const auto pictures = allocate(*raw, 2);
    for (std::uint32_t i = 0; i < 2; ++i) {
        ASSERT_TRUE(codec::draw(pictures[i], i));
        ASSERT_TRUE(encoder.output_queue()->queue_when_ready(pictures[i], timeline.fence(i + 1)));
    }
    ASSERT_TRUE(encoder.drain());
    EXPECT_TRUE(encoder.draining());
    EXPECT_EQ(encoder.output_queue()->waiting(), 2U);
    EXPECT_FALSE(*encoder.capture_queue()->try_dequeue()) << "nobody has drawn anything yet";
    std::uint32_t came = 0;
    bool last = false;
    for (std::uint32_t i = 0; i < 2; ++i) {
        timeline.advance(1);
        const std::uint32_t wanted = came + 1;
        const auto deadline = cb::deadline_in(10s);
        while (came < wanted && std::chrono::steady_clock::now() < deadline) {
            ASSERT_TRUE(encoder.wait(deadline));
            ASSERT_TRUE(encoder.advance());
            static_cast<void>(encoder.output_queue()->try_dequeue());
            const auto frame = encoder.capture_queue()->try_dequeue();
            ASSERT_TRUE(frame) << frame.error().message();
            if (!*frame)
                continue;
            last = last || (*frame)->last();
            came += (*frame)->bytes_used[0] != 0 ? 1U : 0U;
        }
        EXPECT_EQ(came, wanted);
        EXPECT_EQ(encoder.output_queue()->waiting(), 1 - i);
    }
    while (!last) {
        const auto frame = encoder.capture_queue()->dequeue(cb::deadline_in(10s));
        ASSERT_TRUE(frame) << frame.error().message();
        last = frame->last();
    }
    EXPECT_FALSE(encoder.draining());
}

/// What the encoder writes, the decoder reads: one buffer, and the CPU touches nothing.
TEST_F(M2ms, CompressedFramesGoFromCodecToCodecWithoutACopy)
{
    NEED_M2M(encoder, "stateful-encoder");
    NEED_M2M(decoder, "stateful-decoder");
    constexpr Size size{640, 480};
    const auto raw = cb::Allocator().plan({DRM_FORMAT_NV12, size.width, size.height},
                                          {cb::cpu(cb::Access::write), encoder.output(), decoder.capture()});
    ASSERT_TRUE(raw) << raw.error().message();
    const auto coded = cb::Allocator().plan({fwht(), size.width, size.height}, {encoder.capture(), decoder.output()});
    ASSERT_TRUE(coded) << coded.error().message();
    ASSERT_TRUE(encoder.open_queues(raw->layout(), coded->layout(), 2));
    ASSERT_TRUE(decoder.open_output(coded->layout(), 2));
    const auto frame = coded->allocate();
    const auto picture = raw->allocate();
    ASSERT_TRUE(frame && picture && codec::draw(*picture, 3));
    ASSERT_TRUE(encoder.output_queue()->queue_when_ready(*picture));
    ASSERT_TRUE(encoder.capture_queue()->queue_when_ready(*frame));
    ASSERT_TRUE(encoder.start());
    const auto encoded = encoder.capture_queue()->dequeue(cb::deadline_in(10s));
    ASSERT_TRUE(encoded) << encoded.error().message();
    ASSERT_TRUE(decoder.start());
    cb::v4l2::Payload payload;
    payload.bytes_used = encoded->bytes_used;
    ASSERT_TRUE(decoder.output_queue()->queue_when_ready(encoded->buffer, {}, payload));
    ASSERT_TRUE(decoder.wait(cb::deadline_in(10s)));
    ASSERT_TRUE(*decoder.pop_source_change());
    ASSERT_TRUE(decoder.open_capture(raw->layout(), 2));
    const auto copy = allocate(*raw, 2);
    for (const auto& buffer : copy)
        ASSERT_TRUE(decoder.capture_queue()->queue_when_ready(buffer));
    ASSERT_TRUE(decoder.start());
    const auto decoded = decoder.capture_queue()->dequeue(cb::deadline_in(10s));
    ASSERT_TRUE(decoded) << decoded.error().message();
    EXPECT_EQ(frame->cpu_accesses(), 0U);
    const auto in = codec::pixels(*picture);
    const auto out = codec::pixels(decoded->buffer);
    ASSERT_TRUE(in && out);
    // The codec loses something of the picture, and little.
    std::size_t off = 0;
    for (std::size_t i = 0; i < in->size(); ++i)
        off += static_cast<std::size_t>(std::abs(std::to_integer<int>((*in)[i]) - std::to_integer<int>((*out)[i])));
    EXPECT_LT(off / in->size(), 12U);
}

/// Which of V4L2's two APIs the virtual codecs speak is their own parameter; some board of the
/// lab has each, and these tests are the same for both.
TEST_F(M2ms, WhichApiADeviceSpeaksIsItsOwnAnswer)
{
    struct Driver {
        const char* node;
        const char* parameter;
        const char* multiplanar;
    };
    unsigned asked = 0;
    for (const Driver& driver : {Driver{"@stateful-encoder", "/sys/module/vicodec/parameters/multiplanar", "Y\n"},
                                 Driver{"@stateful-decoder", "/sys/module/vicodec/parameters/multiplanar", "Y\n"},
                                 Driver{"@stateless-decoder", "/sys/module/vicodec/parameters/multiplanar", "Y\n"},
                                 Driver{"@vim2m", "/sys/module/vim2m/parameters/multiplanar", "2\n"}}) {
        const std::string parameter = devices::read_text(driver.parameter);
        const auto device = M2m::open(driver.node);
        if (!device || parameter.empty())
            continue;
        ++asked;
        EXPECT_EQ(device->device().info().multiplanar, parameter == driver.multiplanar)
            << driver.node << ", " << parameter;
    }
    if (asked == 0)
        GTEST_SKIP() << "no driver here has a parameter for it";
}

/// A converter changes what it was told to and nothing else.
TEST_F(M2ms, AConverterKeepsPictures)
{
    NEED_M2M(converter, "vim2m");
    EXPECT_EQ(converter.kind(), M2m::Kind::converter);
    EXPECT_EQ(converter.drain().error().category, cb::Category::unsupported);
    EXPECT_FALSE(*converter.pop_source_change());
    const auto plan = cb::Allocator().plan({DRM_FORMAT_RGB565, 640, 480},
                                           {cb::cpu(cb::Access::read_write), converter.output(), converter.capture()});
    ASSERT_TRUE(plan) << plan.error().message();
    ASSERT_TRUE(converter.open_queues(plan->layout(), plan->layout(), 2));
    const auto buffers = allocate(*plan, 4);
    for (std::uint32_t i = 0; i < 2; ++i) {
        ASSERT_TRUE(codec::draw(buffers[i], i));
        cb::v4l2::Payload payload;
        payload.timestamp = std::chrono::microseconds(1'234'567 + i);
        payload.timecode = cb::v4l2::Timecode{V4L2_TC_TYPE_25FPS, 0, static_cast<std::uint8_t>(i), 2, 3, 4};
        ASSERT_TRUE(converter.output_queue()->queue_when_ready(buffers[i], {}, payload));
        ASSERT_TRUE(converter.capture_queue()->queue_when_ready(buffers[2 + i]));
    }
    EXPECT_EQ(converter.poll_events(), 0) << "nothing streams";
    ASSERT_TRUE(converter.start());
    EXPECT_EQ(converter.poll_events(), POLLIN | POLLOUT);
    for (std::uint32_t i = 0; i < 2; ++i) {
        const auto frame = converter.capture_queue()->dequeue(cb::deadline_in(10s));
        ASSERT_TRUE(frame) << frame.error().message();
        EXPECT_EQ(frame->timestamp, std::chrono::microseconds(1'234'567 + i));
        ASSERT_TRUE(frame->timecode);
        EXPECT_EQ(*frame->timecode, (cb::v4l2::Timecode{V4L2_TC_TYPE_25FPS, 0, static_cast<std::uint8_t>(i), 2, 3, 4}));
        const auto in = codec::pixels(buffers[i]);
        const auto out = codec::pixels(frame->buffer);
        ASSERT_TRUE(in && out);
        EXPECT_TRUE(*in == *out);
    }
    EXPECT_FALSE(M2m::open("@vivid-000-vid-cap"));
}

} // namespace
