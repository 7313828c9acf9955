// SPDX-License-Identifier: MIT
#pragma once

#include "truth_buffer.hpp"

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan_core.h>

#include <functional>
#include <span>
#include <string>

// What is called of Vulkan once there is a device.
#define TRUTH_VULKAN_FUNCTIONS(each)                                                                                   \
    each(AllocateCommandBuffers) each(AllocateMemory) each(BeginCommandBuffer) each(BindBufferMemory)                  \
        each(BindImageMemory) each(CmdCopyBufferToImage) each(CmdCopyImageToBuffer) each(CmdPipelineBarrier)           \
            each(CreateBuffer) each(CreateCommandPool) each(CreateFence) each(CreateImage) each(DestroyBuffer)         \
                each(DestroyImage) each(EndCommandBuffer) each(FreeMemory) each(GetBufferMemoryRequirements)           \
                    each(GetDeviceQueue) each(GetImageMemoryRequirements) each(GetMemoryFdKHR)                         \
                        each(GetMemoryFdPropertiesKHR) each(MapMemory) each(QueueSubmit) each(ResetFences)             \
                            each(WaitForFences)

namespace truth {

/// A Vulkan device of the truth's own, with one queue. Open until the program ends.
class Gpu {
public:
    /// By VkPhysicalDeviceProperties::deviceName. Throws Unknowable.
    static Gpu& named(const std::string& name);

    struct Functions {
#define TRUTH_DECLARE(name) PFN_vk##name name = nullptr;
        TRUTH_VULKAN_FUNCTIONS(TRUTH_DECLARE)
#undef TRUTH_DECLARE
    };

    const Functions& vk() const noexcept { return vk_; }
    VkDevice device() const noexcept { return device_; }
    std::uint32_t family() const noexcept { return family_; }

    /// Makes an image of exactly this layout that lives in a dma-buf. Throws Refused where the device
    /// has no such images.
    VkImage make_image(const Layout& layout, VkImageUsageFlags usage) const;

    /// Why there are no such images; empty where there are.
    std::string refusal(const Layout& layout, VkImageUsageFlags usage) const;

    /// The first of these memory types with the properties. Throws Refused.
    std::uint32_t memory_type(std::uint32_t bits, VkMemoryPropertyFlags properties) const;

    /// Records, submits and waits.
    void run(const std::function<void(VkCommandBuffer)>& record) const;

private:
    explicit Gpu(const std::string& name);

    PFN_vkGetInstanceProcAddr load_ = nullptr;
    VkInstance instance_ = VK_NULL_HANDLE;
    VkPhysicalDevice physical_ = VK_NULL_HANDLE;
    VkDevice device_ = VK_NULL_HANDLE;
    std::uint32_t family_ = 0;
    VkQueue queue_ = VK_NULL_HANDLE;
    VkCommandBuffer commands_ = VK_NULL_HANDLE;
    VkFence fence_ = VK_NULL_HANDLE;
    Functions vk_;
    PFN_vkGetPhysicalDeviceImageFormatProperties2 image_properties_ = nullptr;
    VkPhysicalDeviceMemoryProperties memory_{};
};

/// Throws Refused, or Unknowable where there is no memory.
void check(VkResult result, const char* what);

} // namespace truth
