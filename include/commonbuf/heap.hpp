// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/constraints.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/layout.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>
#include <commonbuf/heap_info.hpp>

#include <cstdint>
#include <memory>
#include <vector>

namespace commonbuf {

/// The image that a plan looks for a layout for, in one way of lying in memory that all of
/// its uses share.
struct ImageWay {
    Request request; ///< of one format: the alternatives are empty
    Modifier modifier = linear;
    Memories memories = Memories::single;
    Constraints constraints; ///< merged over all uses
};

/// Where dma-bufs come from.
///
/// Most heaps give bytes, and any layout will do. One that makes whole images as its device
/// lays them out (GBM, a V4L2 queue, Vulkan with a tiled modifier) says in propose() how that
/// is, and gives them by allocate_image(). Its layouts are candidates as all others are: the
/// uses and every other heap are asked whether they take them.
///
/// Thread-safe: every function may be called from any thread.
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
    /// A heap that has nothing but whole images answers unsupported.
    virtual Result<UniqueFd> allocate(std::uint64_t bytes) = 0;

    /// How the heap's own device lays out an image in this way: layouts that allocate_image()
    /// makes, best first. None, as without an override, where it has no layout of its own for
    /// it. A plan checks them (check(), the constraints), and asks only for images without
    /// lines before and after. Nothing stays allocated.
    ///
    /// Errors: what asking the device gives; the plan goes on without, and says so where no
    /// other layout serves.
    virtual Result<std::vector<Layout>> propose(const ImageWay& way);

    /// One dma-buf for each memory of the layout, each of at least the bytes that it has
    /// there, on the terms of allocate(). Without an override these are pieces from
    /// allocate(), which suit any layout.
    ///
    /// Errors: those of allocate(); incompatible (the heap makes images in layouts of its own
    /// alone, and not in this one: with what differs). Nothing is kept then.
    virtual Result<std::vector<UniqueFd>> allocate_image(const Layout& layout);
};

/// Every heap of this machine, usable or not: dma-heaps, udmabuf, and the dumb
/// buffers of DRM devices. Needs no privilege; what stands in the way of a heap is
/// in its info().obstacle. Nothing is allocated.
COMMONBUF_API std::vector<std::shared_ptr<Heap>> find_heaps();

} // namespace commonbuf
