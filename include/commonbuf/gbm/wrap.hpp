// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/buffer.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/result.hpp>

struct gbm_bo;

/// Buffers that a program allocates with GBM itself (gbm.h), as buffers of this library.
namespace commonbuf::gbm {

/// Makes a buffer over the memory of a GBM buffer object, with the layout and modifier that GBM
/// reports. The object stays the caller's and may be destroyed before the buffer. Planes that lie
/// in one dma-buf become planes of one memory.
///
/// Errors: unsupported (the library does not know the format, or GBM does not export the object),
/// invalid_argument (GBM's numbers do not fit the memory), too_many_files.
COMMONBUF_API Result<Buffer> wrap(gbm_bo* object);

} // namespace commonbuf::gbm
