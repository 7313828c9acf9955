// SPDX-License-Identifier: MIT
#pragma once

namespace commonbuf::os {

/// Opens and closes CPU access once for reading and writing. The kernel maps a udmabuf for CPU
/// access once, in the direction of the first access, and keeps that mapping (begin_cpu_udmabuf):
/// a buffer that the CPU first writes would never be invalidated for reading. Harmless for other
/// dma-bufs. Only for new ones, on which nobody works yet.
void open_for_both_directions(int dma_buf);

} // namespace commonbuf::os
