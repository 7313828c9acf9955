// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/commonbuf.hpp>

#include <poll.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

/// An encoder and a decoder beside the pipeline, one behind the other: the encoder reads the
/// camera's own buffers, the decoder reads the very buffers that the encoder writes, and what
/// comes out is held against what went in. Driven by the program's event loop.
class SideCopy {
public:
    /// A captured buffer; the last holder gives it back to the camera.
    using Loan = std::shared_ptr<const commonbuf::Buffer>;

    /// Opens both, as v4l2::Device::open() takes their names.
    static commonbuf::Result<std::unique_ptr<SideCopy>> open(const std::string& encoder, const std::string& decoder);

    /// How the encoder uses the camera's buffers: to plan with, before start().
    commonbuf::Use input() const { return encoder_.output(); }

    /// For pictures of this layout, in as many buffers as the camera has.
    commonbuf::Status start(const commonbuf::Layout& pictures, std::uint32_t buffers);

    /// Gives the encoder a frame, which it reads when the camera has written it.
    commonbuf::Status encode(Loan frame, std::uint32_t number);

    /// Adds what the event loop has to poll.
    void poll(std::vector<pollfd>& events);

    /// What came meanwhile, on all four queues. Waits for nothing.
    commonbuf::Status look();

    /// How many frames have gone in and not come out.
    std::size_t pending() const noexcept { return originals_.size(); }

    /// How often it has read one of the camera's buffers by CPU, to compare.
    std::uint64_t looks_at(const commonbuf::Buffer& buffer) const;

    std::uint32_t decoded() const noexcept { return decoded_; }
    std::uint64_t coded_bytes() const noexcept { return coded_bytes_; }

    /// Of the worst picture's luma, in dB; nothing before the first came.
    std::optional<double> worst_psnr() const noexcept { return worst_psnr_; }

private:
    SideCopy(commonbuf::v4l2::M2m encoder, commonbuf::v4l2::M2m decoder)
        : encoder_(std::move(encoder)),
          decoder_(std::move(decoder))
    {}

    commonbuf::Status look_at_encoder();
    commonbuf::Status look_at_decoder();
    commonbuf::Status open_pictures(const commonbuf::v4l2::SourceChange& source);
    commonbuf::Status compare(const commonbuf::v4l2::Frame& frame);

    commonbuf::v4l2::M2m encoder_;
    commonbuf::v4l2::M2m decoder_;
    commonbuf::Layout pictures_;
    std::map<commonbuf::BufferId, Loan> with_encoder_;
    std::map<std::chrono::nanoseconds, Loan> originals_; ///< by the timestamp that codecs pass on
    std::map<commonbuf::BufferId, std::uint64_t> looks_;
    std::uint32_t decoded_ = 0;
    std::uint64_t coded_bytes_ = 0;
    std::optional<double> worst_psnr_;
};
