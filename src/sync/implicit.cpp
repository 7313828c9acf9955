// SPDX-License-Identifier: MIT
#include "sync/implicit.hpp"

#include "os/os.hpp"
#include "sync/fence_set.hpp"

#include <linux/dma-buf.h>
#include <linux/ioctl.h>
#include <linux/types.h>

#include <poll.h>

#include <cerrno>
#include <utility>
#include <vector>

namespace commonbuf::implicit {
namespace {

#ifndef DMA_BUF_IOCTL_EXPORT_SYNC_FILE
// From Linux 6.0 (linux/dma-buf.h), for older headers.
struct dma_buf_export_sync_file {
    __u32 flags;
    __s32 fd;
};
struct dma_buf_import_sync_file {
    __u32 flags;
    __s32 fd;
};
#define DMA_BUF_IOCTL_EXPORT_SYNC_FILE _IOWR(DMA_BUF_BASE, 2, struct dma_buf_export_sync_file)
#define DMA_BUF_IOCTL_IMPORT_SYNC_FILE _IOW(DMA_BUF_BASE, 3, struct dma_buf_import_sync_file)
#endif

/// A reader waits for writers, a writer for every user.
std::uint32_t flags_of(Access access) { return access == Access::read ? DMA_BUF_SYNC_READ : DMA_BUF_SYNC_WRITE; }

Result<Fence> by_poll(int dma_buf, Access access)
{
    auto own = duplicate(dma_buf);
    if (!own)
        return own.error();
    const auto events = static_cast<short>(access == Access::read ? POLLIN : POLLOUT);
    return Fence(std::make_shared<FenceSet>(std::vector{FencePoint::of_dma_buf(std::move(*own), events)}));
}

} // namespace

bool bridged(int dma_buf) noexcept
{
    // A call without flags is invalid, and a kernel that knows the call says so.
    dma_buf_export_sync_file nothing{0, -1};
    return os::ioctl(dma_buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &nothing) == EINVAL;
}

Result<UniqueFd> export_sync_file(int dma_buf, Access access)
{
    dma_buf_export_sync_file request{flags_of(access), -1};
    if (const int error = os::ioctl_again(dma_buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &request); error != 0)
        return Error::from_errno(error, "DMA_BUF_IOCTL_EXPORT_SYNC_FILE");
    return UniqueFd(request.fd);
}

Result<Fence> export_fence(int dma_buf, Access access)
{
    auto snapshot = export_sync_file(dma_buf, access);
    if (!snapshot && snapshot.error().sys_errno == ENOTTY)
        return by_poll(dma_buf, access);
    if (!snapshot)
        return snapshot.error();
    return Fence(std::make_shared<FenceSet>(std::vector{FencePoint::of_sync_file(std::move(*snapshot))}));
}

Status import_fence(int dma_buf, int sync_file, Access access)
{
    dma_buf_import_sync_file request{flags_of(access), sync_file};
    const int error = os::ioctl_again(dma_buf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &request);
    if (error == ENOTTY)
        return Error::from_errno(error, "DMA_BUF_IOCTL_IMPORT_SYNC_FILE",
                                 "this kernel cannot put fences into dma-bufs (Linux before 6.0)",
                                 "wait for the fence before you pass the buffer on");
    if (error != 0)
        return Error::from_errno(error, "DMA_BUF_IOCTL_IMPORT_SYNC_FILE");
    return {};
}

} // namespace commonbuf::implicit
