// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/buffer.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/heap.hpp>
#include <commonbuf/result.hpp>

#include <cstdint>
#include <memory>

struct gbm_bo;
struct gbm_device;

/// Buffers that a program allocates with GBM itself (gbm.h), as buffers of this library.
namespace commonbuf::gbm {

/// A buffer over the memory of a GBM buffer object, with the layout and modifier that
/// GBM says it has. The object stays the caller's and may be destroyed before the
/// buffer. Planes that lie in one dma-buf become planes of one memory.
///
/// Errors: unsupported (a format that the library does not know; an object that GBM does
/// not export), invalid_argument (GBM's numbers do not fit the memory), exhausted.
COMMONBUF_API Result<Buffer> wrap(gbm_bo* object);

/// What the images of a heap are for (GBM_BO_USE_SCANOUT, GBM_BO_USE_RENDERING).
enum class Purpose : std::uint8_t { scanout, render, scanout_and_render };

/// A GBM device as a heap of images, for an Allocator beside those of find_heaps(). Its name is
/// that of the node with the purpose: "gbm-card0-scanout".
///
/// Images have the modifier that a plan asks for, LINEAR with GBM_BO_USE_LINEAR where the driver
/// knows no modifiers. Where the uses share nothing but the implicit one (DRM_FORMAT_MOD_INVALID),
/// they are made without, and nobody but the devices of that driver knows how they lie in memory.
/// Strides and offsets are GBM's own: it proposes them to plans, and gives no others. It has no
/// plain bytes: Heap::allocate() is unsupported.
///
/// The device stays the caller's and has to outlive the heap and the plans that were made with
/// it; buffers may outlive it. The heap serves one thread at a time; other calls of the caller's
/// on the same device are not known to it.
COMMONBUF_API std::shared_ptr<Heap> heap(gbm_device* device, Purpose purpose);

} // namespace commonbuf::gbm
