// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>
#include <commonbuf/heap.hpp>

#include <cstdint>
#include <memory>

struct gbm_device;

/// Memory that the library allocates with GBM (gbm.h).
namespace commonbuf::gbm {

/// What GBM is asked to make the images for (GBM_BO_USE_SCANOUT, GBM_BO_USE_RENDERING).
enum class BufferUse : std::uint8_t { scanout, render, scanout_and_render };

/// Makes a heap of images from a GBM device, for an Allocator beside those of find_heaps(). Its
/// name consists of the node and the use: "gbm-card0-scanout".
///
/// Images get the modifier that a plan asks for. If the driver has no modifiers, LINEAR is
/// requested with GBM_BO_USE_LINEAR. If the uses share only the implicit modifier
/// (DRM_FORMAT_MOD_INVALID), images are made without one, and only devices of that driver know how
/// they lie in memory. GBM chooses strides and offsets: the heap proposes them to plans and makes
/// no others. It has no plain bytes: Heap::allocate() is unsupported.
///
/// The device stays the caller's and must outlive the heap and the plans that were made with it;
/// buffers may outlive it. The heap makes its calls on the device one at a time, but does not know
/// of the caller's own calls.
COMMONBUF_API std::shared_ptr<Heap> heap(gbm_device* device, BufferUse use);

} // namespace commonbuf::gbm
