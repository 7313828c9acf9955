// SPDX-License-Identifier: MIT
#include "backends/vulkan/context.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

namespace commonbuf::vulkan {
namespace {

std::string hex(std::span<const std::uint8_t> bytes)
{
    std::string result;
    for (const std::uint8_t byte : bytes)
        result += text::format("{:02x}", byte);
    return result;
}

/// The major number of /dev/dri (Documentation/admin-guide/devices.txt).
constexpr std::int64_t drm_major = 226;

Result<std::vector<VkExtensionProperties>> extensions_of(const Functions& vk, VkPhysicalDevice physical)
{
    std::vector<VkExtensionProperties> all;
    // The list may grow between the two calls: layers can add to it.
    for (int attempt = 0; attempt < 8; ++attempt) {
        std::uint32_t count = 0;
        VkResult result = vk.EnumerateDeviceExtensionProperties(physical, nullptr, &count, nullptr);
        if (result == VK_SUCCESS) {
            all.resize(count);
            result = vk.EnumerateDeviceExtensionProperties(physical, nullptr, &count, all.data());
        }
        if (result == VK_SUCCESS) {
            all.resize(std::min<std::size_t>(all.size(), count));
            return all;
        }
        if (result != VK_INCOMPLETE)
            return failure(result, Call{"vkEnumerateDeviceExtensionProperties"});
    }
    return failure(VK_INCOMPLETE, Call{"vkEnumerateDeviceExtensionProperties"}, "the list keeps growing");
}

bool holds(std::span<const VkExtensionProperties> all, std::string_view name)
{
    return std::ranges::any_of(all, [name](const VkExtensionProperties& each) {
        return name == std::string_view(each.extensionName, strnlen(each.extensionName, sizeof each.extensionName));
    });
}

} // namespace

Result<Functions> functions_of(VkInstance instance, VkPhysicalDevice physical, PFN_vkGetInstanceProcAddr get,
                               std::uint32_t api_version, const char* operation)
{
    if (instance == VK_NULL_HANDLE || physical == VK_NULL_HANDLE || get == nullptr)
        return Error::invalid_argument(operation, "a handle or vkGetInstanceProcAddr is null");
    if (api_version < VK_API_VERSION_1_1)
        return Error::unsupported(
            operation,
            text::format("the instance has Vulkan {}.{}; 1.1 or later is needed", VK_API_VERSION_MAJOR(api_version),
                         VK_API_VERSION_MINOR(api_version)),
            "set VkApplicationInfo::apiVersion to VK_API_VERSION_1_1 or later, and pass the same version here");
    Functions vk;
    if (const std::string missing = vk.load(instance, get); !missing.empty())
        return Error::unsupported(operation, text::format("vkGetInstanceProcAddr does not find {}", missing),
                                  "check that the instance has the version that was passed here");
    return vk;
}

Result<PhysicalInfo> read_physical(const Functions& vk, VkPhysicalDevice physical, std::uint32_t api_version)
{
    const auto extensions = extensions_of(vk, physical);
    if (!extensions)
        return extensions.error();
    const bool knows_nodes = holds(*extensions, VK_EXT_PHYSICAL_DEVICE_DRM_EXTENSION_NAME);

    VkPhysicalDeviceDrmPropertiesEXT node{.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRM_PROPERTIES_EXT};
    VkPhysicalDeviceIDProperties ids{.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES,
                                     .pNext = knows_nodes ? &node : nullptr};
    VkPhysicalDeviceMaintenance3Properties limits{.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES,
                                                  .pNext = &ids};
    VkPhysicalDeviceProperties2 properties{.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &limits};
    vk.GetPhysicalDeviceProperties2(physical, &properties);
    const VkPhysicalDeviceProperties& core = properties.properties;

    PhysicalInfo info;
    info.name.assign(core.deviceName, strnlen(core.deviceName, sizeof core.deviceName));
    info.api_version = std::min(api_version, core.apiVersion);
    if (info.api_version < VK_API_VERSION_1_1)
        return Error::unsupported("ask " + info.name, "the device has Vulkan 1.0; 1.1 or later is needed");
    info.max_allocation = limits.maxMemoryAllocationSize;
    info.label = info.name.substr(0, info.name.find(' '));
    if (node.hasRender == VK_TRUE && node.renderMajor == drm_major)
        info.label = text::format("renderD{}", node.renderMinor);
    info.identity =
        text::format("vulkan {} {:#x} {} {}", info.name, core.driverVersion, hex(ids.driverUUID), hex(ids.deviceUUID));

    const bool knows_timelines =
        info.api_version >= VK_API_VERSION_1_2 || holds(*extensions, info_of(Need::timeline_semaphore_extension).name);
    VkPhysicalDeviceTimelineSemaphoreFeatures timeline{
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES};
    VkPhysicalDeviceSamplerYcbcrConversionFeatures ycbcr{
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SAMPLER_YCBCR_CONVERSION_FEATURES,
        .pNext = knows_timelines ? &timeline : nullptr};
    VkPhysicalDeviceFeatures2 features{.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &ycbcr};
    vk.GetPhysicalDeviceFeatures2(physical, &features);

    std::vector<const char*> names;
    for (const NeedInfo& need : needs()) {
        if (need.extension && holds(*extensions, need.name))
            names.push_back(need.name);
    }
    info.available = Enabled::from(
        names, {ycbcr.samplerYcbcrConversion == VK_TRUE, timeline.timelineSemaphore == VK_TRUE}, info.api_version);
    return info;
}

Result<std::shared_ptr<Context>> Context::create(const WrapInfo& info)
{
    constexpr const char* operation = "wrap a VkDevice";
    if (info.device == VK_NULL_HANDLE)
        return Error::invalid_argument(operation, "the VkDevice is null");
    auto loaded = functions_of(info.instance, info.physical, info.get_instance_proc_addr, info.api_version, operation);
    if (!loaded)
        return loaded.error();
    Functions& vk = *loaded;
    auto physical = read_physical(vk, info.physical, info.api_version);
    if (!physical)
        return physical.error();
    const Enabled enabled = Enabled::from(info.extensions, info.features, physical->api_version);
    if (const std::string missing = vk.load(info.device, enabled, physical->api_version); !missing.empty())
        return Error::invalid_argument(
            operation,
            text::format("{} has no {}: it was made without an extension or a feature that is named here",
                         physical->name, missing),
            "name only the extensions and features of VkDeviceCreateInfo");
    return std::shared_ptr<Context>(new Context(info, vk, std::move(*physical), enabled));
}

Context::Context(const WrapInfo& given, const Functions& vk, PhysicalInfo info, const Enabled& enabled)
    : vk_(vk),
      device_(given.device),
      physical_(given.physical),
      queue_family_(given.queue_family),
      queue_(given.queue),
      info_(std::move(info)),
      enabled_(enabled)
{
    VkPhysicalDeviceMemoryProperties2 properties{.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2};
    vk_.GetPhysicalDeviceMemoryProperties2(physical_, &properties);
    memory_ = properties.memoryProperties;
}

Status Context::require(std::initializer_list<Need> needs, Tried tried) const
{
    for (const Need need : needs) {
        if (enabled_.has(need))
            continue;
        const NeedInfo& row = info_of(need);
        const bool there = info_.available.has(need);
        return Error::unsupported(
            std::move(tried),
            text::format("the VkDevice was made without {}{}: {}", row.name,
                         there ? "" : ", which this device does not have", row.without),
            there ? text::format("turn {} on in VkDeviceCreateInfo, and pass it to Device::wrap()", row.name)
                  : std::string());
    }
    return {};
}

const void* ImportOwners::of(const ImportWay& way)
{
    const std::lock_guard lock(mutex_);
    return &*ways_.insert(way).first;
}

std::vector<const void*> ImportOwners::all()
{
    const std::lock_guard lock(mutex_);
    std::vector<const void*> owners;
    owners.reserve(ways_.size());
    for (const ImportWay& way : ways_)
        owners.push_back(&way);
    return owners;
}

Status Context::require_dma_bufs(Tried tried) const
{
    return require({Need::external_memory_fd, Need::external_memory_dma_buf}, std::move(tried));
}

Status Context::require_images(Tried tried) const
{
    return require({Need::external_memory_fd, Need::external_memory_dma_buf, Need::image_drm_format_modifier,
                    Need::image_format_list},
                   std::move(tried));
}

const SyncSupport& Context::sync_files() const
{
    std::call_once(sync_files_asked_, [this] {
        if (has(Need::external_semaphore_fd)) {
            const VkPhysicalDeviceExternalSemaphoreInfo info{
                .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_SEMAPHORE_INFO,
                .handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT};
            VkExternalSemaphoreProperties answer{.sType = VK_STRUCTURE_TYPE_EXTERNAL_SEMAPHORE_PROPERTIES};
            vk_.GetPhysicalDeviceExternalSemaphoreProperties(physical_, &info, &answer);
            const VkExternalSemaphoreFeatureFlags features = answer.externalSemaphoreFeatures;
            sync_files_.semaphore_import = (features & VK_EXTERNAL_SEMAPHORE_FEATURE_IMPORTABLE_BIT) != 0;
            sync_files_.semaphore_export = (features & VK_EXTERNAL_SEMAPHORE_FEATURE_EXPORTABLE_BIT) != 0;
        }
        if (has(Need::external_fence_fd)) {
            const VkPhysicalDeviceExternalFenceInfo info{.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_FENCE_INFO,
                                                         .handleType = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT};
            VkExternalFenceProperties answer{.sType = VK_STRUCTURE_TYPE_EXTERNAL_FENCE_PROPERTIES};
            vk_.GetPhysicalDeviceExternalFenceProperties(physical_, &info, &answer);
            const VkExternalFenceFeatureFlags features = answer.externalFenceFeatures;
            sync_files_.fence_import = (features & VK_EXTERNAL_FENCE_FEATURE_IMPORTABLE_BIT) != 0;
            sync_files_.fence_export = (features & VK_EXTERNAL_FENCE_FEATURE_EXPORTABLE_BIT) != 0;
        }
    });
    return sync_files_;
}

} // namespace commonbuf::vulkan
