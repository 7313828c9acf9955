// SPDX-License-Identifier: MIT
#include "backends/vulkan/failure.hpp"

#include <commonbuf/vulkan/device.hpp>

#include <algorithm>
#include <array>

namespace commonbuf::vulkan {
namespace {

struct Known {
    VkResult result;
    const char* name;
    Category category;
};

constexpr auto known_results = std::to_array<Known>({
    {VK_SUCCESS, "VK_SUCCESS", Category::kernel_failure},
    {VK_NOT_READY, "VK_NOT_READY", Category::timed_out},
    {VK_TIMEOUT, "VK_TIMEOUT", Category::timed_out},
    {VK_INCOMPLETE, "VK_INCOMPLETE", Category::kernel_failure},
    {VK_ERROR_OUT_OF_HOST_MEMORY, "VK_ERROR_OUT_OF_HOST_MEMORY", Category::out_of_memory},
    {VK_ERROR_OUT_OF_DEVICE_MEMORY, "VK_ERROR_OUT_OF_DEVICE_MEMORY", Category::out_of_memory},
    {VK_ERROR_INITIALIZATION_FAILED, "VK_ERROR_INITIALIZATION_FAILED", Category::kernel_failure},
    {VK_ERROR_DEVICE_LOST, "VK_ERROR_DEVICE_LOST", Category::device_gone},
    {VK_ERROR_MEMORY_MAP_FAILED, "VK_ERROR_MEMORY_MAP_FAILED", Category::kernel_failure},
    {VK_ERROR_LAYER_NOT_PRESENT, "VK_ERROR_LAYER_NOT_PRESENT", Category::kernel_failure},
    {VK_ERROR_EXTENSION_NOT_PRESENT, "VK_ERROR_EXTENSION_NOT_PRESENT", Category::unsupported},
    {VK_ERROR_FEATURE_NOT_PRESENT, "VK_ERROR_FEATURE_NOT_PRESENT", Category::unsupported},
    {VK_ERROR_INCOMPATIBLE_DRIVER, "VK_ERROR_INCOMPATIBLE_DRIVER", Category::unsupported},
    {VK_ERROR_TOO_MANY_OBJECTS, "VK_ERROR_TOO_MANY_OBJECTS", Category::out_of_memory},
    {VK_ERROR_FORMAT_NOT_SUPPORTED, "VK_ERROR_FORMAT_NOT_SUPPORTED", Category::unsupported},
    {VK_ERROR_FRAGMENTED_POOL, "VK_ERROR_FRAGMENTED_POOL", Category::out_of_memory},
    {VK_ERROR_OUT_OF_POOL_MEMORY, "VK_ERROR_OUT_OF_POOL_MEMORY", Category::out_of_memory},
    {VK_ERROR_INVALID_EXTERNAL_HANDLE, "VK_ERROR_INVALID_EXTERNAL_HANDLE", Category::incompatible},
    {VK_ERROR_FRAGMENTATION, "VK_ERROR_FRAGMENTATION", Category::out_of_memory},
    {VK_ERROR_INVALID_OPAQUE_CAPTURE_ADDRESS, "VK_ERROR_INVALID_OPAQUE_CAPTURE_ADDRESS", Category::kernel_failure},
    {VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT, "VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT",
     Category::unsupported},
    {VK_ERROR_NOT_PERMITTED_KHR, "VK_ERROR_NOT_PERMITTED_KHR", Category::permission_denied},
    {VK_ERROR_UNKNOWN, "VK_ERROR_UNKNOWN", Category::kernel_failure},
});

const Known* find(VkResult result) noexcept
{
    const auto* const row = std::ranges::find(known_results, result, &Known::result);
    return row != known_results.end() ? row : nullptr;
}

} // namespace

std::string result_name(VkResult result)
{
    const Known* known = find(result);
    return known != nullptr ? known->name : "VkResult " + std::to_string(static_cast<int>(result));
}

Error failure(VkResult result, Tried tried, std::string_view detail)
{
    std::string text = result_name(result);
    if (!detail.empty())
        text.append(": ").append(detail);
    const Known* known = find(result);
    return Error::of(known != nullptr ? known->category : Category::kernel_failure, std::move(tried), std::move(text));
}

Error to_error(VkResult result, Tried tried) { return failure(result, std::move(tried)); }

} // namespace commonbuf::vulkan
