// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>
#include <commonbuf/verdict.hpp>

#include <cstdint>
#include <memory>
#include <vector>

namespace commonbuf {

/// Where dma-bufs come from.
///
/// Thread-safe: allocate() may be called from any thread.
class COMMONBUF_API Heap {
public:
    virtual ~Heap();
    Heap() = default;
    Heap(const Heap&) = delete;
    Heap& operator=(const Heap&) = delete;

    virtual const HeapInfo& info() const noexcept = 0;

    /// A dma-buf of at least `bytes` bytes, zeroed by the kernel, close-on-exec,
    /// readable and writable. The caller owns it.
    ///
    /// Errors: exhausted (ENOMEM: the region is full; EMFILE), invalid_argument
    /// (0 bytes, or more than the heap's limit), permission_denied, not_present.
    virtual Result<UniqueFd> allocate(std::uint64_t bytes) = 0;
};

/// Every heap of this machine, usable or not: dma-heaps, udmabuf, and the dumb
/// buffers of DRM devices. Needs no privilege; what stands in the way of a heap is
/// in its info().obstacle. Nothing is allocated.
COMMONBUF_API std::vector<std::shared_ptr<Heap>> find_heaps();

} // namespace commonbuf
