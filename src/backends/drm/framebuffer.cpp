// SPDX-License-Identifier: MIT
#include "backends/drm/framebuffer.hpp"

#include "base/text.hpp"

#include <commonbuf/drm/framebuffer.hpp>

#include <drm.h>
#include <drm_mode.h>

#include <limits>

namespace commonbuf::drm {

Result<std::shared_ptr<FramebufferObject>> FramebufferObject::create(std::shared_ptr<File> file, const Layout& layout,
                                                                     std::span<const int> memories)
{
    std::shared_ptr<FramebufferObject> object(new FramebufferObject(std::move(file)));
    const File& drm = *object->file_;
    const bool implicit = layout.modifier == implicit_modifier;
    if (!drm.info().modifiers && !implicit && layout.modifier != linear)
        return Error::unsupported(drm.where("DRM_IOCTL_MODE_ADDFB2"),
                                  text::format("the driver has no modifiers (DRM_CAP_ADDFB2_MODIFIERS), so it would "
                                               "not know that the image is {}",
                                               to_string(layout.modifier)));
    const auto fd = object->file_->memory_fd();
    if (!fd)
        return fd.error();
    for (const int memory : memories) {
        const auto handle = object->file_->import(memory);
        if (!handle)
            return handle.error();
        object->handles_.push_back(*handle);
    }

    const Call call = drm.where("DRM_IOCTL_MODE_ADDFB2");
    // With the flag the kernel refuses DRM_FORMAT_MOD_INVALID. Without it the driver decides how the
    // image lies, from what it knows of its own memory.
    const bool tells = drm.info().modifiers && !implicit;
    drm_mode_fb_cmd2 request{
        .width = layout.width,
        .height = layout.height,
        .pixel_format = layout.format.fourcc,
        .flags = tells ? unsigned{DRM_MODE_FB_MODIFIERS} : 0U,
    };
    for (std::uint32_t i = 0; i < layout.plane_count; ++i) {
        const Plane& plane = layout.planes[i];
        if (plane.offset > std::numeric_limits<std::uint32_t>::max())
            return Error::unsupported(
                call, text::format("plane {} starts at {}, beyond the 32 bits that DRM has for it", i, plane.offset));
        request.handles[i] = object->handles_[plane.memory];
        request.pitches[i] = plane.stride;
        request.offsets[i] = static_cast<std::uint32_t>(plane.offset);
        if (tells)
            request.modifier[i] = layout.modifier.value;
    }
    if (const int error = os::ioctl_again(*fd, DRM_IOCTL_MODE_ADDFB2, &request); error != 0) {
        Error result = Error::from_errno(error, call, "the driver does not show " + to_string(layout));
        if (result.category == Category::invalid_argument)
            result.category = Category::unsupported;
        return result;
    }
    object->id_ = request.fb_id;
    object->fd_ = *fd;
    return object;
}

FramebufferObject::~FramebufferObject()
{
    if (id_ != 0)
        os::ioctl_again(fd_, DRM_IOCTL_MODE_RMFB, &id_);
    for (const std::uint32_t handle : handles_)
        file_->release(handle);
}

std::uint32_t Framebuffer::id() const noexcept { return object_ ? object_->id() : 0; }

} // namespace commonbuf::drm
