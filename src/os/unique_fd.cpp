// SPDX-License-Identifier: MIT
#include <commonbuf/unique_fd.hpp>

#include "os/kernel.hpp"

#include <fcntl.h>

#include <cerrno>
#include <utility>

namespace commonbuf {

void UniqueFd::reset(int fd) noexcept
{
    const int old = std::exchange(fd_, fd);
    if (old < 0)
        return;
    // Linux frees the descriptor even if close() reports EINTR, so there is no retry. Callers expect
    // errno to survive the clean-up of their error path.
    const int error = errno;
    os::kernel().close(old);
    errno = error;
}

Result<UniqueFd> UniqueFd::dup() const { return duplicate(fd_); }

Result<UniqueFd> duplicate(int fd)
{
    const int copy = os::kernel().fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return Error::from_errno(errno, "fcntl(F_DUPFD_CLOEXEC)");
    return UniqueFd(copy);
}

} // namespace commonbuf
