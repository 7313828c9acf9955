// SPDX-License-Identifier: MIT
//
// Never compiled: meson asks the compiler which files these are (see meson.build).
#include <drm_fourcc.h>
#include <linux/videodev2.h>
#if __has_include(<vulkan/vulkan_core.h>)
#include <vulkan/vulkan_core.h>
#endif
