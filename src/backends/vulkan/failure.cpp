// SPDX-License-Identifier: MIT
#include "backends/vulkan/failure.hpp"

#include <commonbuf/vulkan/device.hpp>

namespace commonbuf::vulkan {

std::string result_name(VkResult result)
{
#define COMMONBUF_NAME(name)                                                                                           \
    case name: return #name;
    switch (result) {
        COMMONBUF_NAME(VK_SUCCESS)
        COMMONBUF_NAME(VK_NOT_READY)
        COMMONBUF_NAME(VK_TIMEOUT)
        COMMONBUF_NAME(VK_INCOMPLETE)
        COMMONBUF_NAME(VK_ERROR_OUT_OF_HOST_MEMORY)
        COMMONBUF_NAME(VK_ERROR_OUT_OF_DEVICE_MEMORY)
        COMMONBUF_NAME(VK_ERROR_INITIALIZATION_FAILED)
        COMMONBUF_NAME(VK_ERROR_DEVICE_LOST)
        COMMONBUF_NAME(VK_ERROR_MEMORY_MAP_FAILED)
        COMMONBUF_NAME(VK_ERROR_LAYER_NOT_PRESENT)
        COMMONBUF_NAME(VK_ERROR_EXTENSION_NOT_PRESENT)
        COMMONBUF_NAME(VK_ERROR_FEATURE_NOT_PRESENT)
        COMMONBUF_NAME(VK_ERROR_INCOMPATIBLE_DRIVER)
        COMMONBUF_NAME(VK_ERROR_TOO_MANY_OBJECTS)
        COMMONBUF_NAME(VK_ERROR_FORMAT_NOT_SUPPORTED)
        COMMONBUF_NAME(VK_ERROR_FRAGMENTED_POOL)
        COMMONBUF_NAME(VK_ERROR_OUT_OF_POOL_MEMORY)
        COMMONBUF_NAME(VK_ERROR_INVALID_EXTERNAL_HANDLE)
        COMMONBUF_NAME(VK_ERROR_FRAGMENTATION)
        COMMONBUF_NAME(VK_ERROR_INVALID_OPAQUE_CAPTURE_ADDRESS)
        COMMONBUF_NAME(VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT)
        COMMONBUF_NAME(VK_ERROR_NOT_PERMITTED_KHR)
        COMMONBUF_NAME(VK_ERROR_UNKNOWN)
    default: return "VkResult " + std::to_string(static_cast<int>(result));
    }
#undef COMMONBUF_NAME
}

Category category_of(VkResult result) noexcept
{
    switch (result) {
    case VK_NOT_READY:
    case VK_TIMEOUT: return Category::timed_out;
    case VK_ERROR_OUT_OF_HOST_MEMORY:
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    case VK_ERROR_OUT_OF_POOL_MEMORY:
    case VK_ERROR_FRAGMENTED_POOL:
    case VK_ERROR_FRAGMENTATION:
    case VK_ERROR_TOO_MANY_OBJECTS: return Category::out_of_memory;
    case VK_ERROR_DEVICE_LOST: return Category::device_gone;
    case VK_ERROR_EXTENSION_NOT_PRESENT:
    case VK_ERROR_FEATURE_NOT_PRESENT:
    case VK_ERROR_INCOMPATIBLE_DRIVER:
    case VK_ERROR_FORMAT_NOT_SUPPORTED:
    case VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT: return Category::unsupported;
    case VK_ERROR_INVALID_EXTERNAL_HANDLE: return Category::incompatible;
    case VK_ERROR_NOT_PERMITTED_KHR: return Category::permission_denied;
    default: return Category::kernel_failure;
    }
}

Error failure(VkResult result, Tried tried, std::string_view detail, std::string advice)
{
    std::string text = result_name(result);
    if (!detail.empty())
        text.append(": ").append(detail);
    return Error::of(category_of(result), std::move(tried), std::move(text), std::move(advice));
}

Error to_error(VkResult result, Tried tried) { return failure(result, std::move(tried)); }

} // namespace commonbuf::vulkan
