// SPDX-License-Identifier: MIT
#include "backends/vulkan/context.hpp"
#include "base/text.hpp"

#include <commonbuf/vulkan/requirements.hpp>

#include <algorithm>

namespace commonbuf::vulkan {

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
    const auto vk = functions_of(instance, physical, get_instance_proc_addr, api_version, operation);
    if (!vk)
        return vk.error();
    auto info = read_physical(*vk, physical, api_version);
    if (!info)
        return info.error();
    Requirements result{std::move(info->name), info->api_version, {}};
    for (const NeedInfo& need : needs()) {
        if (asked_for(need, result.api_version))
            result.all.push_back({need.name, need.extension, info->available.has(need.need), need.without});
    }
    return result;
}

} // namespace commonbuf::vulkan
