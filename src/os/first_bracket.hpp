// SPDX-License-Identifier: MIT
#pragma once

namespace commonbuf::os {

/// The kernel maps a udmabuf for its brackets once, in the direction of the first one,
/// and keeps that (begin_cpu_udmabuf): a buffer that was first written by the CPU would
/// never be invalidated for reading. So let the first bracket be for both. Of no harm to
/// other dma-bufs, and for fresh ones alone: nobody works on them.
void open_for_both_directions(int dma_buf);

} // namespace commonbuf::os
