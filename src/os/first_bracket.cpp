// SPDX-License-Identifier: MIT
#include "os/first_bracket.hpp"

#include "os/os.hpp"

#include <linux/dma-buf.h>

namespace commonbuf::os {

void open_for_both_directions(int dma_buf)
{
    for (const unsigned half : {unsigned{DMA_BUF_SYNC_START}, unsigned{DMA_BUF_SYNC_END}}) {
        dma_buf_sync bracket{half | DMA_BUF_SYNC_RW};
        if (ioctl_again(dma_buf, DMA_BUF_IOCTL_SYNC, &bracket) != 0)
            return;
    }
}

} // namespace commonbuf::os
