// SPDX-License-Identifier: MIT
#pragma once

#include "backends/vulkan/context.hpp"

#include <memory>
#include <optional>
#include <string>

namespace commonbuf::vulkan {

/// Measures with trial images what linear images of this format and size ask of strides and offsets.
/// Nothing if the driver failed for another reason, so that it can be asked again.
std::optional<Constraints> measure_images(const std::shared_ptr<const Context>& context, const Request& request,
                                          const ImageUsage& usage, const std::string& device);

} // namespace commonbuf::vulkan
