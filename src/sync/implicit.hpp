// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/fence.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>
#include <commonbuf/use.hpp>

/// Fences inside a dma-buf, where drivers find them by themselves, and the bridge between these and
/// sync_files (linux/dma-buf.h, since Linux 6.0).
namespace commonbuf::implicit {

/// Returns whether the kernel has the bridge. Asks without touching any fence.
bool bridged(int dma_buf) noexcept;

/// Returns what an access of this kind has to wait for, as a snapshot. If the kernel gives no
/// sync_file, the fence can be waited for but not exported.
Result<Fence> export_fence(int dma_buf, Access access);

/// The same as a sync_file. Errors: unsupported (Linux before 6.0), out_of_memory, too_many_files.
Result<UniqueFd> export_sync_file(int dma_buf, Access access);

/// Makes everyone who accesses the dma-buf wait for a sync_file.
Status import_fence(int dma_buf, int sync_file, Access access);

} // namespace commonbuf::implicit
