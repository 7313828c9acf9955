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

/// Return the identity under which verdicts are remembered.
std::string image_identity(const Context& context, const ImageUsage& usage);
std::string buffer_identity(const Context& context, VkBufferUsageFlags usage);

/// Returns a usage in words, for example "sampled+storage"; a bit without a word as a number.
std::string usage_words(VkImageUsageFlags flags);

/// Measures with trial images what linear images of this format and size ask of strides and offsets.
/// Nothing if the driver failed for another reason, so that it can be asked again.
std::optional<Constraints> measure_images(const std::shared_ptr<const Context>& context, const Request& request,
                                          const ImageUsage& usage, const std::string& device);

/// Asks how the driver itself lays out an image with this modifier; nothing if it makes none.
std::optional<Layout> own_layout(const Context& context, const Request& request,
                                 const VkDrmFormatModifierPropertiesEXT& modifier, const ImageUsage& usage);

} // namespace commonbuf::vulkan
