// SPDX-License-Identifier: MIT
#include "backends/vulkan/context.hpp"

#include "text/text.hpp"

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
    // The list may grow between the two questions: a layer can be told to.
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
            return fail(failure(result, "vkEnumerateDeviceExtensionProperties"));
    }
    return fail(failure(VK_INCOMPLETE, "vkEnumerateDeviceExtensionProperties", "the list does not stand still"));
}

bool holds(std::span<const VkExtensionProperties> all, std::string_view name)
{
    return std::any_of(all.begin(), all.end(), [name](const VkExtensionProperties& each) {
        return name == std::string_view(each.extensionName, strnlen(each.extensionName, sizeof each.extensionName));
    });
}

Status check_handles(bool complete, std::uint32_t api_version, const char* operation)
{
    if (!complete)
        return fail(Category::invalid_argument, operation, "a handle, or vkGetInstanceProcAddr, is null");
    if (api_version < VK_API_VERSION_1_1)
        return fail(Category::unsupported, operation,
                    text::format("the instance is of Vulkan {}.{}, and 1.1 is the least",
                                 VK_API_VERSION_MAJOR(api_version), VK_API_VERSION_MINOR(api_version)),
                    "set VkApplicationInfo::apiVersion to VK_API_VERSION_1_1 or more, and say so here");
    return {};
}

tl::unexpected<Error> no_function(const char* operation, const std::string& name)
{
    return fail(Category::unsupported, operation, text::format("vkGetInstanceProcAddr has no {}", name),
                "is the instance of the version that was said?");
}

} // namespace

Result<PhysicalInfo> read_physical(const Functions& vk, VkPhysicalDevice physical, std::uint32_t api_version)
{
    const auto extensions = extensions_of(vk, physical);
    if (!extensions)
        return fail(extensions.error());
    const bool knows_nodes = holds(*extensions, VK_EXT_PHYSICAL_DEVICE_DRM_EXTENSION_NAME);

    VkPhysicalDeviceDrmPropertiesEXT node{};
    node.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRM_PROPERTIES_EXT;
    VkPhysicalDeviceIDProperties ids{};
    ids.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES;
    ids.pNext = knows_nodes ? &node : nullptr;
    VkPhysicalDeviceProperties2 properties{};
    properties.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2;
    properties.pNext = &ids;
    vk.GetPhysicalDeviceProperties2(physical, &properties);
    const VkPhysicalDeviceProperties& core = properties.properties;

    PhysicalInfo info;
    info.name.assign(core.deviceName, strnlen(core.deviceName, sizeof core.deviceName));
    info.api_version = std::min(api_version, core.apiVersion);
    if (info.api_version < VK_API_VERSION_1_1)
        return fail(Category::unsupported, "ask " + info.name, "the device has Vulkan 1.0, and 1.1 is the least");
    info.label = info.name.substr(0, info.name.find(' '));
    if (node.hasRender == VK_TRUE && node.renderMajor == drm_major)
        info.label = text::format("renderD{}", node.renderMinor);
    info.identity =
        text::format("vulkan {} {:#x} {} {}", info.name, core.driverVersion, hex(ids.driverUUID), hex(ids.deviceUUID));

    VkPhysicalDeviceSamplerYcbcrConversionFeatures ycbcr{};
    ycbcr.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SAMPLER_YCBCR_CONVERSION_FEATURES;
    VkPhysicalDeviceTimelineSemaphoreFeatures timeline{};
    timeline.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES;
    const bool knows_timelines =
        info.api_version >= VK_API_VERSION_1_2 || holds(*extensions, info_of(Need::timeline_semaphore_extension).name);
    ycbcr.pNext = knows_timelines ? &timeline : nullptr;
    VkPhysicalDeviceFeatures2 features{};
    features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
    features.pNext = &ycbcr;
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
    const bool complete = info.instance != VK_NULL_HANDLE && info.physical != VK_NULL_HANDLE &&
                          info.device != VK_NULL_HANDLE && info.get_instance_proc_addr != nullptr;
    if (const Status can = check_handles(complete, info.api_version, operation); !can)
        return fail(can.error());
    Functions vk;
    if (const std::string missing = vk.load(info.instance, info.get_instance_proc_addr); !missing.empty())
        return no_function(operation, missing);
    auto physical = read_physical(vk, info.physical, info.api_version);
    if (!physical)
        return fail(physical.error());
    const Enabled enabled = Enabled::from(info.extensions, info.features, physical->api_version);
    if (const std::string missing = vk.load(info.device, enabled, physical->api_version); !missing.empty())
        return fail(Category::invalid_argument, operation,
                    text::format("{} has no {}: it was made without an extension or a feature that is named here",
                                 physical->name, missing),
                    "name the extensions and features of VkDeviceCreateInfo, no others");
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
    VkPhysicalDeviceMemoryProperties2 properties{};
    properties.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2;
    vk_.GetPhysicalDeviceMemoryProperties2(physical_, &properties);
    memory_ = properties.memoryProperties;
}

