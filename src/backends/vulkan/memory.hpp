// SPDX-License-Identifier: MIT
#pragma once

#include "backends/vulkan/handle.hpp"

#include <commonbuf/unique_fd.hpp>

#include <cstdint>
#include <memory>

namespace commonbuf::vulkan {

/// What an image or buffer needs of its memory.
struct MemoryNeeds {
    VkDeviceSize size = 0;
    std::uint32_t type_bits = 0;
    VkImage dedicated_image = VK_NULL_HANDLE;
    VkBuffer dedicated_buffer = VK_NULL_HANDLE;
};

using Memory = Owned<VkDeviceMemory, &Functions::FreeMemory>;

/// Imports a borrowed dma-buf by a duplicate of its descriptor, which Vulkan owns on success.
Result<Memory> import_memory(std::shared_ptr<const Context> context, int fd, const MemoryNeeds& needs);

/// Allocates memory and exports it. The dma-buf holds it by itself ("External Memory Handle Types").
Result<UniqueFd> export_memory(const std::shared_ptr<const Context>& context, const MemoryNeeds& needs);

} // namespace commonbuf::vulkan
