// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/deadline.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

#include <cstdint>
#include <string>

namespace commonbuf::drm {

/// The checksums that a display makes of what it shows (drm_debugfs_crc.c), where root
/// can read debugfs. They say that a picture is another one, not where.
class Crc {
public:
    /// Errors: not_present (the driver has none), permission_denied, busy.
    static Result<Crc> open(const std::string& card_path, std::uint32_t crtc_index);

    /// The checksum of the picture that stands on the display now.
    /// Errors: timed_out.
    Result<std::string> read(Deadline deadline);

private:
    explicit Crc(UniqueFd data) : data_(std::move(data)) {}
    Result<std::string> line(Deadline deadline);

    UniqueFd data_;
};

} // namespace commonbuf::drm
