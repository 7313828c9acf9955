// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/heap.hpp>

namespace commonbuf {

/// A heap of this library's own whose fresh memory nobody else knows, and into which no driver puts
/// fences by itself. Of a caller's own heap neither is known, whatever it says of its kind.
class UnsharedHeap : public Heap {};

} // namespace commonbuf
