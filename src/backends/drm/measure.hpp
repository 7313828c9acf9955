// SPDX-License-Identifier: MIT
#pragma once

#include "backends/drm/file.hpp"

#include <commonbuf/constraints.hpp>
#include <commonbuf/format.hpp>
#include <commonbuf/result.hpp>

#include <cstdint>

namespace commonbuf::drm {

/// Finds out with trial framebuffers over a dumb buffer what the driver requires of strides and
/// offsets; `fd` is File::memory_fd(). Without dumb buffers the constraints are empty. Errors: why a
/// trial failed for another reason than its numbers, so that a later call may learn more.
Result<Constraints> measure_framebuffers(const File& file, int fd, Format format, std::uint32_t width);

} // namespace commonbuf::drm
