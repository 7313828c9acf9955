// SPDX-License-Identifier: MIT
#pragma once

#include <vulkan/vulkan_core.h>

#include <cstdint>
#include <string>

// One list of names declares the members and loads them.

/// Functions of an instance of Vulkan 1.1.
#define COMMONBUF_VULKAN_INSTANCE_FUNCTIONS(X)                                                                         \
    X(EnumerateDeviceExtensionProperties)                                                                              \
    X(GetDeviceProcAddr)                                                                                               \
    X(GetPhysicalDeviceExternalBufferProperties)                                                                       \
    X(GetPhysicalDeviceExternalFenceProperties)                                                                        \
    X(GetPhysicalDeviceExternalSemaphoreProperties)                                                                    \
    X(GetPhysicalDeviceFeatures2)                                                                                      \
    X(GetPhysicalDeviceFormatProperties2)                                                                              \
    X(GetPhysicalDeviceImageFormatProperties2)                                                                         \
    X(GetPhysicalDeviceMemoryProperties2)                                                                              \
    X(GetPhysicalDeviceProperties2)

/// Functions of every device of Vulkan 1.1.
#define COMMONBUF_VULKAN_DEVICE_FUNCTIONS(X)                                                                           \
    X(AllocateMemory)                                                                                                  \
    X(BindBufferMemory2)                                                                                               \
    X(BindImageMemory2)                                                                                                \
    X(CreateBuffer)                                                                                                    \
    X(CreateFence)                                                                                                     \
    X(CreateImage)                                                                                                     \
    X(CreateImageView)                                                                                                 \
    X(CreateSamplerYcbcrConversion)                                                                                    \
    X(CreateSemaphore)                                                                                                 \
    X(DestroyBuffer)                                                                                                   \
    X(DestroyFence)                                                                                                    \
    X(DestroyImage)                                                                                                    \
    X(DestroyImageView)                                                                                                \
    X(DestroySamplerYcbcrConversion)                                                                                   \
    X(DestroySemaphore)                                                                                                \
    X(FreeMemory)                                                                                                      \
    X(GetBufferMemoryRequirements2)                                                                                    \
    X(GetFenceStatus)                                                                                                  \
    X(GetImageMemoryRequirements2)                                                                                     \
    X(GetImageSubresourceLayout)                                                                                       \
    X(QueueSubmit)                                                                                                     \
    X(ResetFences)

/// Functions of Vulkan 1.2, or of VK_KHR_timeline_semaphore with "KHR" after the name.
#define COMMONBUF_VULKAN_TIMELINE_FUNCTIONS(X)                                                                         \
    X(GetSemaphoreCounterValue)                                                                                        \
    X(SignalSemaphore)                                                                                                 \
    X(WaitSemaphores)

/// Functions of extensions, each with its extension. Nothing calls GetImageDrmFormatModifierPropertiesEXT:
/// it shows that the device was made with its extension.
#define COMMONBUF_VULKAN_EXTENSION_FUNCTIONS(X)                                                                        \
    X(GetMemoryFdKHR, external_memory_fd)                                                                              \
    X(GetMemoryFdPropertiesKHR, external_memory_fd)                                                                    \
    X(GetImageDrmFormatModifierPropertiesEXT, image_drm_format_modifier)                                               \
    X(ImportSemaphoreFdKHR, external_semaphore_fd)                                                                     \
    X(GetSemaphoreFdKHR, external_semaphore_fd)                                                                        \
    X(ImportFenceFdKHR, external_fence_fd)                                                                             \
    X(GetFenceFdKHR, external_fence_fd)

namespace commonbuf::vulkan {

class Enabled;

/// Vulkan's functions as the caller's loader gives them. Functions of an extension that the device was
/// made without are null; call Context::require() before each use.
// NOLINTBEGIN(bugprone-macro-parentheses): the arguments are names
struct Functions {
#define COMMONBUF_MEMBER(name, ...) PFN_vk##name name = nullptr;
    COMMONBUF_VULKAN_INSTANCE_FUNCTIONS(COMMONBUF_MEMBER)
    COMMONBUF_VULKAN_DEVICE_FUNCTIONS(COMMONBUF_MEMBER)
    COMMONBUF_VULKAN_TIMELINE_FUNCTIONS(COMMONBUF_MEMBER)
    COMMONBUF_VULKAN_EXTENSION_FUNCTIONS(COMMONBUF_MEMBER)
#undef COMMONBUF_MEMBER

    /// Loads the functions of an instance. Returns the name of the first missing one, or nothing.
    std::string load(VkInstance instance, PFN_vkGetInstanceProcAddr get);

    /// Loads the functions of a device, after those of its instance. Returns the same.
    std::string load(VkDevice device, const Enabled& enabled, std::uint32_t api_version);
};
// NOLINTEND(bugprone-macro-parentheses)

} // namespace commonbuf::vulkan
