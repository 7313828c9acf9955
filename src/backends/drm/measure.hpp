// SPDX-License-Identifier: MIT
#pragma once

#include "backends/drm/file.hpp"

#include <commonbuf/constraints.hpp>
#include <commonbuf/format.hpp>

#include <cstdint>
#include <optional>

namespace commonbuf::drm {

/// Finds out with trial framebuffers over a dumb buffer what the driver requires of strides and
/// offsets. Without dumb buffers the constraints are empty. Returns nothing if a trial failed for
/// another reason, so that a later call may learn more.
std::optional<Constraints> measure_framebuffers(const File& file, Format format, std::uint32_t width);

} // namespace commonbuf::drm
