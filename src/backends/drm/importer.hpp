// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/use.hpp>

#include <cstdint>
#include <memory>

namespace commonbuf::drm {

class File;

/// When a plane shows the next framebuffer.
enum class Flip : std::uint8_t {
    at_vblank,
    at_once, ///< DRM_MODE_PAGE_FLIP_ASYNC
};

/// Makes the use of the device's planes.
Use make_scanout(std::shared_ptr<File> file, Flip flip);

} // namespace commonbuf::drm