std::string Context::where(std::string_view call) const { return text::format("{} on {}", call, info_.name); }

Status Context::require(std::initializer_list<Need> needs, std::string_view call) const
{
    for (const Need need : needs) {
        if (enabled_.has(need))
            continue;
        const NeedInfo& row = info_of(need);
        const bool there = info_.available.has(need);
        return fail(Category::unsupported, where(call),
                    text::format("the VkDevice was made without {}{}: {}", row.name,
                                 there ? "" : ", which this device does not have", row.without),
                    there ? text::format("turn {} on in VkDeviceCreateInfo, and name it to Device::wrap()", row.name)
                          : std::string());
    }
    return {};
}

std::vector<const char*> Requirements::extensions() const
{
    std::vector<const char*> names;
    for (const NeedInfo& need : needs()) {
        const bool there = std::any_of(all.begin(), all.end(), [&need](const Requirement& each) {
            return each.available && each.extension && each.name == need.name;
        });
        if (there)
            names.push_back(need.name);
    }
    return names;
}

Features Requirements::features() const
{
    const auto has = [this](Need need) {
        return std::any_of(all.begin(), all.end(), [need](const Requirement& each) {
            return each.available && !each.extension && each.name == info_of(need).name;
        });
    };
    return {has(Need::sampler_ycbcr_conversion), has(Need::timeline_semaphore)};
}

std::string Requirements::explain() const
{
    std::string result = text::format("{}, Vulkan {}.{}\n", device, VK_API_VERSION_MAJOR(api_version),
                                      VK_API_VERSION_MINOR(api_version));
    for (const Requirement& each : all) {
        result += text::format("  {} {}", each.available ? "has  " : "lacks", each.name);
        if (!each.available)
            result += text::format(": {}", each.without);
        result += '\n';
    }
    return result;
}

Result<Requirements> requirements(VkInstance instance, VkPhysicalDevice physical,
                                  PFN_vkGetInstanceProcAddr get_instance_proc_addr, std::uint32_t api_version)
{
    constexpr const char* operation = "ask a VkPhysicalDevice";
    const bool complete = instance != VK_NULL_HANDLE && physical != VK_NULL_HANDLE && get_instance_proc_addr != nullptr;
    if (const Status can = check_handles(complete, api_version, operation); !can)
        return fail(can.error());
    Functions vk;
    if (const std::string missing = vk.load(instance, get_instance_proc_addr); !missing.empty())
        return no_function(operation, missing);
    auto info = read_physical(vk, physical, api_version);
    if (!info)
        return fail(info.error());
    Requirements result{std::move(info->name), info->api_version, {}};
    for (const NeedInfo& need : needs()) {
        if (asked_for(need, result.api_version))
            result.all.push_back({need.name, need.extension, info->available.has(need.need), need.without});
    }
    return result;
}

Result<Device> Device::wrap(const WrapInfo& info)
{
    auto context = Context::create(info);
    if (!context)
        return fail(context.error());
    return Device(std::move(*context));
}

const std::string& Device::name() const noexcept { return context_->info().name; }
VkDevice Device::handle() const noexcept { return context_->device(); }
VkPhysicalDevice Device::physical() const noexcept { return context_->physical(); }
std::uint32_t Device::queue_family() const noexcept { return context_->queue_family(); }

} // namespace commonbuf::vulkan
