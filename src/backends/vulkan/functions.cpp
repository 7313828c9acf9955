// SPDX-License-Identifier: MIT
#include "backends/vulkan/functions.hpp"

#include "backends/vulkan/needs.hpp"

namespace commonbuf::vulkan {

// NOLINTBEGIN(bugprone-macro-parentheses): the arguments are names
std::string Functions::load(VkInstance instance, PFN_vkGetInstanceProcAddr get)
{
#define COMMONBUF_LOAD(name)                                                                                           \
    name = reinterpret_cast<PFN_vk##name>(get(instance, "vk" #name));                                                  \
    if (name == nullptr)                                                                                               \
        return "vk" #name;
    COMMONBUF_VULKAN_INSTANCE_FUNCTIONS(COMMONBUF_LOAD)
#undef COMMONBUF_LOAD
    return {};
}

std::string Functions::load(VkDevice device, const Enabled& enabled, std::uint32_t api_version)
{
#define COMMONBUF_LOAD(name)                                                                                           \
    name = reinterpret_cast<PFN_vk##name>(GetDeviceProcAddr(device, "vk" #name));                                      \
    if (name == nullptr)                                                                                               \
        return "vk" #name;
    COMMONBUF_VULKAN_DEVICE_FUNCTIONS(COMMONBUF_LOAD)
#undef COMMONBUF_LOAD

#define COMMONBUF_LOAD(name)                                                                                           \
    name = reinterpret_cast<PFN_vk##name>(                                                                             \
        GetDeviceProcAddr(device, api_version >= VK_API_VERSION_1_2 ? "vk" #name : "vk" #name "KHR"));                 \
    if (name == nullptr)                                                                                               \
        return "vk" #name;
    if (enabled.has(Need::timeline_semaphore)) {
        COMMONBUF_VULKAN_TIMELINE_FUNCTIONS(COMMONBUF_LOAD)
    }
#undef COMMONBUF_LOAD

    // Without its extension a pointer need not be null, but must not be used.
#define COMMONBUF_LOAD(name, need)                                                                                     \
    if (enabled.has(Need::need)) {                                                                                     \
        name = reinterpret_cast<PFN_vk##name>(GetDeviceProcAddr(device, "vk" #name));                                  \
        if (name == nullptr)                                                                                           \
            return "vk" #name;                                                                                         \
    }
    COMMONBUF_VULKAN_EXTENSION_FUNCTIONS(COMMONBUF_LOAD)
#undef COMMONBUF_LOAD
    return {};
}
// NOLINTEND(bugprone-macro-parentheses)

} // namespace commonbuf::vulkan
