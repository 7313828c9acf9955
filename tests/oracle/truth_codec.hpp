// SPDX-License-Identifier: MIT
#pragma once

#include "truth_v4l2.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace truth {

/// One frame of a stream.
using Coded = std::vector<std::byte>;

/// What the CAPTURE queue of an encoder gives, and the OUTPUT queue of a decoder takes.
constexpr std::uint32_t stream_code = V4L2_PIX_FMT_FWHT;

/// Every frame of an encoder stands by itself, and loses as little as there is to lose.
void keep_quality(const VideoNode& encoder);

/// Encodes pictures on the first encoder of this machine, in its own memory. Throws Unknowable
/// where there is none that takes them.
std::vector<Coded> encode(const std::vector<Picture>& pictures, std::uint32_t raw_code);

/// A decoder that has seen the beginning of its stream and waits for memory.
class Decoder {
public:
    /// On this node, or on the first that is a decoder.
    Decoder(std::string path, std::vector<Coded> stream);

    VideoQueue& sink() noexcept { return sink_; }

    /// Sets the code of raw frames, in the stream's own size.
    void set(std::uint32_t raw_code);

    /// Decodes a frame of the stream into what the sink has queued. Frames come in order, and after
    /// the last comes the first again.
    VideoQueue::Done next();

private:
    void send(std::size_t frame);

    std::vector<Coded> stream_;
    VideoNode node_;
    VideoQueue source_;
    VideoQueue sink_;
    std::size_t sent_ = 0;
    std::size_t done_ = 0;
};

/// Decodes in the driver's own memory.
std::vector<Picture> decode(const std::string& path, const std::vector<Coded>& stream, std::uint32_t raw_code,
                            std::uint32_t width, std::uint32_t height);

/// The first encoder or decoder of this machine; empty where there is none.
std::string find_codec(bool encoder);

} // namespace truth
