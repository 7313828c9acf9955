// SPDX-License-Identifier: MIT
#include "os/dumb_buffer.hpp"

#include "os/os.hpp"

#include <drm.h>
#include <drm_mode.h>
#include <fcntl.h>

namespace commonbuf::os {

Result<DumbBuffer> DumbBuffer::create(int drm_fd, std::string node, const DumbSize& size)
{
    DumbBuffer buffer(drm_fd, std::move(node));
    drm_mode_create_dumb request{};
    request.width = size.width;
    request.height = size.height;
    request.bpp = size.bits_per_pixel;
    if (const int error = ioctl_again(drm_fd, DRM_IOCTL_MODE_CREATE_DUMB, &request); error != 0)
        return Error::from_errno(error, {"DRM_IOCTL_MODE_CREATE_DUMB", buffer.node_});
    buffer.handle_ = request.handle;
    buffer.stride_ = request.pitch;
    buffer.size_ = request.size;
    return buffer;
}

DumbBuffer::~DumbBuffer()
{
    if (handle_ == 0)
        return;
    drm_mode_destroy_dumb request{};
    request.handle = handle_;
    ioctl_again(drm_fd_, DRM_IOCTL_MODE_DESTROY_DUMB, &request);
}

Result<UniqueFd> DumbBuffer::to_dma_buf() const
{
    drm_prime_handle request{};
    request.handle = handle_;
    request.flags = DRM_CLOEXEC | DRM_RDWR;
    if (const int error = ioctl_again(drm_fd_, DRM_IOCTL_PRIME_HANDLE_TO_FD, &request); error != 0)
        return Error::from_errno(error, {"DRM_IOCTL_PRIME_HANDLE_TO_FD", node_});
    return UniqueFd(request.fd);
}

} // namespace commonbuf::os
