// SPDX-License-Identifier: MIT
#pragma once

#include "backends/vulkan/context.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace commonbuf::vulkan {

/// Makes the error of a Vulkan call that failed.
Error failed(const Context& context, const char* call, VkResult result, std::string_view detail = {});

/// Makes the error of a refusal that no call made; `call` is the one that it is about.
Error refuse(const Context& context, const char* call, Category category, std::string detail, std::string advice = {});

/// A VkDeviceMemory over a dma-buf.
class Memory {
public:
    /// What an image or buffer needs.
    struct Needs {
        VkDeviceSize size = 0;
        std::uint32_t type_bits = 0;
        VkImage dedicated_image = VK_NULL_HANDLE;
        VkBuffer dedicated_buffer = VK_NULL_HANDLE;
    };

    /// Imports a borrowed dma-buf by a duplicate of its descriptor, which Vulkan owns on success.
    static Result<Memory> import(std::shared_ptr<const Context> context, int fd, const Needs& needs);

    Memory() = default;
    Memory(Memory&& other) noexcept
        : context_(std::move(other.context_)),
          handle_(std::exchange(other.handle_, VK_NULL_HANDLE))
    {}
    Memory& operator=(Memory&& other) noexcept
    {
        std::swap(context_, other.context_);
        std::swap(handle_, other.handle_);
        return *this;
    }
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;
    ~Memory();

    VkDeviceMemory handle() const noexcept { return handle_; }

private:
    Memory(std::shared_ptr<const Context> context, VkDeviceMemory handle) noexcept
        : context_(std::move(context)),
          handle_(handle)
    {}

    std::shared_ptr<const Context> context_;
    VkDeviceMemory handle_ = VK_NULL_HANDLE;
};

} // namespace commonbuf::vulkan
