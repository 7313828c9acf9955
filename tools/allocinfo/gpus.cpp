// SPDX-License-Identifier: MIT
#include "gpus.hpp"

#include "text.hpp"

#include <dlfcn.h>
#include <vulkan/vulkan_core.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

namespace allocinfo {
namespace {

using namespace commonbuf;
using commonbuf::text::format;

constexpr std::uint32_t api_version = VK_API_VERSION_1_2;
constexpr const char* loader_name = "libvulkan.so.1";
constexpr const char* install_advice = "install libvulkan1 and a driver, such as mesa-vulkan-drivers";

/// The loader, one instance, and the devices that were opened. They are never closed: drivers leak
/// more if they are unloaded at the end of a program.
class Vulkan {
public:
    static const Result<Vulkan*>& get()
    {
        static const Result<Vulkan*> opened = open();
        return opened;
    }

    std::vector<VkPhysicalDevice> physical_devices() const
    {
        const auto enumerate = find<PFN_vkEnumeratePhysicalDevices>("vkEnumeratePhysicalDevices");
        std::uint32_t count = 0;
        std::vector<VkPhysicalDevice> all;
        if (enumerate(instance_, &count, nullptr) != VK_SUCCESS)
            return all;
        all.resize(count);
        // A device that appears in between gives VK_INCOMPLETE, which is not a failure.
        if (enumerate(instance_, &count, all.data()) < VK_SUCCESS)
            count = 0;
        all.resize(count);
        return all;
    }

    GpuInfo describe(VkPhysicalDevice physical) const
    {
        VkPhysicalDeviceProperties properties{};
        find<PFN_vkGetPhysicalDeviceProperties>("vkGetPhysicalDeviceProperties")(physical, &properties);
        const char* name = properties.deviceName;
        return {std::string(name, strnlen(name, sizeof properties.deviceName)), render_node(physical, properties),
                vulkan::requirements(instance_, physical, get_, api_version)};
    }

    Result<vulkan::Device> device(VkPhysicalDevice physical, const GpuInfo& info)
    {
        if (const auto known = devices_.find(physical); known != devices_.end())
            return known->second;
        if (!info.requirements)
            return info.requirements.error();
        const auto made = make(physical, *info.requirements);
        if (!made)
            return made.error();
        return devices_.emplace(physical, *made).first->second;
    }

private:
    static Result<Vulkan*> open()
    {
        void* loader = ::dlopen(loader_name, RTLD_NOW | RTLD_LOCAL);
        if (loader == nullptr)
            return Error::not_present(format("open {}", loader_name), "this machine has no Vulkan loader",
                                      install_advice);
        auto* vulkan = new Vulkan;
        vulkan->get_ = reinterpret_cast<PFN_vkGetInstanceProcAddr>(::dlsym(loader, "vkGetInstanceProcAddr"));
        VkApplicationInfo application{};
        application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
        application.pApplicationName = "allocinfo";
        application.apiVersion = api_version;
        VkInstanceCreateInfo info{};
        info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
        info.pApplicationInfo = &application;
        const auto create = vulkan->find<PFN_vkCreateInstance>("vkCreateInstance");
        if (create == nullptr || create(&info, nullptr, &vulkan->instance_) != VK_SUCCESS) {
            delete vulkan;
            return Error::not_present("vkCreateInstance", "there is no Vulkan driver", install_advice);
        }
        return vulkan;
    }

    template <typename Function>
    Function find(const char* name) const
    {
        return get_ != nullptr ? reinterpret_cast<Function>(get_(instance_, name)) : nullptr;
    }

    std::string render_node(VkPhysicalDevice physical, const VkPhysicalDeviceProperties& core) const
    {
        const auto extensions_of =
            find<PFN_vkEnumerateDeviceExtensionProperties>("vkEnumerateDeviceExtensionProperties");
        std::uint32_t count = 0;
        extensions_of(physical, nullptr, &count, nullptr);
        std::vector<VkExtensionProperties> extensions(count);
        extensions_of(physical, nullptr, &count, extensions.data());
        const bool tells = std::any_of(extensions.begin(), extensions.end(), [](const auto& each) {
            return std::strcmp(each.extensionName, VK_EXT_PHYSICAL_DEVICE_DRM_EXTENSION_NAME) == 0;
        });
        if (!tells || core.apiVersion < VK_API_VERSION_1_1)
            return {};
        VkPhysicalDeviceDrmPropertiesEXT node{};
        node.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRM_PROPERTIES_EXT;
        VkPhysicalDeviceProperties2 properties{};
        properties.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2;
        properties.pNext = &node;
        find<PFN_vkGetPhysicalDeviceProperties2>("vkGetPhysicalDeviceProperties2")(physical, &properties);
        return node.hasRender == VK_TRUE ? format("/dev/dri/renderD{}", node.renderMinor) : std::string();
    }

