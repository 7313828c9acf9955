// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/buffer.hpp>
#include <commonbuf/layout.hpp>
#include <commonbuf/result.hpp>

#include <array>
#include <cstdint>

namespace commonbuf {

/// Which memory of a buffer stands for each memory of a layout.
using ImagePlace = std::array<std::uint32_t, max_planes>;

/// Finds an image in a buffer that may be described otherwise: with one dma-buf named for each
/// plane or once for all, with or without the bytes behind the last row of a plane, under another
/// name of the format. Whether the memories are large enough is left to the caller.
///
/// Errors: incompatible; `detail` says the first difference.
Result<ImagePlace> find_image(const Buffer& buffer, const Layout& wanted);

} // namespace commonbuf
