// SPDX-License-Identifier: MIT
#include "os/event.hpp"

#include "os/failure.hpp"
#include "os/kernel.hpp"

#include <sys/eventfd.h>

#include <cerrno>
#include <cstdint>

namespace commonbuf::os {

Result<Event> Event::create()
{
    const int fd = kernel().eventfd(EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return Error::from_errno(errno, "eventfd");
    return Event(UniqueFd(fd));
}

void Event::set() const noexcept
{
    // It fails only if it has already been set 2^64 times.
    const std::uint64_t one = 1;
    kernel().write(fd(), &one, sizeof one);
}

void Event::clear() const noexcept
{
    std::uint64_t count = 0;
    kernel().read(fd(), &count, sizeof count);
}

} // namespace commonbuf::os
