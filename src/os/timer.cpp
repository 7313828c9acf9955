// SPDX-License-Identifier: MIT
#include "os/timer.hpp"

#include "os/failure.hpp"
#include "os/kernel.hpp"

#include <sys/timerfd.h>

#include <cerrno>

namespace commonbuf::os {

Result<Timer> Timer::create()
{
    const int fd = kernel().timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fd < 0)
        return Error::from_errno(errno, "timerfd_create");
    return Timer(UniqueFd(fd));
}

void Timer::start(std::chrono::nanoseconds after) const noexcept
{
    const auto whole = std::chrono::duration_cast<std::chrono::seconds>(after);
    itimerspec once{};
    once.it_value = {whole.count(), (after - whole).count()};
    // It fails only for numbers that are not a time.
    kernel().timerfd_settime(fd(), once);
}

} // namespace commonbuf::os
