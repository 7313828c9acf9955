// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/fence.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/use.hpp>

/// Fences that live inside a dma-buf, where drivers look for them by themselves, and the
/// bridge from and to sync_files (linux/dma-buf.h, since Linux 6.0).
namespace commonbuf::implicit {

/// Whether the kernel has the bridge; asked without touching any fence.
bool bridged(int dma_buf) noexcept;

/// What an access of this kind has to wait for: a snapshot. Where the kernel gives no
/// sync_file, a fence that can be waited for and not exported.
Result<Fence> export_fence(int dma_buf, Access access);

/// Makes everybody who accesses the dma-buf wait for a sync_file.
Status import_fence(int dma_buf, int sync_file, Access access);

} // namespace commonbuf::implicit
