// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/commonbuf.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

/// Pictures through an encoder and a decoder: with M2m and buffers of any heap, and, to
/// compare with, one after the other in the devices' own memory.
namespace codec {

namespace cb = commonbuf;

using Bytes = std::vector<std::byte>;

struct Size {
    std::uint32_t width;
    std::uint32_t height;
    friend bool operator==(const Size&, const Size&) = default;
};

/// A picture that moves from frame to frame.
cb::Status draw(const cb::Buffer& buffer, std::uint32_t number);

/// What is to be seen of a picture, row by row and plane by plane.
cb::Result<Bytes> pixels(const cb::Buffer& buffer);

/// The first bytes of a buffer's only memory.
cb::Result<Bytes> bytes(const cb::Buffer& buffer, std::uint32_t count);

/// What the encoder makes of these pictures in its own memory, with the frames one by one.
cb::Result<std::vector<Bytes>> encode_in_own_memory(Size size, std::uint32_t frames);

/// What the decoder makes of a stream in its own memory; `size` is that of the pictures.
cb::Result<std::vector<Bytes>> decode_in_own_memory(Size size, std::span<const Bytes> stream);

} // namespace codec
