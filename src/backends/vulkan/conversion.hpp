// SPDX-License-Identifier: MIT
#pragma once

#include "backends/vulkan/handle.hpp"

#include <commonbuf/vulkan/conversion.hpp>

#include <memory>
#include <string>

namespace commonbuf::vulkan {

/// A VkSamplerYcbcrConversion and what it does.
class ConversionObject {
public:
    static Result<std::shared_ptr<const ConversionObject>>
    create(const std::shared_ptr<const Context>& context, Format format, Modifier modifier, const Colours& asked);

    Owned<VkSamplerYcbcrConversion, &Functions::DestroySamplerYcbcrConversion> handle;
    Colours colours;
    std::string changed;
};

} // namespace commonbuf::vulkan
