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
#include <sys/ioctl.h>

#include <cstdio>
#include <deque>
#include <set>

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
                    return cb::fail(back.error());
                if (!*back)
                    break;
                inputs.push_back((*back)->buffer);
            }
        }
        auto* out = device.capture_queue();
        while (out != nullptr && out->streaming() && !out->ended()) {
            auto frame = out->try_dequeue();
            if (!frame)
                return cb::fail(frame.error());
            if (!*frame)
                break;
            const bool last = (*frame)->last();
            if (cb::Status kept = keep(**frame); !kept)
                return kept;
            if (last)
                break;
            if (cb::Status again = out->queue((*frame)->buffer, {}); !again)
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
        return cb::fail((raw ? coded : raw).error());
    if (auto opened = encoder.open_queues(raw->layout(), coded->layout(), 3); !opened)
        return cb::fail(opened.error());
    for (const auto& buffer : allocate(*coded, 3)) {
        if (auto queued = encoder.capture_queue()->queue(buffer, {}); !queued)
            return cb::fail(queued.error());
    }
    Stream stream{encoder, {}};
    for (const auto& buffer : allocate(*raw, 3))
        stream.inputs.push_back(buffer);
    if (auto started = encoder.start(); !started)
        return cb::fail(started.error());

    std::vector<Bytes> result;
    const auto deadline = cb::in(10s);
    bool last = false;
    while (!last) {
        while (!stream.inputs.empty() && stream.sent < frames) {
            const cb::Buffer picture = stream.inputs.front();
            stream.inputs.pop_front();
            cb::v4l2::Payload payload;
            payload.timestamp = std::chrono::milliseconds(stream.sent);
            auto sent = codec::draw(picture, stream.sent).and_then([&] {
                return encoder.output_queue()->queue(picture, {}, payload);
            });
            if (!sent)
                return cb::fail(sent.error());
            if (++stream.sent == frames) {
                if (auto drained = encoder.drain(); !drained)
                    return cb::fail(drained.error());
            }
        }
        auto taken = stream.take([&](const cb::v4l2::Frame& frame) -> cb::Status {
            last = last || frame.last();
            if (frame.bytes_used[0] == 0)
                return {};
            EXPECT_EQ(frame.timestamp, std::chrono::milliseconds(result.size())) << "it goes with the picture";
            EXPECT_NE(frame.coding(), result.empty() ? cb::v4l2::Coding::predicted : cb::v4l2::Coding::bidirectional);
            auto content = codec::bytes(frame.buffer, frame.bytes_used[0]);
            if (!content)
                return cb::fail(content.error());
            result.push_back(std::move(*content));
            return {};
        });
        if (!taken)
            return cb::fail(taken.error());
        if (last || (!stream.inputs.empty() && stream.sent < frames))
            continue;
        const auto more = encoder.wait(deadline).and_then([&](bool) { return encoder.advance(); });
        if (!more)
            return cb::fail(more.error());
        if (std::chrono::steady_clock::now() >= deadline)
            return cb::fail(cb::Category::timed_out, "encode", stream.state(result.size()));
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
        return cb::fail(coded.error());
    if (auto opened = decoder.open_output(coded->layout(), 3); !opened)
        return cb::fail(opened.error());
    Stream stream{decoder, {}};
    for (const auto& buffer : allocate(*coded, 3))
        stream.inputs.push_back(buffer);
    if (auto started = decoder.start(); !started)
        return cb::fail(started.error());

    Decoded result;
    std::optional<cb::v4l2::SourceChange> coming;
    const auto deadline = cb::in(10s);
    for (bool last = false; !last;) {
        while (!stream.inputs.empty() && stream.sent < frames.size()) {
            const cb::Buffer buffer = stream.inputs.front();
            stream.inputs.pop_front();
            const Bytes& frame = frames[stream.sent];
            auto access = buffer.write(cb::in(5s));
            if (!access)
                return cb::fail(access.error());
            std::copy(frame.begin(), frame.end(), access->plane(0).begin());
            cb::v4l2::Payload payload;
            payload.bytes_used[0] = static_cast<std::uint32_t>(frame.size());
            payload.timestamp = std::chrono::milliseconds(stream.sent);
            auto sent = access->end().and_then([&] { return decoder.output_queue()->queue(buffer, {}, payload); });
            if (!sent)
                return cb::fail(sent.error());
            if (++stream.sent == frames.size()) {
                if (auto drained = decoder.drain(); !drained)
                    return cb::fail(drained.error());
            }
        }
        auto change = decoder.take_source_change();
        if (!change)
            return cb::fail(change.error());
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
                    return cb::fail(seen.error());
                result.pictures.push_back(std::move(*seen));
            }
            if (frame.last()) {
                // The event stands before the frame; it may have come since we looked.
                auto late = decoder.take_source_change();
                if (!late)
                    return cb::fail(late.error());
                if (*late)
                    coming = **late;
                old_is_over = true;
                last = !coming;
            }
            return {};
        });
        if (!taken)
            return cb::fail(taken.error());
        if (coming && old_is_over) {
            result.changes.push_back({coming->width, coming->height});
            result.min_buffers = coming->min_buffers;
            decoder.close_capture();
            const auto plan = cb::Allocator().plan({DRM_FORMAT_NV12, coming->width, coming->height, 3},
                                                   {decoder.capture(), cb::cpu(cb::Access::read)});
            if (!plan)
                return cb::fail(plan.error());
            coming.reset();
            if (auto opened = decoder.open_capture(plan->layout(), 3); !opened)
                return cb::fail(opened.error());
            for (const auto& buffer : allocate(*plan, 3)) {
                if (auto queued = decoder.capture_queue()->queue(buffer, {}); !queued)
                    return cb::fail(queued.error());
            }
            if (auto started = decoder.start(); !started)
                return cb::fail(started.error());
            continue;
        }
        if (last || (!stream.inputs.empty() && stream.sent < frames.size()))
            continue;
        const auto more = decoder.wait(deadline).and_then([&](bool) { return decoder.advance(); });
        if (!more)
            return cb::fail(more.error());
        if (std::chrono::steady_clock::now() >= deadline)
            return cb::fail(cb::Category::timed_out, "decode", stream.state(result.pictures.size()));
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

} // namespace