    /// A family that draws and computes, or the first.
    std::uint32_t choose_family(VkPhysicalDevice physical) const
    {
        const auto families_of =
            find<PFN_vkGetPhysicalDeviceQueueFamilyProperties>("vkGetPhysicalDeviceQueueFamilyProperties");
        std::uint32_t count = 0;
        families_of(physical, &count, nullptr);
        std::vector<VkQueueFamilyProperties> families(count);
        families_of(physical, &count, families.data());
        const auto found = std::find_if(families.begin(), families.end(), [](const auto& family) {
            constexpr VkQueueFlags both = VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT;
            return (family.queueFlags & both) == both;
        });
        return found != families.end() ? static_cast<std::uint32_t>(found - families.begin()) : 0;
    }

    Result<vulkan::Device> make(VkPhysicalDevice physical, const vulkan::Requirements& requirements) const
    {
        const vulkan::Features features = requirements.features();
        VkPhysicalDeviceTimelineSemaphoreFeatures timelines{};
        timelines.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES;
        timelines.timelineSemaphore = VK_TRUE;
        VkPhysicalDeviceSamplerYcbcrConversionFeatures conversion{};
        conversion.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SAMPLER_YCBCR_CONVERSION_FEATURES;
        conversion.samplerYcbcrConversion = features.sampler_ycbcr_conversion ? VK_TRUE : VK_FALSE;
        conversion.pNext = features.timeline_semaphore ? &timelines : nullptr;
        const std::uint32_t family = choose_family(physical);
        constexpr float priority = 1;
        VkDeviceQueueCreateInfo queues{};
        queues.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
        queues.queueFamilyIndex = family;
        queues.queueCount = 1;
        queues.pQueuePriorities = &priority;
        const std::vector<const char*> extensions = requirements.extensions();
        VkDeviceCreateInfo info{};
        info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
        info.pNext = &conversion;
        info.queueCreateInfoCount = 1;
        info.pQueueCreateInfos = &queues;
        info.enabledExtensionCount = static_cast<std::uint32_t>(extensions.size());
        info.ppEnabledExtensionNames = extensions.data();
        VkDevice device = VK_NULL_HANDLE;
        const VkResult made = find<PFN_vkCreateDevice>("vkCreateDevice")(physical, &info, nullptr, &device);
        if (made != VK_SUCCESS)
            return Error::of(made == VK_ERROR_DEVICE_LOST ? Category::device_gone : Category::kernel_failure,
                             Call{"vkCreateDevice", requirements.device},
                             format("VkResult {}", static_cast<int>(made)));
        VkQueue queue = VK_NULL_HANDLE;
        find<PFN_vkGetDeviceQueue>("vkGetDeviceQueue")(device, family, 0, &queue);
        return vulkan::Device::wrap(
            {instance_, physical, device, family, get_, api_version, extensions, features, queue});
    }

    PFN_vkGetInstanceProcAddr get_ = nullptr;
    VkInstance instance_ = VK_NULL_HANDLE;
    std::map<VkPhysicalDevice, vulkan::Device> devices_;
};

bool is_meant(std::string_view target, const GpuInfo& gpu)
{
    const auto slash = gpu.node.rfind('/');
    const std::string file = slash != std::string::npos ? gpu.node.substr(slash + 1) : std::string();
    return target == gpu.node || (!file.empty() && target == file) || gpu.name.find(target) != std::string::npos;
}

} // namespace

Result<std::vector<GpuInfo>> gpus()
{
    const auto& vulkan = Vulkan::get();
    if (!vulkan)
        return vulkan.error();
    std::vector<GpuInfo> all;
    for (VkPhysicalDevice physical : (*vulkan)->physical_devices())
        all.push_back((*vulkan)->describe(physical));
    return all;
}

Result<vulkan::Device> open_gpu(std::string_view target)
{
    const auto& vulkan = Vulkan::get();
    if (!vulkan)
        return vulkan.error();
    std::vector<std::string> names;
    for (VkPhysicalDevice physical : (*vulkan)->physical_devices()) {
        const GpuInfo gpu = (*vulkan)->describe(physical);
        if (is_meant(target, gpu))
            return (*vulkan)->device(physical, gpu);
        names.push_back(gpu.name);
    }
    const std::string operation = format("find the Vulkan device '{}'", target);
    if (names.empty())
        return Error::not_present(operation, "there is none", install_advice);
    return Error::not_present(operation, "there is " + text::join(names, ", and "),
                              "write a part of a name, or the path of a render node; allocinfo devices lists them");
}

} // namespace allocinfo
