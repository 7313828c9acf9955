// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/vulkan/usage.hpp>

#include <string>

namespace commonbuf::vulkan {

/// Returns a usage in words, for example "sampled+storage"; a bit without a word as a number.
std::string usage_words(VkImageUsageFlags flags);

} // namespace commonbuf::vulkan
