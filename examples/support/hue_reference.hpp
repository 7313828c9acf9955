// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/commonbuf.hpp>

#include <cstdint>

/// How far the hue is turned, as hue.comp is told: cosine and sine in 1/4096.
struct Turn {
    std::int32_t cosine = 4096;
    std::int32_t sine = 0;
    std::int32_t number = 0; ///< of the frame, drawn into it
};

/// What a frame's turn is: a little more with each, once around in 300.
Turn turn_of(std::uint32_t number);

/// What hue.comp makes of `camera` (NV12, NV16 or NV24), worked out by the CPU and compared
/// with `shown` (XRGB8888): how many pixels differ. Errors: what Buffer::read() gives;
/// unsupported (other formats).
commonbuf::Result<std::uint64_t> wrong_pixels(const commonbuf::Buffer& camera, const commonbuf::Buffer& shown,
                                              const Turn& turn, commonbuf::Deadline deadline);
