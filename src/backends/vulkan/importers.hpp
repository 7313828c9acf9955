// SPDX-License-Identifier: MIT
#pragma once

#include "backends/vulkan/context.hpp"

#include <commonbuf/buffer.hpp>
#include <commonbuf/use.hpp>

#include <memory>
#include <optional>
#include <span>
#include <string>

namespace commonbuf::vulkan {

Use make_image_use(std::shared_ptr<Context> context, const ImageUsage& usage);
Use make_buffer_use(std::shared_ptr<Context> context, VkBufferUsageFlags usage);

/// What verdicts are remembered under.
std::string image_identity(const Context& context, const ImageUsage& usage);
std::string buffer_identity(const Context& context, VkBufferUsageFlags usage);

/// "sampled+storage"; a bit without a word here by its number.
std::string usage_words(VkImageUsageFlags flags);

/// What linear images of this format and size ask of strides and offsets, found out by trial
/// images (measure.cpp). Nothing where the driver was in trouble, and another time may tell.
std::optional<Constraints> measure_images(const std::shared_ptr<const Context>& context, const Request& request,
                                          const ImageUsage& usage, const std::string& device);

/// How the driver lays an image out by itself with this modifier; nothing where it makes none.
std::optional<Layout> own_layout(const Context& context, const Request& request,
                                 const VkDrmFormatModifierPropertiesEXT& modifier, const ImageUsage& usage);

} // namespace commonbuf::vulkan
