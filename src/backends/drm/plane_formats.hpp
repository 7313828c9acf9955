// SPDX-License-Identifier: MIT
#pragma once

#include "backends/drm/file.hpp"

#include <commonbuf/drm/resources.hpp>

#include <cstdint>
#include <vector>

namespace commonbuf::drm {

/// What the planes of a device can show, all together.
struct ScanoutSupport {
    std::vector<FormatModifier> formats;       ///< sorted; without IN_FORMATS the modifier is implicit
    std::vector<FormatModifier> async_formats; ///< from IN_FORMATS_ASYNC, sorted; empty if the driver does not say
    std::uint32_t max_width = 0;
    std::uint32_t max_height = 0;
};

/// Asks all planes. Errors: unsupported (no modesetting), device_gone.
Result<ScanoutSupport> read_scanout_support(const File& file);

/// Reads the formats that a plane lists with their modifiers (IN_FORMATS), sorted. If it lists no
/// modifiers, each format comes with the implicit one.
std::vector<FormatModifier> plane_formats(const File& file, std::uint32_t plane);

} // namespace commonbuf::drm
