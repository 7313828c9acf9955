// SPDX-License-Identifier: MIT
#pragma once

#include "backends/vulkan/context.hpp"

#include <commonbuf/use.hpp>

#include <memory>
#include <string>

namespace commonbuf::vulkan {

Use make_image_use(const std::shared_ptr<Context>& context, const ImageUsage& usage);
Use make_buffer_use(const std::shared_ptr<Context>& context, VkBufferUsageFlags usage);

/// Return the identity under which verdicts are remembered.
std::string image_identity(const Context& context, const ImageUsage& usage);
std::string buffer_identity(const Context& context, VkBufferUsageFlags usage);

} // namespace commonbuf::vulkan
