// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/result.hpp>

#include <string>
#include <string_view>
#include <vulkan/vulkan_core.h>

namespace commonbuf::vulkan {

/// Returns the name of a result, for example "VK_ERROR_DEVICE_LOST"; "VkResult -1234" for others.
std::string result_name(VkResult result);

/// Makes the error of a Vulkan call that failed. This is the only place that turns a VkResult into an
/// Error. Vulkan has no errno; the result comes first in the detail.
Error failure(VkResult result, Tried tried, std::string_view detail = {});

} // namespace commonbuf::vulkan
