// SPDX-License-Identifier: MIT
#include "fake/vulkan.hpp"

#include "os/kernel.hpp"

#include <drm_fourcc.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <utility>

namespace fake {
namespace {

Vulkan* running = nullptr;

// What dispatchable handles point to is the driver's.
char instance_object;
char physical_object;
char device_object;
char queue_object;
char command_object;

/// A structure of a chain, or nullptr.
template <typename T>
const T* find(const void* chain, VkStructureType type)
{
    for (const auto* each = static_cast<const VkBaseInStructure*>(chain); each != nullptr; each = each->pNext) {
        if (each->sType == type)
            return reinterpret_cast<const T*>(each);
    }
    return nullptr;
}

template <typename T>
T* find_out(void* chain, VkStructureType type)
{
    return const_cast<T*>(find<T>(chain, type));
}

template <typename Handle>
std::uint64_t number(Handle handle)
{
    return reinterpret_cast<std::uint64_t>(handle);
}

template <typename Handle>
VkResult make(const char* call, const char* kind, Handle* handle)
{
    // Garbage, as some drivers leave it.
    *handle = reinterpret_cast<Handle>(std::uint64_t{0xdead});
    Vulkan& vulkan = Vulkan::current();
    if (const VkResult result = vulkan.called(call); result != VK_SUCCESS)
        return result;
    *handle = reinterpret_cast<Handle>(vulkan.add(kind));
    return VK_SUCCESS;
}

VKAPI_ATTR VkResult VKAPI_CALL EnumerateDeviceExtensionProperties(VkPhysicalDevice, const char*, std::uint32_t* count,
                                                                  VkExtensionProperties* properties)
{
    Vulkan& vulkan = Vulkan::current();
    if (const VkResult result = vulkan.called("vkEnumerateDeviceExtensionProperties"); result != VK_SUCCESS)
        return result;
    const auto size = static_cast<std::uint32_t>(vulkan.extensions.size());
    if (properties == nullptr) {
        *count = size;
        return VK_SUCCESS;
    }
    const std::uint32_t given = std::min(*count, size);
    for (std::uint32_t i = 0; i < given; ++i) {
        properties[i] = {};
        std::snprintf(properties[i].extensionName, sizeof properties[i].extensionName, "%s",
                      vulkan.extensions[i].c_str());
    }
    *count = given;
    return given < size ? VK_INCOMPLETE : VK_SUCCESS;
}

VKAPI_ATTR void VKAPI_CALL GetPhysicalDeviceProperties2(VkPhysicalDevice, VkPhysicalDeviceProperties2* properties)
{
    Vulkan& vulkan = Vulkan::current();
    properties->properties.apiVersion = vulkan.api_version;
    std::snprintf(properties->properties.deviceName, sizeof properties->properties.deviceName, "fake GPU");
    if (auto* limits = find_out<VkPhysicalDeviceMaintenance3Properties>(
            properties, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES))
        limits->maxMemoryAllocationSize = vulkan.max_allocation;
}

VKAPI_ATTR void VKAPI_CALL GetPhysicalDeviceFeatures2(VkPhysicalDevice, VkPhysicalDeviceFeatures2* features)
{
    Vulkan& vulkan = Vulkan::current();
    if (auto* ycbcr = find_out<VkPhysicalDeviceSamplerYcbcrConversionFeatures>(
            features, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SAMPLER_YCBCR_CONVERSION_FEATURES))
        ycbcr->samplerYcbcrConversion = vulkan.ycbcr ? VK_TRUE : VK_FALSE;
    if (auto* timeline = find_out<VkPhysicalDeviceTimelineSemaphoreFeatures>(
            features, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES))
        timeline->timelineSemaphore = vulkan.timeline ? VK_TRUE : VK_FALSE;
}

VKAPI_ATTR void VKAPI_CALL GetPhysicalDeviceMemoryProperties2(VkPhysicalDevice,
                                                              VkPhysicalDeviceMemoryProperties2* properties)
{
    properties->memoryProperties.memoryTypeCount = 4;
    properties->memoryProperties.memoryTypes[1].propertyFlags =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
}

VKAPI_ATTR void VKAPI_CALL GetPhysicalDeviceFormatProperties2(VkPhysicalDevice, VkFormat format,
                                                              VkFormatProperties2* properties)
{
    auto* list = find_out<VkDrmFormatModifierPropertiesListEXT>(
        properties, VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_EXT);
    const auto& all = Vulkan::current().formats[format];
    if (list->pDrmFormatModifierProperties == nullptr) {
        list->drmFormatModifierCount = static_cast<std::uint32_t>(all.size());
        return;
    }
    list->drmFormatModifierCount = std::min(list->drmFormatModifierCount, static_cast<std::uint32_t>(all.size()));
    std::copy_n(all.begin(), list->drmFormatModifierCount, list->pDrmFormatModifierProperties);
}

/// Whether a modifier is listed, as it is or without the height of its columns.
bool is_listed(const Vulkan& vulkan, VkFormat format, std::uint64_t modifier)
{
    constexpr std::uint64_t height = 0x00ffffffffffff00;
    const bool columns = vulkan.any_column_height && modifier >> 56U == DRM_FORMAT_MOD_VENDOR_BROADCOM;
    const auto known = vulkan.formats.find(format);
    return known != vulkan.formats.end() &&
           std::any_of(known->second.begin(), known->second.end(), [&](const auto& each) {
               return each.drmFormatModifier == modifier || (columns && each.drmFormatModifier == (modifier & ~height));
           });
}

VkExternalMemoryFeatureFlags features(const Vulkan& vulkan)
{
    return (vulkan.importable ? unsigned{VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT} : 0U) |
           (vulkan.dedicated_only ? unsigned{VK_EXTERNAL_MEMORY_FEATURE_DEDICATED_ONLY_BIT} : 0U);
}

VKAPI_ATTR VkResult VKAPI_CALL GetPhysicalDeviceImageFormatProperties2(VkPhysicalDevice,
                                                                       const VkPhysicalDeviceImageFormatInfo2* info,
                                                                       VkImageFormatProperties2* properties)
{
    Vulkan& vulkan = Vulkan::current();
    if (const VkResult result = vulkan.called("vkGetPhysicalDeviceImageFormatProperties2"); result != VK_SUCCESS)
        return result;
    const auto* modifier = find<VkPhysicalDeviceImageDrmFormatModifierInfoEXT>(
        info, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_DRM_FORMAT_MODIFIER_INFO_EXT);
    if (modifier == nullptr || !is_listed(vulkan, info->format, modifier->drmFormatModifier))
        return VK_ERROR_FORMAT_NOT_SUPPORTED;
    properties->imageFormatProperties.maxExtent = vulkan.max_extent;
    properties->imageFormatProperties.maxResourceSize = vulkan.max_allocation;
    if (auto* external =
            find_out<VkExternalImageFormatProperties>(properties, VK_STRUCTURE_TYPE_EXTERNAL_IMAGE_FORMAT_PROPERTIES))
        external->externalMemoryProperties.externalMemoryFeatures = features(vulkan);
    return VK_SUCCESS;
}

VKAPI_ATTR void VKAPI_CALL GetPhysicalDeviceExternalBufferProperties(VkPhysicalDevice,
                                                                     const VkPhysicalDeviceExternalBufferInfo*,
                                                                     VkExternalBufferProperties* properties)
{
    properties->externalMemoryProperties.externalMemoryFeatures = features(Vulkan::current());
}

VKAPI_ATTR VkResult VKAPI_CALL CreateImage(VkDevice, const VkImageCreateInfo* info, const VkAllocationCallbacks*,
                                           VkImage* handle)
{
    Vulkan& vulkan = Vulkan::current();
    Vulkan::Image image;
    image.info = *info;
    if (const auto* told = find<VkImageDrmFormatModifierExplicitCreateInfoEXT>(
            info, VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_EXPLICIT_CREATE_INFO_EXT)) {
        image.modifier = told->drmFormatModifier;
        if (!is_listed(vulkan, info->format, image.modifier))
            vulkan.complaints += "an image with a modifier that the device does not have\n";
        image.planes.assign(told->pPlaneLayouts, told->pPlaneLayouts + told->drmFormatModifierPlaneCount);
        for (const VkSubresourceLayout& plane : image.planes) {
            if (plane.rowPitch % vulkan.pitch_align != 0) {
                *handle = reinterpret_cast<VkImage>(std::uint64_t{0xdead});
                vulkan.told("vkCreateImage");
                return VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT;
            }
        }
        if (vulkan.own_pitch)
            image.planes[0].rowPitch = 65536;
    } else if (const auto* list = find<VkImageDrmFormatModifierListCreateInfoEXT>(
                   info, VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_LIST_CREATE_INFO_EXT)) {
        // Rows of tiles, and another plane behind them where the modifier has one.
        image.modifier = list->pDrmFormatModifiers[0];
        const VkDeviceSize pitch = (info->extent.width * 4U + 127U) / 128U * 128U;
        const VkDeviceSize size = pitch * ((info->extent.height + 31U) / 32U * 32U);
        image.planes.push_back({0, size, pitch, 0, 0});
        for (const auto& each : vulkan.formats[info->format]) {
            if (each.drmFormatModifier == image.modifier && each.drmFormatModifierPlaneCount == 2)
                image.planes.push_back({size, size / 256, pitch / 8, 0, 0});
        }
    }
    if (const auto* formats = find<VkImageFormatListCreateInfo>(info, VK_STRUCTURE_TYPE_IMAGE_FORMAT_LIST_CREATE_INFO))
        image.view_formats.assign(formats->pViewFormats, formats->pViewFormats + formats->viewFormatCount);
    const VkResult result = make("vkCreateImage", "image", handle);
    if (result == VK_SUCCESS)
        vulkan.images[number(*handle)] = std::move(image);
    return result;
}

VKAPI_ATTR void VKAPI_CALL DestroyImage(VkDevice, VkImage image, const VkAllocationCallbacks*)
{
    Vulkan::current().drop("image", number(image));
}

std::size_t plane_of(const Vulkan& vulkan, VkImageAspectFlags aspect)
{
    std::size_t plane = 0;
    while (VkImageAspectFlags{VK_IMAGE_ASPECT_MEMORY_PLANE_0_BIT_EXT} << plane != aspect && plane < 4)
        ++plane;
    return vulkan.planes_alike ? 0 : plane;
}

VKAPI_ATTR void VKAPI_CALL GetImageSubresourceLayout(VkDevice, VkImage image, const VkImageSubresource* which,
                                                     VkSubresourceLayout* layout)
{
    Vulkan& vulkan = Vulkan::current();
    const auto& planes = vulkan.images.at(number(image)).planes;
    const std::size_t plane = plane_of(vulkan, which->aspectMask);
    if (plane < planes.size())
        *layout = planes[plane];
    else
        vulkan.complaints += "a plane that the image does not have\n";
}

VKAPI_ATTR void VKAPI_CALL GetImageMemoryRequirements2(VkDevice, const VkImageMemoryRequirementsInfo2* info,
                                                       VkMemoryRequirements2* requirements)
{
    Vulkan& vulkan = Vulkan::current();
    const Vulkan::Image& image = vulkan.images.at(number(info->image));
    const auto* plane =
        find<VkImagePlaneMemoryRequirementsInfo>(info, VK_STRUCTURE_TYPE_IMAGE_PLANE_MEMORY_REQUIREMENTS_INFO);
    const bool disjoint = (image.info.flags & VK_IMAGE_CREATE_DISJOINT_BIT) != 0;
    if (disjoint != (plane != nullptr))
        vulkan.complaints += "planes are asked for one by one if and only if the image is disjoint\n";
    const std::size_t only = plane != nullptr ? plane_of(vulkan, plane->planeAspect) : 0;
    VkDeviceSize size = 0;
    for (std::size_t i = 0; i < image.planes.size(); ++i) {
        // Half the rows for chroma: all formats here are 4:2:0.
        const VkDeviceSize rows = i == 0 ? image.info.extent.height : image.info.extent.height / 2;
        if (plane == nullptr || i == only)
            size = std::max(size, image.planes[i].offset + image.planes[i].rowPitch * rows);
    }
    requirements->memoryRequirements = {size + vulkan.extra_bytes, 4096, vulkan.object_types};
    if (auto* dedicated =
            find_out<VkMemoryDedicatedRequirements>(requirements, VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS))
        dedicated->requiresDedicatedAllocation = vulkan.requires_dedicated ? VK_TRUE : VK_FALSE;
}

std::uint64_t inode_of(int fd)
{
    struct stat file {};
    return commonbuf::os::kernel().fstat(fd, &file) == 0 ? file.st_ino : 0;
}

VKAPI_ATTR VkResult VKAPI_CALL GetMemoryFdPropertiesKHR(VkDevice, VkExternalMemoryHandleTypeFlagBits, int fd,
                                                        VkMemoryFdPropertiesKHR* properties)
{
    Vulkan& vulkan = Vulkan::current();
    if (const VkResult result = vulkan.called("vkGetMemoryFdPropertiesKHR"); result != VK_SUCCESS)
        return result;
    if (inode_of(fd) == 0)
        return VK_ERROR_INVALID_EXTERNAL_HANDLE;
    properties->memoryTypeBits = vulkan.fd_types;
    return VK_SUCCESS;
}

VKAPI_ATTR VkResult VKAPI_CALL AllocateMemory(VkDevice, const VkMemoryAllocateInfo* info, const VkAllocationCallbacks*,
                                              VkDeviceMemory* handle)
{
    Vulkan& vulkan = Vulkan::current();
    const VkResult result = make("vkAllocateMemory", "memory", handle);
    if (result != VK_SUCCESS)
        return result;
    Vulkan::Memory memory;
    memory.info = *info;
    memory.info.pNext = nullptr;
    if (const auto* import = find<VkImportMemoryFdInfoKHR>(info, VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR)) {
        // From here on it is the driver's.
        memory.fd = import->fd;
        memory.inode = inode_of(import->fd);
    }
    memory.dedicated =
        find<VkMemoryDedicatedAllocateInfo>(info, VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO) != nullptr;
    vulkan.memories[number(*handle)] = memory;
    return VK_SUCCESS;
}

VKAPI_ATTR void VKAPI_CALL FreeMemory(VkDevice, VkDeviceMemory handle, const VkAllocationCallbacks*)
{
    Vulkan& vulkan = Vulkan::current();
    if (const Vulkan::Memory& memory = vulkan.memories[number(handle)]; memory.fd >= 0)
        commonbuf::os::kernel().close(memory.fd);
    vulkan.drop("memory", number(handle));
}

VKAPI_ATTR VkResult VKAPI_CALL BindImageMemory2(VkDevice, std::uint32_t count, const VkBindImageMemoryInfo* infos)
{
    Vulkan& vulkan = Vulkan::current();
    if (const VkResult result = vulkan.called("vkBindImageMemory2"); result != VK_SUCCESS)
        return result;
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto* plane = find<VkBindImagePlaneMemoryInfo>(&infos[i], VK_STRUCTURE_TYPE_BIND_IMAGE_PLANE_MEMORY_INFO);
        vulkan.binds[number(infos[i].image)].push_back(
            {number(infos[i].memory), plane != nullptr ? VkImageAspectFlags{plane->planeAspect} : 0});
    }
    return VK_SUCCESS;
}

VKAPI_ATTR VkResult VKAPI_CALL CreateImageView(VkDevice, const VkImageViewCreateInfo* info,
                                               const VkAllocationCallbacks*, VkImageView* handle)
{
    Vulkan::current().view = *info;
    return make("vkCreateImageView", "view", handle);
}

VKAPI_ATTR void VKAPI_CALL DestroyImageView(VkDevice, VkImageView view, const VkAllocationCallbacks*)
{
    Vulkan::current().drop("view", number(view));
}

VKAPI_ATTR VkResult VKAPI_CALL CreateBuffer(VkDevice, const VkBufferCreateInfo* info, const VkAllocationCallbacks*,
                                            VkBuffer* handle)
{
    const VkResult result = make("vkCreateBuffer", "buffer", handle);
    if (result == VK_SUCCESS)
        Vulkan::current().images[number(*handle)].planes = {{0, info->size, info->size, 0, 0}};
    return result;
}

VKAPI_ATTR void VKAPI_CALL DestroyBuffer(VkDevice, VkBuffer buffer, const VkAllocationCallbacks*)
{
    Vulkan::current().drop("buffer", number(buffer));
}

VKAPI_ATTR void VKAPI_CALL GetBufferMemoryRequirements2(VkDevice, const VkBufferMemoryRequirementsInfo2* info,
                                                        VkMemoryRequirements2* requirements)
{
    Vulkan& vulkan = Vulkan::current();
    const VkDeviceSize size = vulkan.images.at(number(info->buffer)).planes[0].size;
    requirements->memoryRequirements = {size + vulkan.extra_bytes, 4096, vulkan.object_types};
}

VKAPI_ATTR VkResult VKAPI_CALL BindBufferMemory2(VkDevice, std::uint32_t, const VkBindBufferMemoryInfo*)
{
    return Vulkan::current().called("vkBindBufferMemory2");
}

VKAPI_ATTR VkResult VKAPI_CALL CreateSamplerYcbcrConversion(VkDevice, const VkSamplerYcbcrConversionCreateInfo* info,
                                                            const VkAllocationCallbacks*,
                                                            VkSamplerYcbcrConversion* handle)
{
    Vulkan::current().conversion = *info;
    return make("vkCreateSamplerYcbcrConversion", "conversion", handle);
}

VKAPI_ATTR void VKAPI_CALL DestroySamplerYcbcrConversion(VkDevice, VkSamplerYcbcrConversion conversion,
                                                         const VkAllocationCallbacks*)
{
    Vulkan::current().drop("conversion", number(conversion));
}

VKAPI_ATTR VkResult VKAPI_CALL CreateCommandPool(VkDevice, const VkCommandPoolCreateInfo*, const VkAllocationCallbacks*,
                                                 VkCommandPool* handle)
{
    return make("vkCreateCommandPool", "command pool", handle);
}

VKAPI_ATTR void VKAPI_CALL DestroyCommandPool(VkDevice, VkCommandPool pool, const VkAllocationCallbacks*)
{
    Vulkan::current().drop("command pool", number(pool));
}

VKAPI_ATTR VkResult VKAPI_CALL AllocateCommandBuffers(VkDevice, const VkCommandBufferAllocateInfo*,
                                                      VkCommandBuffer* commands)
{
    *commands = reinterpret_cast<VkCommandBuffer>(&command_object);
    return Vulkan::current().called("vkAllocateCommandBuffers");
}

VKAPI_ATTR VkResult VKAPI_CALL BeginCommandBuffer(VkCommandBuffer, const VkCommandBufferBeginInfo*)
{
    return Vulkan::current().called("vkBeginCommandBuffer");
}

VKAPI_ATTR VkResult VKAPI_CALL EndCommandBuffer(VkCommandBuffer)
{
    return Vulkan::current().called("vkEndCommandBuffer");
}

VKAPI_ATTR void VKAPI_CALL CmdPipelineBarrier(VkCommandBuffer, VkPipelineStageFlags, VkPipelineStageFlags,
                                              VkDependencyFlags, std::uint32_t, const VkMemoryBarrier*, std::uint32_t,
                                              const VkBufferMemoryBarrier*, std::uint32_t, const VkImageMemoryBarrier*)
{
    Vulkan::current().told("vkCmdPipelineBarrier");
}

// No pixel moves: what is compared differs.
VKAPI_ATTR void VKAPI_CALL CmdCopyImageToBuffer(VkCommandBuffer, VkImage, VkImageLayout, VkBuffer, std::uint32_t,
                                                const VkBufferImageCopy*)
{
    Vulkan::current().told("vkCmdCopyImageToBuffer");
}

VKAPI_ATTR void VKAPI_CALL CmdCopyBufferToImage(VkCommandBuffer, VkBuffer, VkImage, VkImageLayout, std::uint32_t,
                                                const VkBufferImageCopy*)
{
    Vulkan::current().told("vkCmdCopyBufferToImage");
}

VKAPI_ATTR VkResult VKAPI_CALL CreateFence(VkDevice, const VkFenceCreateInfo*, const VkAllocationCallbacks*,
                                           VkFence* handle)
{
    return make("vkCreateFence", "fence", handle);
}

VKAPI_ATTR void VKAPI_CALL DestroyFence(VkDevice, VkFence fence, const VkAllocationCallbacks*)
{
    Vulkan::current().drop("fence", number(fence));
}

VKAPI_ATTR VkResult VKAPI_CALL QueueSubmit(VkQueue, std::uint32_t, const VkSubmitInfo*, VkFence)
{
    return Vulkan::current().called("vkQueueSubmit");
}

VKAPI_ATTR VkResult VKAPI_CALL WaitForFences(VkDevice, std::uint32_t, const VkFence*, VkBool32, std::uint64_t)
{
    return Vulkan::current().called("vkWaitForFences");
}

VKAPI_ATTR VkResult VKAPI_CALL ResetFences(VkDevice, std::uint32_t, const VkFence*)
{
    return Vulkan::current().called("vkResetFences");
}

VKAPI_ATTR VkResult VKAPI_CALL MapMemory(VkDevice, VkDeviceMemory memory, VkDeviceSize, VkDeviceSize, VkMemoryMapFlags,
                                         void** address)
{
    Vulkan& vulkan = Vulkan::current();
    if (const VkResult result = vulkan.called("vkMapMemory"); result != VK_SUCCESS)
        return result;
    vulkan.mapped.resize(vulkan.memories.at(number(memory)).info.allocationSize);
    *address = vulkan.mapped.data();
    return VK_SUCCESS;
}

/// For everything that is there and that the tests do not call.
VKAPI_ATTR void VKAPI_CALL not_modelled() { Vulkan::current().complaints += "a call that is not modelled\n"; }

PFN_vkVoidFunction lookup(const char* name);

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL GetDeviceProcAddr(VkDevice, const char* name) { return lookup(name); }

PFN_vkVoidFunction lookup(const char* name)
{
#define FAKE_ENTRY(function)                                                                                           \
    {                                                                                                                  \
        "vk" #function, reinterpret_cast<PFN_vkVoidFunction>(function)                                                 \
    }
    static const std::map<std::string, PFN_vkVoidFunction> table{
        FAKE_ENTRY(AllocateCommandBuffers),
        FAKE_ENTRY(AllocateMemory),
        FAKE_ENTRY(BeginCommandBuffer),
        FAKE_ENTRY(BindBufferMemory2),
        FAKE_ENTRY(BindImageMemory2),
        FAKE_ENTRY(CmdCopyBufferToImage),
        FAKE_ENTRY(CmdCopyImageToBuffer),
        FAKE_ENTRY(CmdPipelineBarrier),
        FAKE_ENTRY(CreateBuffer),
        FAKE_ENTRY(CreateCommandPool),
        FAKE_ENTRY(CreateFence),
        FAKE_ENTRY(CreateImage),
        FAKE_ENTRY(CreateImageView),
        FAKE_ENTRY(CreateSamplerYcbcrConversion),
        FAKE_ENTRY(DestroyBuffer),
        FAKE_ENTRY(DestroyCommandPool),
        FAKE_ENTRY(DestroyFence),
        FAKE_ENTRY(DestroyImage),
        FAKE_ENTRY(DestroyImageView),
        FAKE_ENTRY(DestroySamplerYcbcrConversion),
        FAKE_ENTRY(EndCommandBuffer),
        FAKE_ENTRY(EnumerateDeviceExtensionProperties),
        FAKE_ENTRY(FreeMemory),
        FAKE_ENTRY(GetBufferMemoryRequirements2),
        FAKE_ENTRY(GetDeviceProcAddr),
        FAKE_ENTRY(GetImageMemoryRequirements2),
        FAKE_ENTRY(GetImageSubresourceLayout),
        FAKE_ENTRY(GetMemoryFdPropertiesKHR),
        FAKE_ENTRY(GetPhysicalDeviceExternalBufferProperties),
        FAKE_ENTRY(GetPhysicalDeviceFeatures2),
        FAKE_ENTRY(GetPhysicalDeviceFormatProperties2),
        FAKE_ENTRY(GetPhysicalDeviceImageFormatProperties2),
        FAKE_ENTRY(GetPhysicalDeviceMemoryProperties2),
        FAKE_ENTRY(GetPhysicalDeviceProperties2),
        FAKE_ENTRY(MapMemory),
        FAKE_ENTRY(QueueSubmit),
        FAKE_ENTRY(ResetFences),
        FAKE_ENTRY(WaitForFences),
    };
#undef FAKE_ENTRY
    if (Vulkan::current().missing_functions.count(name) != 0)
        return nullptr;
    const auto entry = table.find(name);
    return entry != table.end() ? entry->second : reinterpret_cast<PFN_vkVoidFunction>(not_modelled);
}

} // namespace

