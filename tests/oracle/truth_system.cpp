// SPDX-License-Identifier: MIT
#include "truth_system.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <system_error>

namespace truth {

Fd::~Fd()
{
    if (fd_ >= 0)
        ::close(fd_);
}

Fd open_node(const std::string& path)
{
    Fd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
    if (!fd)
        throw Unknowable(failed("open " + path, errno));
    return fd;
}

int attempt(int fd, unsigned long request, void* argument)
{
    constexpr int patience = 1000;
    for (int i = 0;; ++i) {
        if (::ioctl(fd, request, argument) >= 0)
            return 0;
        if (errno != EINTR && (errno != EAGAIN || i == patience))
            return errno;
    }
}

void call(int fd, unsigned long request, void* argument, const std::string& what)
{
    const int error = attempt(fd, request, argument);
    if (error == EBUSY || error == EACCES || error == EPERM)
        throw Unknowable(failed(what, error));
    if (error != 0)
        throw Refused(failed(what, error));
}

bool wait_for(int fd, short events, int milliseconds)
{
    pollfd waited{fd, events, 0};
    int ready = 0;
    do {
        ready = ::poll(&waited, 1, milliseconds);
    } while (ready < 0 && errno == EINTR);
    return ready > 0 && (waited.revents & events) != 0;
}

std::string failed(const std::string& what, int error) { return what + ": " + std::generic_category().message(error); }

std::uint64_t available_memory()
{
    std::ifstream file("/proc/meminfo");
    std::string key;
    std::uint64_t kilobytes = 0;
    std::string unit;
    while (file >> key >> kilobytes && std::getline(file, unit)) {
        if (key == "MemAvailable:")
            return kilobytes * 1024;
    }
    return 0;
}

std::string letters(std::uint32_t fourcc)
{
    std::string text;
    for (unsigned shift = 0; shift < 32; shift += 8)
        text += static_cast<char>(fourcc >> shift & 0x7fU);
    return text;
}

} // namespace truth
