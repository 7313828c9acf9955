// SPDX-License-Identifier: MIT
//
// For LD_PRELOAD: a program whose brackets of CPU accesses (DMA_BUF_IOCTL_SYNC) are wrong in the way
// that the variable BRACKETS names. Where memory is not coherent, its pixels are wrong too.
#include <linux/dma-buf.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace {

long call(int fd, unsigned long request, void* argument) { return ::syscall(SYS_ioctl, fd, request, argument); }

long sync(int fd, std::uint64_t flags)
{
    dma_buf_sync bracket{flags};
    return call(fd, DMA_BUF_IOCTL_SYNC, &bracket);
}

long sync_wrongly(std::string_view mistake, int fd, std::uint64_t flags)
{
    const bool end = (flags & DMA_BUF_SYNC_END) != 0;
    if (mistake == (end ? "no-end" : "no-start"))
        return 0;
    if (mistake == "end-of-reading" && end)
        return sync(fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ);
    if (mistake == "late-start") {
        if (!end)
            return 0;
        sync(fd, flags & ~std::uint64_t{DMA_BUF_SYNC_END});
    }
    if (mistake == "early-end") {
        if (end)
            return 0;
        sync(fd, flags);
        return sync(fd, flags | DMA_BUF_SYNC_END);
    }
    return sync(fd, flags);
}

} // namespace

// NOLINTNEXTLINE(cert-dcl50-cpp): the C library's is one too
extern "C" int ioctl(int fd, unsigned long request, ...) noexcept
{
    va_list arguments;
    va_start(arguments, request);
    void* argument = va_arg(arguments, void*);
    va_end(arguments);
    const char* mistake = std::getenv("BRACKETS");
    // A bracket for nothing is a question whether this is a dma-buf.
    if (request == DMA_BUF_IOCTL_SYNC && mistake != nullptr) {
        const std::uint64_t flags = static_cast<const dma_buf_sync*>(argument)->flags;
        if ((flags & DMA_BUF_SYNC_RW) != 0)
            return static_cast<int>(sync_wrongly(mistake, fd, flags));
    }
    return static_cast<int>(call(fd, request, argument));
}
