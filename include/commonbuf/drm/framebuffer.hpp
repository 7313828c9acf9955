// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>

#include <cstdint>
#include <memory>
#include <utility>

namespace commonbuf::drm {

class FramebufferObject; // the library's own

/// A framebuffer object over a buffer. A handle: the object and its GEM handles are removed when
/// the buffer and the last copy of this are gone.
class COMMONBUF_API Framebuffer {
public:
    /// Returns the id for the FB_ID property and the legacy calls.
    std::uint32_t id() const noexcept;

    explicit Framebuffer(std::shared_ptr<const FramebufferObject> object) noexcept : object_(std::move(object)) {}

private:
    std::shared_ptr<const FramebufferObject> object_;
};

} // namespace commonbuf::drm
