// SPDX-License-Identifier: MIT
//
// For LD_PRELOAD: holds a program up, as a busy machine does. After every tenth commit to a display,
// until that has long shown and written back what it was given; with HELD_UP_AT_FORMAT in the
// environment, after the first format that is set on a V4L2 node.
#include <drm.h>
#include <linux/videodev2.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdint>
#include <cstdlib>
#include <ctime>

namespace {

void hold_up(timespec left)
{
    while (::nanosleep(&left, &left) != 0)
        ;
}

} // namespace

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
        hold_up({0, some_refreshes});
    }
    static int formats = 0;
    if (request == VIDIOC_S_FMT && answer == 0 && std::getenv("HELD_UP_AT_FORMAT") != nullptr && ++formats == 1)
        hold_up({1, 0});
    return static_cast<int>(answer);
}
