// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/commonbuf.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

struct gbm_device;

namespace oracle {

/// A heap, and for GBM another way to its memory than through the library's heap.
struct OracleHeap {
    std::shared_ptr<commonbuf::Heap> heap;
    gbm_device* gbm = nullptr;
    std::uint32_t gbm_flags = 0;

    const std::string& name() const { return heap->info().name; }
};

/// The heaps of this machine, GBM's of each display, and those of the Vulkan devices that have
/// uses. Their devices stay open. `brief`: GBM for scanout alone, not for rendering too.
std::vector<OracleHeap> find_heaps(bool brief);

/// Buffers of a layout in memory of a heap; each memory is larger by `extra`, where the heap has
/// other sizes than an image's own.
///
/// Errors: those of the heap; incompatible (GBM lays the image out in another way).
commonbuf::Result<std::vector<commonbuf::Buffer>> allocate(const OracleHeap& heap, const commonbuf::Layout& layout,
                                                           std::uint32_t count, std::uint64_t extra);

} // namespace oracle
