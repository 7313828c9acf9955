// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/buffer.hpp>
#include <commonbuf/content.hpp>
#include <commonbuf/deadline.hpp>
#include <commonbuf/result.hpp>

#include <cstdint>
#include <span>
#include <string>

namespace commonbuf::drm {

/// Shows pictures from these buffers, and the same ones from the driver's own memory,
/// and compares what the display says that it showed. Through a file of its own.
Result<Content> verify_scanout(const std::string& path, std::span<const Buffer> buffers, std::uint32_t frames,
                               Deadline deadline);

} // namespace commonbuf::drm
