// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/heap_info.hpp>

#include <cstdint>

namespace commonbuf::heaps {

/// What a kind of heap means for planning.
struct HeapTraits {
    /// The order of kinds, the lowest first: dma-heaps are made for sharing, and the system heap
    /// has large chunks; udmabuf has pages of 4 KiB, and limits on size and number; dumb buffers,
    /// GBM's, V4L2's and Vulkan's are memory of one device; of a caller's own heap nothing is known.
    std::uint8_t rank = 0;

    /// Whether a scarce heap of this kind answers ENOMEM when its region is full. A driver may give
    /// ordinary memory instead, of which the kernel ends some program before it says no.
    bool reports_exhaustion = false;

    /// Whether contiguous buffers come from CMA, and without it from the page allocator, which warns
    /// in the kernel's log of more than its largest piece.
    bool takes_from_cma = false;
};

/// Tell what a kind means for planning.
HeapTraits heap_traits(HeapKind kind) noexcept;

} // namespace commonbuf::heaps
