// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/commonbuf.hpp>
#include <commonbuf/vulkan.hpp>

#include <string>
#include <string_view>
#include <vector>

/// The Vulkan devices of this machine, through the machine's loader, which is opened when it is
/// first needed. Devices stay open until the program ends: uses and heaps need them.
namespace allocinfo {

/// What a Vulkan device says before one is made of it.
struct GpuInfo {
    std::string name; ///< VkPhysicalDeviceProperties::deviceName
    std::string node; ///< its render node, "/dev/dri/renderD128"; empty if it has none
    commonbuf::Result<commonbuf::vulkan::Requirements> requirements;
};

/// Errors: not_present (no loader, or no driver that makes an instance).
commonbuf::Result<std::vector<GpuInfo>> gpus();

/// The first device whose render node this is (by path or file name), or in whose name this is,
/// with all that commonbuf can use and one queue.
///
/// Errors: those of gpus(); not_present (no such device), those of vulkan::requirements(),
/// kernel_failure (the driver makes no device).
commonbuf::Result<commonbuf::vulkan::Device> open_gpu(std::string_view target);

} // namespace allocinfo
