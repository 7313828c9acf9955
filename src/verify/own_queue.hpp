// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/v4l2/device.hpp>

namespace commonbuf::content {

/// How the driver lays this image out by itself: in its own stride, and with the padding of a
/// codec. Errors: unsupported (it makes another image of it, or only a driver knows the layout).
Result<Layout> own_layout(const v4l2::Device& device, v4l2::Role role, const Layout& image);

/// The use of a queue.
Use use_of(const v4l2::Device& device, v4l2::Role role);

/// How the planes of a layout are spread over memories.
Memories memories_of(const Layout& layout) noexcept;

} // namespace commonbuf::content
