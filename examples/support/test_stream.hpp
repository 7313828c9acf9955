// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/commonbuf.hpp>

#include <chrono>
#include <cstddef>
#include <vector>

/// The time of a test stream's picture, which codecs pass on from what they read to what they
/// write.
std::chrono::nanoseconds test_stream_time(std::size_t number);

/// Stands for a file or a network: draws test pictures into these buffers, has an encoder of FWHT
/// make a stream of them, and gives the decoder its output side, with all of the stream queued.
/// The decoder is not started.
commonbuf::Status feed_test_stream(commonbuf::v4l2::M2m& encoder, commonbuf::v4l2::M2m& decoder,
                                   const std::vector<commonbuf::Buffer>& pictures);
