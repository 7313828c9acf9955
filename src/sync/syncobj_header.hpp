// SPDX-License-Identifier: MIT
#pragma once

#include <drm.h>

#ifndef DRM_IOCTL_SYNCOBJ_EVENTFD
// From Linux 6.6; Debian 12 has older headers (libdrm/drm.h).
struct drm_syncobj_eventfd {
    __u32 handle;
    __u32 flags;
    __u64 point;
    __s32 fd;
    __u32 pad;
};
#define DRM_IOCTL_SYNCOBJ_EVENTFD DRM_IOWR(0xCF, struct drm_syncobj_eventfd)
#endif
