// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/deadline.hpp>
#include <commonbuf/drm/device.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace commonbuf::content {

/// The checksums that a display makes of what it shows (drm_debugfs_crc.c), if this user can read
/// debugfs. They say that a picture is another one, not where it differs.
class Crc {
public:
    /// Errors: not_present (the driver has none), permission_denied, busy.
    static Result<Crc> open(const drm::Device& card, std::uint32_t crtc_id, std::uint32_t crtc_index);

    /// The checksum of the picture that stands on the display now.
    /// Errors: timed_out.
    Result<std::string> read(Deadline deadline);

private:
    Crc(const drm::Device& card, std::uint32_t crtc_id, UniqueFd data)
        : card_(card),
          crtc_id_(crtc_id),
          data_(std::move(data))
    {}
    Result<std::string> line(Deadline deadline);
    std::optional<std::uint32_t> frame_now() const;

    drm::Device card_;
    std::uint32_t crtc_id_;
    UniqueFd data_;
};

} // namespace commonbuf::content
