// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/commonbuf.hpp>
#include <commonbuf/vulkan.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vulkan/vulkan.h>

/// A Vulkan device for compute, as a program of its own would make it: instance, device and one
/// queue, with all that commonbuf can use of it.
class Gpu {
public:
    /// The first device with a name like `name` (any part of it) that can import dma-bufs and
    /// sync_files. `validate` turns the validation layers on, with synchronisation.
    ///
    /// Errors: not_present (no such device; no layers), unsupported (with what is missing),
    /// kernel_failure (with the VkResult).
    static commonbuf::Result<std::unique_ptr<Gpu>> create(const std::string& name, bool validate);

    ~Gpu();
    Gpu(const Gpu&) = delete;
    Gpu& operator=(const Gpu&) = delete;

    const commonbuf::vulkan::Device& device() const noexcept { return *wrapped_; }
    VkDevice handle() const noexcept { return device_; }
    VkQueue queue() const noexcept { return queue_; }
    std::uint32_t family() const noexcept { return family_; }

    bool validates() const noexcept { return messenger_ != VK_NULL_HANDLE; }

    /// What the validation layers complained of so far; each stands in stderr too.
    std::uint32_t complaints() const noexcept { return complaints_; }

private:
    Gpu() = default;
    commonbuf::Status make_instance(bool validate);
    commonbuf::Status choose(const std::string& name);
    commonbuf::Status make_device();

    VkInstance instance_ = VK_NULL_HANDLE;
    VkDebugUtilsMessengerEXT messenger_ = VK_NULL_HANDLE;
    VkPhysicalDevice physical_ = VK_NULL_HANDLE;
    VkDevice device_ = VK_NULL_HANDLE;
    VkQueue queue_ = VK_NULL_HANDLE;
    std::uint32_t family_ = 0;
    std::atomic<std::uint32_t> complaints_{0};
    commonbuf::vulkan::Requirements requirements_;
    std::unique_ptr<commonbuf::vulkan::Device> wrapped_;
};

/// A VkResult as an error of `call`.
commonbuf::Error vulkan_error(VkResult result, const std::string& call);

/// The same where there is nothing else to say.
commonbuf::Status vulkan_status(VkResult result, const char* call);
