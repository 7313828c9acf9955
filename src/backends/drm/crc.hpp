// SPDX-License-Identifier: MIT
#pragma once

#include "backends/drm/file.hpp"

#include <commonbuf/deadline.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace commonbuf::drm {

/// The checksums that a display makes of what it shows (drm_debugfs_crc.c), where root
/// can read debugfs. They say that a picture is another one, not where.
class Crc {
public:
    /// Errors: not_present (the driver has none), permission_denied, busy.
    static Result<Crc> open(std::shared_ptr<File> file, std::uint32_t crtc_id, std::uint32_t crtc_index);

    /// The checksum of the picture that stands on the display now.
    /// Errors: timed_out.
    Result<std::string> read(Deadline deadline);

private:
    Crc(std::shared_ptr<File> file, std::uint32_t crtc_id, UniqueFd data)
        : file_(std::move(file)),
          crtc_id_(crtc_id),
          data_(std::move(data))
    {}
    Result<std::string> line(Deadline deadline);
    std::optional<std::uint32_t> frame_now() const;

    std::shared_ptr<File> file_;
    std::uint32_t crtc_id_;
    UniqueFd data_;
};

} // namespace commonbuf::drm
