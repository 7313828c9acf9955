// SPDX-License-Identifier: MIT
#include "backends/vulkan/functions.hpp"

#include "backends/vulkan/requirements.hpp"

namespace commonbuf::vulkan {
namespace {

/// Returns whether the function was found.
template <typename Function>
bool set(Function& function, PFN_vkVoidFunction found) noexcept
{
    function = reinterpret_cast<Function>(found);
    return function != nullptr;
}

} // namespace

std::string Functions::load(VkInstance instance, PFN_vkGetInstanceProcAddr get)
{
#define COMMONBUF_LOAD(name)                                                                                           \
    if (!set(name, get(instance, "vk" #name)))                                                                         \
        return "vk" #name;
    COMMONBUF_VULKAN_INSTANCE_FUNCTIONS(COMMONBUF_LOAD)
#undef COMMONBUF_LOAD
    return {};
}

std::string Functions::load(VkDevice device, const Enabled& enabled, std::uint32_t api_version)
{
#define COMMONBUF_LOAD(name)                                                                                           \
    if (!set(name, GetDeviceProcAddr(device, "vk" #name)))                                                             \
        return "vk" #name;
    COMMONBUF_VULKAN_DEVICE_FUNCTIONS(COMMONBUF_LOAD)
#undef COMMONBUF_LOAD

    const bool has_timelines = enabled.has(Need::timeline_semaphore);
#define COMMONBUF_LOAD(name)                                                                                           \
    if (has_timelines &&                                                                                               \
        !set(name, GetDeviceProcAddr(device, api_version >= VK_API_VERSION_1_2 ? "vk" #name : "vk" #name "KHR")))      \
        return "vk" #name;
    COMMONBUF_VULKAN_TIMELINE_FUNCTIONS(COMMONBUF_LOAD)
#undef COMMONBUF_LOAD

    // Without its extension a pointer need not be null, but must not be used.
#define COMMONBUF_LOAD(name, need)                                                                                     \
    if (enabled.has(Need::need) && !set(name, GetDeviceProcAddr(device, "vk" #name)))                                  \
        return "vk" #name;
    COMMONBUF_VULKAN_EXTENSION_FUNCTIONS(COMMONBUF_LOAD)
#undef COMMONBUF_LOAD
    return {};
}

} // namespace commonbuf::vulkan
