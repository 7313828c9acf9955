// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/commonbuf.hpp>

#include <cstdint>
#include <string>

/// Draws a test picture by CPU into a buffer of XRGB8888 or NV12: colours from edge to edge, and
/// a white bar that moves with `number`. Errors: unsupported (another format), what
/// Buffer::write() gives.
commonbuf::Status draw_picture(const commonbuf::Buffer& buffer, std::uint32_t number, commonbuf::Deadline deadline);

/// How much two pictures differ.
struct Difference {
    int worst = 0;           ///< of one channel of one pixel: 0 to 255
    std::uint64_t above = 0; ///< pixels with a channel beyond the tolerance
    double mean_square = 0;  ///< of the channels

    /// Peak signal-to-noise ratio in dB, 99 for pictures that are equal.
    double psnr() const;
};

/// Compares two pictures of one size, of XRGB8888, ARGB8888 (without their alpha) or NV12
/// (BT.601, narrow range, chroma of the nearest sample): every `step`-th pixel of every `step`-th row.
/// Errors: unsupported (another format),
/// invalid_argument (their sizes differ), what Buffer::read() gives.
commonbuf::Result<Difference> difference(const commonbuf::Buffer& left, const commonbuf::Buffer& right, int tolerance,
                                         commonbuf::Deadline deadline, std::uint32_t step = 1);

/// That two pictures are alike but for `tolerance`: an error that says in how far they are not.
/// `what` is the sentence's subject.
commonbuf::Status expect_alike(const std::string& what, const commonbuf::Buffer& left, const commonbuf::Buffer& right,
                               int tolerance, commonbuf::Deadline deadline, std::uint32_t step = 1);
