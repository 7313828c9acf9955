// SPDX-License-Identifier: MIT
#include "backends/drm/framebuffer_object.hpp"

#include <commonbuf/drm/framebuffer.hpp>

namespace commonbuf::drm {

std::uint32_t Framebuffer::id() const noexcept { return object_->id(); }

} // namespace commonbuf::drm