Vulkan::Vulkan()
    : extensions{"VK_KHR_external_memory_fd",
                 "VK_EXT_external_memory_dma_buf",
                 "VK_EXT_image_drm_format_modifier",
                 "VK_KHR_image_format_list",
                 "VK_EXT_queue_family_foreign",
                 "VK_KHR_external_semaphore_fd",
                 "VK_KHR_external_fence_fd",
                 "VK_KHR_timeline_semaphore",
                 "VK_EXT_ycbcr_2plane_444_formats",
                 "VK_EXT_4444_formats",
                 "VK_KHR_maintenance5",
                 "VK_KHR_swapchain"}
{
    constexpr VkFormatFeatureFlags all = VK_FORMAT_FEATURE_SAMPLED_IMAGE_BIT | VK_FORMAT_FEATURE_DISJOINT_BIT |
                                         VK_FORMAT_FEATURE_MIDPOINT_CHROMA_SAMPLES_BIT;
    formats[VK_FORMAT_B8G8R8A8_UNORM] = {{0, 1, all}};
    formats[VK_FORMAT_G8_B8R8_2PLANE_420_UNORM] = {{0, 2, all}};
    running = this;
}

Vulkan::~Vulkan() { running = nullptr; }

Vulkan& Vulkan::current() { return *running; }

