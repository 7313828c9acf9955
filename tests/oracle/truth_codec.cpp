// SPDX-License-Identifier: MIT
#include "truth_codec.hpp"

#include <poll.h>

#include <algorithm>
#include <cstring>

namespace truth {
namespace {

bool holds(const std::vector<std::uint32_t>& codes, std::uint32_t code)
{
    return std::find(codes.begin(), codes.end(), code) != codes.end();
}

bool is_codec(const VideoNode& node, bool encoder)
{
    return holds(node.codes(encoder ? node.capture() : node.output()), stream_code) &&
           !node.codes(encoder ? node.output() : node.capture()).empty();
}

} // namespace

void keep_quality(const VideoNode& encoder)
{
    encoder.set_control("Video GOP Size", 1);
    encoder.set_control("FWHT I-Frame QP Value", 1);
}

namespace {

std::string look_for_codec(bool encoder)
{
    constexpr int nodes = 64;
    for (int i = 0; i < nodes; ++i) {
        const std::string path = "/dev/video" + std::to_string(i);
        try {
            if (is_codec(VideoNode(path), encoder))
                return path;
        } catch (const std::runtime_error&) { // there is no such node, or it is not ours
            continue;
        }
    }
    return {};
}

} // namespace

std::string find_codec(bool encoder)
{
    static const std::string encoder_path = look_for_codec(true);
    static const std::string decoder_path = look_for_codec(false);
    return encoder ? encoder_path : decoder_path;
}

std::vector<Coded> encode(const std::vector<Picture>& pictures, std::uint32_t raw_code)
{
    const std::string path = find_codec(true);
    if (path.empty())
        throw Unknowable("no encoder makes a stream");
    const VideoNode node(path);
    keep_quality(node);
    VideoQueue source(node, node.output());
    VideoQueue sink(node, node.capture());
    const Picture& first = pictures.front();
    std::vector<Coded> stream;
    try {
        source.set(raw_code, first.width, first.height);
        source.select(V4L2_SEL_TGT_CROP, first.width, first.height);
        sink.set(stream_code, source.format().width, source.format().height);
        source.make_own(1);
        sink.make_own(1);
        const Layout where = source.own_layout(first.width, first.height);
        for (const Picture& picture : pictures) {
            fill(source.maps(0), std::byte{});
            write_picture(picture, where, source.maps(0));
            source.queue_own(0);
            sink.queue_own(0);
            source.start();
            sink.start();
            const auto coded = sink.dequeue();
            source.dequeue();
            const auto bytes = sink.maps(0)[0].first(coded.used);
            stream.emplace_back(bytes.begin(), bytes.end());
        }
    } catch (const Refused& refused) {
        throw Unknowable(std::string("no stream of such pictures: ") + refused.what());
    }
    return stream;
}

Decoder::Decoder(std::string path, std::vector<Coded> stream)
    : stream_(std::move(stream)),
      node_(std::move(path)),
      source_(node_, node_.output()),
      sink_(node_, node_.capture())
{
    v4l2_event_subscription wanted{};
    wanted.type = V4L2_EVENT_SOURCE_CHANGE;
    call(node_.fd(), VIDIOC_SUBSCRIBE_EVENT, &wanted, "VIDIOC_SUBSCRIBE_EVENT on " + node_.path());
    constexpr std::uint32_t largest = 4096; // as a guess: the stream tells its size
    source_.set(stream_code, largest, largest);
    source_.make_own(1);
    send(0);
    source_.start();
    constexpr int patience = 10000;
    if (!wait_for(node_.fd(), POLLPRI, patience))
        throw Unknowable(node_.path() + " does not see the beginning of its stream");
    v4l2_event event{};
    attempt(node_.fd(), VIDIOC_DQEVENT, &event);
    sink_.read_format();
}

void Decoder::set(std::uint32_t raw_code)
{
    const auto now = sink_.format();
    sink_.set(raw_code, now.width, now.height);
}

void Decoder::send(std::size_t frame)
{
    const Coded& coded = stream_[frame % stream_.size()];
    const auto room = source_.maps(0)[0];
    if (coded.size() > room.size())
        throw Unknowable("a frame of the stream is larger than the decoder's buffers");
    std::memcpy(room.data(), coded.data(), coded.size());
    source_.queue_own(0, static_cast<std::uint32_t>(coded.size()));
    ++sent_;
}

VideoQueue::Done Decoder::next()
{
    if (sent_ == done_)
        send(sent_);
    sink_.start();
    const auto decoded = sink_.dequeue();
    source_.dequeue();
    ++done_;
    return decoded;
}

std::vector<Picture> decode(const std::string& path, const std::vector<Coded>& stream, std::uint32_t raw_code,
                            std::uint32_t width, std::uint32_t height)
{
    std::vector<Picture> pictures;
    try {
        Decoder decoder(path, stream);
        decoder.set(raw_code);
        decoder.sink().make_own(1);
        const Layout where = decoder.sink().own_layout(width, height);
        for (std::size_t i = 0; i < stream.size(); ++i) {
            decoder.sink().queue_own(0);
            const auto done = decoder.next();
            pictures.push_back(read_picture(where, decoder.sink().maps(done.slot)));
        }
    } catch (const Refused& refused) {
        throw Unknowable(std::string("it decodes nothing in its own memory: ") + refused.what());
    }
    return pictures;
}

} // namespace truth
