// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/buffer.hpp>
#include <commonbuf/content.hpp>
#include <commonbuf/deadline.hpp>
#include <commonbuf/result.hpp>

#ifdef COMMONBUF_HAVE_DRM
#include <commonbuf/drm/device.hpp>
#endif
#ifdef COMMONBUF_HAVE_V4L2
#include <commonbuf/v4l2/device.hpp>
#endif
#ifdef COMMONBUF_HAVE_VULKAN
#include <commonbuf/vulkan/device.hpp>
#endif

#include <cstdint>
#include <span>
#include <string>
#include <utility>

/// One function for each kind of device, each in the source of its name. All of them work through
/// the library's public classes, as a program would.
namespace commonbuf::content {

/// What is to be streamed: at least one buffer and one frame.
struct Stream {
    std::span<const Buffer> buffers;
    std::uint32_t frames = 0;
    Deadline deadline;

    const Layout& layout() const { return buffers.front().layout(); }
    const Buffer& buffer(std::uint32_t frame) const { return buffers[frame % buffers.size()]; }
};

/// Says why nothing was checked.
inline Content not_checked(std::string reason) { return {.reason = std::move(reason)}; }

/// Writes through one mapping and reads through another one.
Result<Content> verify_cpu(const Stream& stream);

#ifdef COMMONBUF_HAVE_DRM
/// Shows pictures from these buffers, and the same ones from the driver's own memory, and compares
/// what the display says that it showed on one of these planes. Opens the card anew.
Result<Content> verify_display(const drm::Device& card, const drm::UsedPlanes& planes, const Stream& stream);
#endif

#ifdef COMMONBUF_HAVE_V4L2
/// Compares frames in these buffers with a frame in the driver's own memory. `identity` is that of
/// the use: a still picture is remembered under it.
Result<Content> verify_capture(const v4l2::Device& camera, const std::string& identity, const Stream& stream);

/// Has the same work done twice, once in the driver's own memory only and once with these buffers
/// on one side. Opens the node anew.
Result<Content> verify_m2m(const v4l2::UsedQueue& queue, const Stream& stream);
#endif

#ifdef COMMONBUF_HAVE_VULKAN
/// Has the GPU copy between these buffers and memory of its own.
Result<Content> verify_images(const vulkan::UsedImages& images, const Stream& stream);
#endif

} // namespace commonbuf::content
