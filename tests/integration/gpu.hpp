// SPDX-License-Identifier: MIT
#pragma once

#include "devices.hpp"

#include <commonbuf/vulkan.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>
#include <vulkan/vulkan_core.h>

/// A VkDevice of this machine, made as a program would, with the validation layers where they
/// are installed: what they say fails the test.
class Gpu {
public:
    /// Made once; nullptr, and the reason, where there is no device that imports dma-bufs.
    static const Gpu* find(std::string& why_not);
    ~Gpu();
    Gpu(const Gpu&) = delete;
    Gpu& operator=(const Gpu&) = delete;

    VkInstance instance = VK_NULL_HANDLE;
    VkPhysicalDevice physical = VK_NULL_HANDLE;
    VkDevice device = VK_NULL_HANDLE;
    VkQueue queue = VK_NULL_HANDLE;
    std::uint32_t family = 0;
    PFN_vkGetInstanceProcAddr get_instance_proc_addr = nullptr;
    std::optional<commonbuf::vulkan::Requirements> requirements;
    std::optional<commonbuf::vulkan::Device> wrapped;
    bool validated = false; ///< whether the layers are there

    /// A function of the device.
    template <typename Function>
    Function get(const char* name) const
    {
        return reinterpret_cast<Function>(get_device_proc_addr_(device, name));
    }
    template <typename Function>
    Function get_instance(const char* name) const
    {
        return reinterpret_cast<Function>(get_instance_proc_addr(instance, name));
    }

    /// What Device::wrap() is told; with other extensions, as if the device lacked the rest.
    commonbuf::vulkan::WrapInfo info() const;

    /// Records, submits, and waits for the end.
    void run(const std::function<void(VkCommandBuffer)>& record) const;

    /// A barrier over the whole image, from or to another kind of device with the family
    /// VK_QUEUE_FAMILY_FOREIGN_EXT.
    void barrier(VkCommandBuffer commands, VkImage image, VkImageLayout from, VkImageLayout to,
                 std::uint32_t from_family, std::uint32_t to_family) const;

    /// What the validation layers have said since the last call.
    static std::vector<std::string> messages();

private:
    Gpu() = default;
    std::string create();
    std::string create_instance();
    std::string create_device();

    void* loader_ = nullptr;
    VkDebugUtilsMessengerEXT messenger_ = VK_NULL_HANDLE;
    VkCommandPool pool_ = VK_NULL_HANDLE;
    PFN_vkGetDeviceProcAddr get_device_proc_addr_ = nullptr;
    std::vector<const char*> extensions_;
};

/// Tests with a GPU: no message of the validation layers, no lost descriptor.
class GpuTest : public devices::Test {
protected:
    void SetUp() override;
    void TearDown() override;
};

#define NEED_GPU(variable)                                                                                             \
    std::string variable##_why_not;                                                                                    \
    const Gpu* variable##_found = Gpu::find(variable##_why_not);                                                       \
    if (variable##_found == nullptr)                                                                                   \
        GTEST_SKIP() << variable##_why_not;                                                                            \
    [[maybe_unused]] const Gpu& variable = *variable##_found
