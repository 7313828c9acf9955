// SPDX-License-Identifier: MIT
//
// For LD_PRELOAD: holds a program up after every tenth commit to a display, as a busy machine does,
// until the display has long shown and written back what it was given.
#include <drm.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdint>
#include <ctime>

// NOLINTNEXTLINE(cert-dcl50-cpp): the C library's is one too
extern "C" int ioctl(int fd, unsigned long request, ...) noexcept
{
    va_list arguments;
    va_start(arguments, request);
    void* argument = va_arg(arguments, void*);
    va_end(arguments);
    const long answer = ::syscall(SYS_ioctl, fd, request, argument);
    static int commits = 0;
    constexpr int every = 10;
    if (request == DRM_IOCTL_MODE_ATOMIC && answer == 0 && ++commits % every == 0) {
        constexpr long some_refreshes = 150'000'000; // nanoseconds
        timespec left{0, some_refreshes};
        while (::nanosleep(&left, &left) != 0)
            ;
    }
    return static_cast<int>(answer);
}
