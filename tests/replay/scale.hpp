// SPDX-License-Identifier: MIT
#pragma once

#include "dump.hpp"

namespace replay {

/// What a device asks for at another size than the one it was asked about. Alignments and
/// limits are its own and stay. A stride or size that the driver computed from the image
/// is computed anew where the rule shows in the dump, and left out elsewhere.
cb::Constraints scaled(const cb::Constraints& measured, Size at, const cb::Request& request);

/// How a device with rules for its planes lays an image out. Errors: unsupported (larger
/// than 32 bits can say).
cb::Result<cb::Layout> tiled_layout(const SupportRecord& record, cb::Modifier modifier, const cb::Request& request);

} // namespace replay
