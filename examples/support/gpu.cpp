// SPDX-License-Identifier: MIT
#include "gpu.hpp"

#include <array>
#include <cstring>
#include <iostream>
#include <utility>
#include <vector>

namespace cb = commonbuf;

namespace {

constexpr std::uint32_t api_version = VK_API_VERSION_1_2;
constexpr const char* validation = "VK_LAYER_KHRONOS_validation";

VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT /*severity*/,
                                          VkDebugUtilsMessageTypeFlagsEXT /*type*/,
                                          const VkDebugUtilsMessengerCallbackDataEXT* data, void* complaints)
{
    ++*static_cast<std::atomic<std::uint32_t>*>(complaints);
    std::cerr << "validation: " << data->pMessage << '\n';
    return VK_FALSE;
}

bool has_layer(const char* name)
{
    std::uint32_t count = 0;
    vkEnumerateInstanceLayerProperties(&count, nullptr);
    std::vector<VkLayerProperties> layers(count);
    vkEnumerateInstanceLayerProperties(&count, layers.data());
    for (const VkLayerProperties& layer : layers) {
        if (std::strcmp(layer.layerName, name) == 0)
            return true;
    }
    return false;
}

/// The first queue family that computes.
bool find_compute(VkPhysicalDevice physical, std::uint32_t& family)
{
    std::uint32_t count = 0;
    vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, nullptr);
    std::vector<VkQueueFamilyProperties> families(count);
    vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, families.data());
    for (family = 0; family < count; ++family) {
        if ((families[family].queueFlags & VK_QUEUE_COMPUTE_BIT) != 0)
            return true;
    }
    return false;
}

/// What this program cannot do without, of that which commonbuf can use.
std::string missing(const cb::vulkan::Requirements& requirements)
{
    for (const auto& each : requirements.all) {
        for (const char* needed :
             {VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME, VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME,
              VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME, VK_KHR_EXTERNAL_SEMAPHORE_FD_EXTENSION_NAME}) {
            if (each.name == needed && !each.available)
                return std::string(each.name);
        }
    }
    return {};
}

} // namespace

cb::Error vulkan_error(VkResult result, const std::string& call)
{
    cb::Error error;
    error.category = result == VK_ERROR_DEVICE_LOST ? cb::Category::device_gone : cb::Category::kernel_failure;
    error.operation = call;
    error.detail = "VkResult " + std::to_string(result);
    return error;
}

cb::Status vulkan_status(VkResult result, const char* call)
{
    if (result != VK_SUCCESS)
        return vulkan_error(result, call);
    return {};
}

cb::Result<std::unique_ptr<Gpu>> Gpu::create(const std::string& name, bool validate)
{
    std::unique_ptr<Gpu> gpu(new Gpu);
    if (const auto made = gpu->make_instance(validate); !made)
        return made.error();
    if (const auto chosen = gpu->choose(name); !chosen)
        return chosen.error();
    if (const auto made = gpu->make_device(); !made)
        return made.error();
    return gpu;
}

cb::Status Gpu::make_instance(bool validate)
{
    if (validate && !has_layer(validation))
        return cb::Error::not_present(std::string("find ") + validation, "the validation layers are not installed",
                                      "install vulkan-validationlayers");
    VkApplicationInfo application{};
    application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
    application.apiVersion = api_version;

    constexpr std::array enabled{VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT};
    VkValidationFeaturesEXT features{};
    features.sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT;
    features.enabledValidationFeatureCount = enabled.size();
    features.pEnabledValidationFeatures = enabled.data();
    VkDebugUtilsMessengerCreateInfoEXT messenger{};
    messenger.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT;
    messenger.messageSeverity =
        VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT;
    messenger.messageType =
        VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT;
    messenger.pfnUserCallback = on_message;
    messenger.pUserData = &complaints_;
    features.pNext = &messenger;

    const char* extension = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
    VkInstanceCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
    info.pApplicationInfo = &application;
    if (validate) {
        info.pNext = &features;
        info.enabledLayerCount = 1;
        info.ppEnabledLayerNames = &validation;
        info.enabledExtensionCount = 1;
        info.ppEnabledExtensionNames = &extension;
    }
    if (const VkResult made = vkCreateInstance(&info, nullptr, &instance_); made != VK_SUCCESS)
        return vulkan_error(made, "vkCreateInstance");
    if (validate) {
        const auto create = reinterpret_cast<PFN_vkCreateDebugUtilsMessengerEXT>(
            vkGetInstanceProcAddr(instance_, "vkCreateDebugUtilsMessengerEXT"));
        const VkResult made =
            create != nullptr ? create(instance_, &messenger, nullptr, &messenger_) : VK_ERROR_EXTENSION_NOT_PRESENT;
        if (made != VK_SUCCESS)
            return vulkan_error(made, "vkCreateDebugUtilsMessengerEXT");
    }
    return {};
}

