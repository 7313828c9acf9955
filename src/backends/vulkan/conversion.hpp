// SPDX-License-Identifier: MIT
#pragma once

#include "backends/vulkan/context.hpp"

#include <commonbuf/vulkan/conversion.hpp>

#include <memory>
#include <string>

namespace commonbuf::vulkan {

/// A VkSamplerYcbcrConversion and what it does.
class ConversionObject {
public:
    static Result<std::shared_ptr<const ConversionObject>> create(std::shared_ptr<const Context> context, Format format,
                                                                  Modifier modifier, const Colours& asked);
    ~ConversionObject();
    ConversionObject(const ConversionObject&) = delete;
    ConversionObject& operator=(const ConversionObject&) = delete;

    const Context& context() const noexcept { return *context_; }
    VkSamplerYcbcrConversion handle() const noexcept { return handle_; }
    const Colours& colours() const noexcept { return colours_; }
    const std::string& changed() const noexcept { return changed_; }

private:
    ConversionObject(std::shared_ptr<const Context> context, const Colours& colours, std::string changed)
        : context_(std::move(context)),
          colours_(colours),
          changed_(std::move(changed))
    {}

    std::shared_ptr<const Context> context_;
    Colours colours_;
    std::string changed_;
    VkSamplerYcbcrConversion handle_ = VK_NULL_HANDLE;
};

} // namespace commonbuf::vulkan