VkInstance Vulkan::instance() { return reinterpret_cast<VkInstance>(&instance_object); }
VkPhysicalDevice Vulkan::physical() { return reinterpret_cast<VkPhysicalDevice>(&physical_object); }
VkQueue Vulkan::queue() { return reinterpret_cast<VkQueue>(&queue_object); }
VkDevice Vulkan::device() { return reinterpret_cast<VkDevice>(&device_object); }

PFN_vkVoidFunction Vulkan::get_instance_proc_addr(VkInstance, const char* name) { return lookup(name); }

VkResult Vulkan::called(const char* name)
{
    calls.emplace_back(name);
    if (calls.size() - 1 != fault_.first)
        return VK_SUCCESS;
    fault_hit_ = true;
    return fault_.second;
}

std::uint64_t Vulkan::add(const char* kind)
{
    objects.emplace(next_, kind);
    return next_++;
}

void Vulkan::drop(const char* kind, std::uint64_t handle)
{
    const auto found = objects.find(handle);
    if (found == objects.end() || found->second != kind) {
        complaints += std::string("a ") + kind + " is destroyed that does not live\n";
        return;
    }
    objects.erase(found);
}

std::string Vulkan::leaks() const
{
    std::string result = complaints;
    for (const auto& [handle, kind] : objects)
        result += kind + " " + std::to_string(handle) + " lives still\n";
    return result;
}

} // namespace fake