cb::Status Gpu::choose(const std::string& name)
{
    std::uint32_t count = 0;
    vkEnumeratePhysicalDevices(instance_, &count, nullptr);
    std::vector<VkPhysicalDevice> all(count);
    vkEnumeratePhysicalDevices(instance_, &count, all.data());
    std::string why;
    for (VkPhysicalDevice each : all) {
        VkPhysicalDeviceProperties properties{};
        vkGetPhysicalDeviceProperties(each, &properties);
        const std::string called(&properties.deviceName[0]);
        const auto speaks_against = [&](const std::string& reason) {
            why.append("; ").append(called).append(": ").append(reason);
        };
        if (called.find(name) == std::string::npos)
            continue;
        auto requirements = cb::vulkan::requirements(instance_, each, vkGetInstanceProcAddr, api_version);
        if (!requirements) {
            speaks_against(requirements.error().message());
        } else if (const std::string lacks = missing(*requirements); !lacks.empty()) {
            speaks_against("it has no " + lacks);
        } else if (!find_compute(each, family_)) {
            speaks_against("it does not compute");
        } else {
            physical_ = each;
            requirements_ = std::move(*requirements);
            return {};
        }
    }
    return cb::Error::of(why.empty() ? cb::Category::not_present : cb::Category::unsupported, "find a Vulkan device",
                         why.empty() ? "there is none" + (name.empty() ? "" : " with a name like '" + name + "'")
                                     : why.substr(2),
                         "install a driver (mesa-vulkan-drivers has one for the CPU)");
}

cb::Status Gpu::make_device()
{
    const cb::vulkan::Features features = requirements_.features();
    const std::vector<const char*> extensions = requirements_.extensions();
    VkPhysicalDeviceTimelineSemaphoreFeatures timelines{};
    timelines.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES;
    timelines.timelineSemaphore = features.timeline_semaphore ? VK_TRUE : VK_FALSE;
    VkPhysicalDeviceSamplerYcbcrConversionFeatures conversion{};
    conversion.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SAMPLER_YCBCR_CONVERSION_FEATURES;
    conversion.samplerYcbcrConversion = features.sampler_ycbcr_conversion ? VK_TRUE : VK_FALSE;
    conversion.pNext = &timelines;
    // The shader writes pictures of a format that the plan chooses.
    VkPhysicalDeviceFeatures2 basic{};
    basic.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
    basic.features.shaderStorageImageWriteWithoutFormat = VK_TRUE;
    basic.pNext = &conversion;

    const float priority = 1;
    VkDeviceQueueCreateInfo queue{};
    queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
    queue.queueFamilyIndex = family_;
    queue.queueCount = 1;
    queue.pQueuePriorities = &priority;
    VkDeviceCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
    info.pNext = &basic;
    info.queueCreateInfoCount = 1;
    info.pQueueCreateInfos = &queue;
    info.enabledExtensionCount = static_cast<std::uint32_t>(extensions.size());
    info.ppEnabledExtensionNames = extensions.data();
    if (const VkResult made = vkCreateDevice(physical_, &info, nullptr, &device_); made != VK_SUCCESS)
        return vulkan_error(made, "vkCreateDevice of " + requirements_.device);
    vkGetDeviceQueue(device_, family_, 0, &queue_);

    auto wrapped = cb::vulkan::Device::wrap({.instance = instance_,
                                             .physical = physical_,
                                             .device = device_,
                                             .queue_family = family_,
                                             .get_instance_proc_addr = vkGetInstanceProcAddr,
                                             .api_version = api_version,
                                             .extensions = extensions,
                                             .features = features});
    if (!wrapped)
        return wrapped.error();
    wrapped_ = std::make_unique<cb::vulkan::Device>(std::move(*wrapped));
    return {};
}

Gpu::~Gpu()
{
    wrapped_.reset();
    if (device_ != VK_NULL_HANDLE)
        vkDestroyDevice(device_, nullptr);
    if (messenger_ != VK_NULL_HANDLE) {
        const auto destroy = reinterpret_cast<PFN_vkDestroyDebugUtilsMessengerEXT>(
            vkGetInstanceProcAddr(instance_, "vkDestroyDebugUtilsMessengerEXT"));
        destroy(instance_, messenger_, nullptr);
    }
    if (instance_ != VK_NULL_HANDLE)
        vkDestroyInstance(instance_, nullptr);
}
