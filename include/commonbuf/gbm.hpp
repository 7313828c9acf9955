// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/buffer.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/result.hpp>

struct gbm_bo;

/// Buffers that a program allocates with GBM itself (gbm.h), as buffers of this library.
namespace commonbuf::gbm {

/// A buffer over the memory of a GBM buffer object, with the layout and modifier that
/// GBM says it has. The object stays the caller's and may be destroyed before the
/// buffer. Planes that lie in one dma-buf become planes of one memory.
///
/// Errors: unsupported (a format that the library does not know; an object that GBM does
/// not export), invalid_argument (GBM's numbers do not fit the memory), exhausted.
COMMONBUF_API Result<Buffer> wrap(gbm_bo* object);

} // namespace commonbuf::gbm
