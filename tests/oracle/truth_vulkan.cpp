// SPDX-License-Identifier: MIT
#include "truth_vulkan.hpp"

#include <dlfcn.h>
#include <drm_fourcc.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>

namespace truth {
namespace {

VkFormat format_of(std::uint32_t fourcc)
{
    switch (fourcc) {
    case DRM_FORMAT_XRGB8888:
    case DRM_FORMAT_ARGB8888: return VK_FORMAT_B8G8R8A8_UNORM;
    case DRM_FORMAT_XBGR8888:
    case DRM_FORMAT_ABGR8888: return VK_FORMAT_R8G8B8A8_UNORM;
    case DRM_FORMAT_RGB888: return VK_FORMAT_B8G8R8_UNORM;
    case DRM_FORMAT_BGR888: return VK_FORMAT_R8G8B8_UNORM;
    case DRM_FORMAT_RGB565: return VK_FORMAT_R5G6B5_UNORM_PACK16;
    case DRM_FORMAT_R8: return VK_FORMAT_R8_UNORM;
    case DRM_FORMAT_YUYV: return VK_FORMAT_G8B8G8R8_422_UNORM;
    case DRM_FORMAT_UYVY: return VK_FORMAT_B8G8R8G8_422_UNORM;
    case DRM_FORMAT_NV12: return VK_FORMAT_G8_B8R8_2PLANE_420_UNORM;
    case DRM_FORMAT_NV16: return VK_FORMAT_G8_B8R8_2PLANE_422_UNORM;
    case DRM_FORMAT_YUV420: return VK_FORMAT_G8_B8_R8_3PLANE_420_UNORM;
    default: return VK_FORMAT_UNDEFINED;
    }
}

} // namespace

void check(VkResult result, const char* what)
{
    if (result != VK_SUCCESS)
        throw Refused(std::string(what) + ": VkResult " + std::to_string(result));
}

Gpu& Gpu::named(const std::string& name)
{
    static std::map<std::string, std::unique_ptr<Gpu>> open;
    auto& gpu = open[name];
    if (gpu == nullptr)
        gpu.reset(new Gpu(name));
    return *gpu;
}

Gpu::Gpu(const std::string& name)
{
    void* const loader = ::dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
    load_ = loader != nullptr ? reinterpret_cast<PFN_vkGetInstanceProcAddr>(::dlsym(loader, "vkGetInstanceProcAddr"))
                              : nullptr;
    if (load_ == nullptr)
        throw Unknowable("there is no Vulkan loader");
    const auto instance_function = [this](const char* function) { return load_(instance_, function); };
    VkApplicationInfo application{};
    application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
    application.apiVersion = VK_API_VERSION_1_2;
    VkInstanceCreateInfo instance{};
    instance.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
    instance.pApplicationInfo = &application;
    const auto create = reinterpret_cast<PFN_vkCreateInstance>(instance_function("vkCreateInstance"));
    check(create(&instance, nullptr, &instance_), "vkCreateInstance");

    const auto enumerate =
        reinterpret_cast<PFN_vkEnumeratePhysicalDevices>(instance_function("vkEnumeratePhysicalDevices"));
    std::uint32_t count = 0;
    check(enumerate(instance_, &count, nullptr), "vkEnumeratePhysicalDevices");
    std::vector<VkPhysicalDevice> devices(count);
    check(enumerate(instance_, &count, devices.data()), "vkEnumeratePhysicalDevices");
    const auto properties_of =
        reinterpret_cast<PFN_vkGetPhysicalDeviceProperties>(instance_function("vkGetPhysicalDeviceProperties"));
    for (VkPhysicalDevice each : devices) {
        VkPhysicalDeviceProperties properties{};
        properties_of(each, &properties);
        if (name == properties.deviceName)
            physical_ = each;
    }
    if (physical_ == VK_NULL_HANDLE)
        throw Unknowable("there is no Vulkan device " + name);
    const auto memory_of = reinterpret_cast<PFN_vkGetPhysicalDeviceMemoryProperties>(
        instance_function("vkGetPhysicalDeviceMemoryProperties"));
    memory_of(physical_, &memory_);
    image_properties_ = reinterpret_cast<PFN_vkGetPhysicalDeviceImageFormatProperties2>(
        instance_function("vkGetPhysicalDeviceImageFormatProperties2"));

    constexpr std::array<const char*, 4> extensions{
        VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME, VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME,
        VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME, VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME};
    const float priority = 1;
    VkDeviceQueueCreateInfo queue{};
    queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
    queue.queueCount = 1;
    queue.pQueuePriorities = &priority;
    VkPhysicalDeviceSamplerYcbcrConversionFeatures ycbcr{};
    ycbcr.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SAMPLER_YCBCR_CONVERSION_FEATURES;
    ycbcr.samplerYcbcrConversion = VK_TRUE;
    VkDeviceCreateInfo device{};
    device.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
    device.pNext = &ycbcr;
    device.queueCreateInfoCount = 1;
    device.pQueueCreateInfos = &queue;
    device.enabledExtensionCount = extensions.size();
    device.ppEnabledExtensionNames = extensions.data();
    const auto create_device = reinterpret_cast<PFN_vkCreateDevice>(instance_function("vkCreateDevice"));
    if (const VkResult made = create_device(physical_, &device, nullptr, &device_); made != VK_SUCCESS)
        throw Unknowable("vkCreateDevice: VkResult " + std::to_string(made));
    const auto load = reinterpret_cast<PFN_vkGetDeviceProcAddr>(load_(instance_, "vkGetDeviceProcAddr"));
#define TRUTH_LOAD(function) vk_.function = reinterpret_cast<PFN_vk##function>(load(device_, "vk" #function));
    TRUTH_VULKAN_FUNCTIONS(TRUTH_LOAD)
#undef TRUTH_LOAD
    vk_.GetDeviceQueue(device_, family_, 0, &queue_);
    VkCommandPoolCreateInfo pool{};
    pool.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
    pool.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
    pool.queueFamilyIndex = family_;
    VkCommandPool made = VK_NULL_HANDLE;
    check(vk_.CreateCommandPool(device_, &pool, nullptr, &made), "vkCreateCommandPool");
    VkCommandBufferAllocateInfo commands{};
    commands.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
    commands.commandPool = made;
    commands.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    commands.commandBufferCount = 1;
    check(vk_.AllocateCommandBuffers(device_, &commands, &commands_), "vkAllocateCommandBuffers");
    VkFenceCreateInfo fence{};
    fence.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO;
    check(vk_.CreateFence(device_, &fence, nullptr, &fence_), "vkCreateFence");
}

std::string Gpu::refusal(const Layout& layout, VkImageUsageFlags usage) const
{
    const VkFormat format = format_of(layout.fourcc);
    if (format == VK_FORMAT_UNDEFINED)
        return "Vulkan has no format for " + letters(layout.fourcc);
    VkPhysicalDeviceImageDrmFormatModifierInfoEXT modifier{};
    modifier.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_DRM_FORMAT_MODIFIER_INFO_EXT;
    modifier.drmFormatModifier = layout.modifier;
    modifier.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
    VkPhysicalDeviceExternalImageFormatInfo external{};
    external.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO;
    external.pNext = &modifier;
    external.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;
    VkPhysicalDeviceImageFormatInfo2 info{};
    info.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_FORMAT_INFO_2;
    info.pNext = &external;
    info.format = format;
    info.type = VK_IMAGE_TYPE_2D;
    info.tiling = VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT;
    info.usage = usage;
    VkImageFormatProperties2 properties{};
    properties.sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_PROPERTIES_2;
    const VkResult result = image_properties_(physical_, &info, &properties);
    if (result != VK_SUCCESS)
        return "vkGetPhysicalDeviceImageFormatProperties2: VkResult " + std::to_string(result);
    const VkExtent3D& most = properties.imageFormatProperties.maxExtent;
    return layout.width > most.width || layout.height > most.height ? "the image is too large" : "";
}

VkImage Gpu::make_image(const Layout& layout, VkImageUsageFlags usage) const
{
    if (const std::string why = refusal(layout, usage); !why.empty())
        throw Refused(why);
    std::vector<VkSubresourceLayout> planes;
    for (const Plane& plane : layout.planes)
        planes.push_back({plane.offset, 0, plane.stride, 0, 0});
    VkImageDrmFormatModifierExplicitCreateInfoEXT where{};
    where.sType = VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_EXPLICIT_CREATE_INFO_EXT;
    where.drmFormatModifier = layout.modifier;
    where.drmFormatModifierPlaneCount = static_cast<std::uint32_t>(planes.size());
    where.pPlaneLayouts = planes.data();
    VkExternalMemoryImageCreateInfo external{};
    external.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO;
    external.pNext = &where;
    external.handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;
    VkImageCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO;
    info.pNext = &external;
    info.imageType = VK_IMAGE_TYPE_2D;
    info.format = format_of(layout.fourcc);
    info.extent = {layout.width, layout.height, 1};
    info.mipLevels = 1;
    info.arrayLayers = 1;
    info.samples = VK_SAMPLE_COUNT_1_BIT;
    info.tiling = VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT;
    info.usage = usage;
    info.initialLayout = VK_IMAGE_LAYOUT_UNDEFINED;
    VkImage image = VK_NULL_HANDLE;
    check(vk_.CreateImage(device_, &info, nullptr, &image), "vkCreateImage");
    return image;
}

std::uint32_t Gpu::memory_type(std::uint32_t bits, VkMemoryPropertyFlags properties) const
{
    for (std::uint32_t i = 0; i < memory_.memoryTypeCount; ++i) {
        if ((bits >> i & 1U) != 0 && (memory_.memoryTypes[i].propertyFlags & properties) == properties)
            return i;
    }
    throw Refused("no type of the device's memory will do");
}

void Gpu::run(const std::function<void(VkCommandBuffer)>& record) const
{
    VkCommandBufferBeginInfo begin{};
    begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
    begin.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
    check(vk_.BeginCommandBuffer(commands_, &begin), "vkBeginCommandBuffer");
    record(commands_);
    check(vk_.EndCommandBuffer(commands_), "vkEndCommandBuffer");
    VkSubmitInfo submit{};
    submit.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
    submit.commandBufferCount = 1;
    submit.pCommandBuffers = &commands_;
    check(vk_.QueueSubmit(queue_, 1, &submit, fence_), "vkQueueSubmit");
    constexpr std::uint64_t patience = 30'000'000'000; // ns
    check(vk_.WaitForFences(device_, 1, &fence_, VK_TRUE, patience), "vkWaitForFences");
    check(vk_.ResetFences(device_, 1, &fence_), "vkResetFences");
}

} // namespace truth
