// SPDX-License-Identifier: MIT
#pragma once

#include "backends/drm/file.hpp"

#include <commonbuf/drm/resources.hpp>

#include <cstdint>
#include <vector>

namespace commonbuf::drm {

/// Reads the formats that a plane lists with their modifiers (IN_FORMATS), sorted. If it lists no
/// modifiers, each format comes with the implicit one.
std::vector<FormatModifier> plane_formats(const File& file, std::uint32_t plane);

/// Reads those that can be flipped to without waiting for vblank (IN_FORMATS_ASYNC), sorted; empty
/// if the driver does not say.
std::vector<FormatModifier> async_plane_formats(const File& file, std::uint32_t plane);

} // namespace commonbuf::drm
