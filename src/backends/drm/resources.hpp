// SPDX-License-Identifier: MIT
#pragma once

#include "backends/drm/file.hpp"

#include <commonbuf/drm/resources.hpp>
#include <commonbuf/result.hpp>

#include <vector>

namespace commonbuf::drm {

/// Reads the planes of a file, as its client capabilities show them. Errors: unsupported (no
/// modesetting), device_gone, device_failed, out_of_memory.
Result<std::vector<DisplayPlane>> read_planes(const File& file);

/// Reads the writeback connectors, without probing the others. Errors: as read_resources().
Result<std::vector<Connector>> read_writeback_connectors(const File& file);

/// What display_resources() returns.
Result<DisplayResources> read_resources(const File& file);

} // namespace commonbuf::drm
