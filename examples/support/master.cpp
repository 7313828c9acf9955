// SPDX-License-Identifier: MIT
#include "master.hpp"

#include <xf86drm.h>

#include <cerrno>

namespace cb = commonbuf;

cb::Result<Master> Master::become(const cb::drm::Device& device)
{
    if (drmSetMaster(device.fd()) == 0)
        return Master(device);
    const int error = errno;
    return cb::Error::of(error == EBUSY ? cb::Category::busy : cb::Category::permission_denied,
                         "become DRM master of " + device.info().path, "another program sets modes on this card",
                         "stop the compositor, or run from a virtual terminal")
        .with_errno(error);
}

Master::~Master()
{
    if (device_)
        drmDropMaster(device_->fd());
}
