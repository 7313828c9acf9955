// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/error.hpp>
#include <commonbuf/export.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace commonbuf {

enum class HeapKind : std::uint8_t {
    dma_heap, ///< /dev/dma_heap/NAME
    udmabuf,  ///< memfd pages through /dev/udmabuf
    drm_dumb, ///< dumb buffers of a DRM device
    gbm,      ///< buffer objects of a DRM device, by GBM
    v4l2,     ///< buffers of a V4L2 queue's own
    vulkan,   ///< images and memory of a Vulkan device
    custom,   ///< a caller's own
};

/// Name a kind as it stands in JSON: "dma-heap", "udmabuf", "drm-dumb", "gbm", "v4l2", "vulkan", "custom".
COMMONBUF_API std::string_view to_string(HeapKind kind) noexcept;

/// What is known of memory without asking a device. Trials find out the rest.
struct MemoryProperties {
    std::optional<bool> contiguous;
    std::optional<bool> cached;                ///< whether the CPU's mapping goes through its caches
    std::optional<bool> protected_memory;      ///< whether it is out of the CPU's reach
    std::optional<std::uint32_t> address_bits; ///< physical addresses are below 2 to this power

    friend bool operator==(const MemoryProperties&, const MemoryProperties&) = default;
};

/// What is known of a heap without allocating from it.
struct HeapInfo {
    std::string name; ///< unique on this machine, for example "system"
    HeapKind kind = HeapKind::dma_heap;
    std::string path; ///< the device node

    /// Whether it is a small region set aside for devices that need it. True for dumb buffers and
    /// for every dma-heap except the kernel's documented `system`: memory of unknown origin counts
    /// as scarce.
    bool scarce = false;

    MemoryProperties memory;

    /// The other name of the same region, if this name is a legacy duplicate.
    std::string same_as;

    /// What stands in the way of using it; empty for a heap that can be used.
    std::optional<Error> obstacle;

    friend bool operator==(const HeapInfo&, const HeapInfo&) = default;
};

} // namespace commonbuf
