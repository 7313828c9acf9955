// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/verdict.hpp>

#include <vector>

namespace commonbuf::negotiate {

/// The verdict on a heap: the worst among its uses.
Verdict overall(const std::vector<UseVerdict>& uses);

/// Whether heap `a` stands above heap `b` in a plan.
///
/// What is known comes first: a proved heap before one that merely accepted. Among
/// equals, memory that is plenty comes before memory that was set aside for devices
/// which can use nothing else (scarce memory last). Among those, the kinds follow
/// from what their memory is like:
///   1. dma-heap: made for sharing; the system heap has large chunks;
///   2. udmabuf: ordinary pages of 4 KiB with limits on size and number;
///   3. dumb buffers: memory of one display driver, meant for it alone.
/// The name decides at last, so that the order does not depend on chance.
bool better(const HeapVerdict& a, const HeapVerdict& b);

} // namespace commonbuf::negotiate
