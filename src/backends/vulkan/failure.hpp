// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/result.hpp>

#include <string>
#include <string_view>
#include <vulkan/vulkan_core.h>

namespace commonbuf::vulkan {

/// "VK_ERROR_DEVICE_LOST"; "VkResult -1234" for those without a name here.
std::string result_name(VkResult result);

/// The category of a failure when nothing more is known.
Category category_of(VkResult result) noexcept;

/// The error of a Vulkan call that failed: the one door from VkResult to Error. Vulkan says
/// no errno; its result stands first in the detail.
Error failure(VkResult result, Tried tried, std::string_view detail = {}, std::string advice = {});

} // namespace commonbuf::vulkan
