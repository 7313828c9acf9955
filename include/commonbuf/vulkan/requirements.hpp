// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>
#include <commonbuf/result.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>
#include <vulkan/vulkan_core.h>

namespace commonbuf::vulkan {

/// Features of a VkDevice that commonbuf can use. Vulkan does not tell which of them a device was
/// made with, so the caller has to.
struct Features {
    bool sampler_ycbcr_conversion = false; ///< VkPhysicalDeviceSamplerYcbcrConversionFeatures
    bool timeline_semaphore = false;       ///< VkPhysicalDeviceTimelineSemaphoreFeatures
};

/// An extension or feature that a VkDevice can be made with, and what commonbuf does with it.
struct Requirement {
    std::string_view name;    ///< "VK_EXT_external_memory_dma_buf"; a feature: "timelineSemaphore"
    bool extension = true;    ///< false for a feature
    bool available = false;   ///< whether the physical device has it
    std::string_view without; ///< what cannot be done without it, a sentence for people
};

/// What commonbuf can use of a device that is yet to be made.
struct COMMONBUF_API Requirements {
    std::string device;            ///< the name of the physical device
    std::uint32_t api_version = 0; ///< the lower one of the caller's and the device's
    std::vector<Requirement> all;  ///< first those that most depends on

    /// Lists the available extensions, for VkDeviceCreateInfo::ppEnabledExtensionNames. The strings
    /// live as long as the program.
    std::vector<const char*> extensions() const;

    /// Returns the available features. Turn them on in VkDeviceCreateInfo::pNext.
    Features features() const;

    /// Describes them for people: one line each, with what is off without those that are missing.
    std::string explain() const;
};

/// Asks a physical device for everything that commonbuf can use, before a VkDevice is made of it.
///
/// Device::wrap() needs none of it: a call that needs something missing fails and names it.
/// `api_version` is VkApplicationInfo::apiVersion.
///
/// Errors: invalid_argument (a handle or vkGetInstanceProcAddr is null), unsupported (Vulkan 1.0; a
/// function is missing), out_of_memory, device_gone (VK_ERROR_DEVICE_LOST).
COMMONBUF_API Result<Requirements> requirements(VkInstance instance, VkPhysicalDevice physical,
                                                PFN_vkGetInstanceProcAddr get_instance_proc_addr,
                                                std::uint32_t api_version);

} // namespace commonbuf::vulkan
