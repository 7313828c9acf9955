// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/drm/resources.hpp>
#include <commonbuf/use.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace commonbuf::drm {

class File;

/// When a plane shows the next framebuffer.
enum class Flip : std::uint8_t {
    at_vblank,
    at_once, ///< DRM_MODE_PAGE_FLIP_ASYNC
};

/// Which planes a use stands for.
struct PlaneChoice {
    PlaneType type = PlaneType::primary;
    std::optional<DisplayPlane> one{}; ///< this one only
    Flip flip = Flip::at_vblank;
};

/// Return the identities of the uses that this plane stands for: those of its type, and of this one only.
std::vector<std::string> identities_of(const File& file, const DisplayPlane& plane, Flip flip);
/// Return the identity of its writeback connectors as a use.
std::string writeback_identity(const File& file);
/// Return the identities of all uses of the device, except those of a single plane.
std::vector<std::string> all_identities(const File& file);

/// Makes the use of the device's planes.
Use make_scanout(std::shared_ptr<File> file, PlaneChoice planes);

/// Makes the use of its writeback connectors.
Use make_writeback(std::shared_ptr<File> file);

} // namespace commonbuf::drm
