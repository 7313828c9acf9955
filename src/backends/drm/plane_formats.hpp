// SPDX-License-Identifier: MIT
#pragma once

#include "backends/drm/file.hpp"

#include <commonbuf/drm/resources.hpp>
#include <commonbuf/result.hpp>

#include <cstdint>
#include <vector>

namespace commonbuf::drm {

/// What the planes of a device can show.
struct ScanoutSupport {
    std::vector<DisplayPlane> planes;
    std::uint32_t max_width = 0;
    std::uint32_t max_height = 0;
};

/// Asks all planes. Errors: unsupported (no modesetting), device_gone, device_failed, out_of_memory.
Result<ScanoutSupport> read_scanout_support(const File& file);

/// Reads into a plane, whose properties are known, the formats and modifiers that it shows
/// (IN_FORMATS, IN_FORMATS_ASYNC), and the sizes of a cursor. If it lists no modifiers, each of
/// `bare` comes with the implicit one. Errors: device_gone, device_failed, out_of_memory.
Status read_formats(const File& file, const std::vector<std::uint32_t>& bare, DisplayPlane& plane);

} // namespace commonbuf::drm
