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
#include <string>
#include <vector>

namespace commonbuf {

/// The image that a plan looks for a layout for, in one arrangement that all of its uses share.
struct WantedImage {
    Request request; ///< of the arrangement's format only: the alternatives are empty
    Arrangement arrangement;
    Constraints constraints; ///< merged over all uses
};

/// Where dma-bufs come from.
///
/// Most heaps give bytes, and any layout will do. A heap that makes whole images as its device
/// lays them out (GBM, a V4L2 queue, Vulkan with a tiled modifier) tells its layouts in
/// propose(), and makes the images in allocate_image(). Its layouts are candidates like all
/// others: the uses and every other heap are asked whether they take them.
///
/// Thread-safe: every function may be called from any thread.
class COMMONBUF_API Heap {
public:
    virtual ~Heap();
    Heap() = default;
    Heap(const Heap&) = delete;
    Heap& operator=(const Heap&) = delete;

    virtual const HeapInfo& info() const noexcept = 0;

    /// A name that stays the same as long as the memory is of the same origin. Verdicts are remembered
    /// under it, or never if it is empty. Without an override it is the heap's name: override it if
    /// that may mean other memory later, as the node of a device does that can be unplugged.
    virtual const std::string& identity() const noexcept;

    /// Allocate a dma-buf of at least `bytes` bytes, zeroed by the kernel, close-on-exec,
    /// readable and writable. The caller owns it.
    ///
    /// Errors: out_of_memory (the region is full), too_many_files, invalid_argument
    /// (0 bytes, or more than the heap's limit), permission_denied, not_present,
    /// unsupported (the heap makes only whole images).
    virtual Result<UniqueFd> allocate(std::uint64_t bytes) = 0;

    /// Propose layouts in which the heap's own device lays out this image and that
    /// allocate_image() makes, best first. The answer is empty if the heap has no layout of its
    /// own for it, as it is without an override. A plan checks the layouts with validate()
    /// and against the constraints. It asks only for images without lines before and after. Nothing stays
    /// allocated.
    ///
    /// Errors: those of asking the device. The plan goes on without an answer, and reports the
    /// error if no other layout serves.
    virtual Result<std::vector<Layout>> propose(const WantedImage& image);

    /// Allocate one dma-buf for each memory of the layout, each with at least the bytes that the
    /// layout says, on the terms of allocate(). Without an override they come from allocate(),
    /// and suit any layout.
    ///
    /// Errors: those of allocate(); incompatible (the heap makes images only in layouts of its
    /// own, and not in this one; the message names the difference). Nothing is kept then.
    virtual Result<std::vector<UniqueFd>> allocate_image(const Layout& layout);
};

/// Find every heap of this machine, usable or not: dma-heaps, udmabuf, and the dumb buffers of
/// DRM devices. Needs no privilege; info().obstacle tells what stands in the way of a heap.
/// Allocates nothing, and opens no DRM device: whether one has dumb buffers shows when they are
/// allocated.
COMMONBUF_API std::vector<std::shared_ptr<Heap>> find_heaps();

} // namespace commonbuf
