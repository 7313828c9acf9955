// SPDX-License-Identifier: MIT
#include "os/kernel.hpp"

#include "os/own_file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>

namespace commonbuf::os {

int Kernel::open(const char* path, int flags) { return ::open(path, flags); }
int Kernel::create(const char* path)
{
    const int fd = own_file::create(path, own_file::Links::refuse);
    if (fd >= 0)
        return fd;
    errno = -fd;
    return -1;
}
int Kernel::check_file(const char* path)
{
    errno = own_file::check(path, own_file::Links::refuse);
    return errno == 0 ? 0 : -1;
}
int Kernel::close(int fd) { return ::close(fd); }
ssize_t Kernel::read(int fd, void* buffer, std::size_t size) { return ::read(fd, buffer, size); }
ssize_t Kernel::write(int fd, const void* buffer, std::size_t size) { return ::write(fd, buffer, size); }
int Kernel::ioctl(int fd, unsigned long request, void* argument) { return ::ioctl(fd, request, argument); }
int Kernel::fcntl(int fd, int command, long argument) { return ::fcntl(fd, command, argument); }
void* Kernel::mmap(std::size_t length, int protection, int fd)
{
    return ::mmap(nullptr, length, protection, MAP_SHARED, fd, 0);
}
int Kernel::munmap(void* address, std::size_t length) { return ::munmap(address, length); }
int Kernel::mprotect(void* address, std::size_t length, int protection)
{
    return ::mprotect(address, length, protection);
}
int Kernel::eventfd(int flags) { return ::eventfd(0, flags); }
int Kernel::timerfd_create(clockid_t clock, int flags) { return ::timerfd_create(clock, flags); }
int Kernel::timerfd_settime(int fd, const itimerspec& time) { return ::timerfd_settime(fd, 0, &time, nullptr); }
int Kernel::ppoll(pollfd* fds, nfds_t count, const timespec* timeout) { return ::ppoll(fds, count, timeout, nullptr); }
off_t Kernel::lseek(int fd, off_t offset, int whence) { return ::lseek(fd, offset, whence); }
int Kernel::fstat(int fd, struct stat* result) { return ::fstat(fd, result); }
int Kernel::fstatfs(int fd, struct statfs* result) { return ::fstatfs(fd, result); }
int Kernel::socketpair(int type, std::array<int, 2>& fds)
{
    return ::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds.data());
}
ssize_t Kernel::sendmsg(int fd, const msghdr* message, int flags) { return ::sendmsg(fd, message, flags); }
ssize_t Kernel::recvmsg(int fd, msghdr* message, int flags) { return ::recvmsg(fd, message, flags); }
int Kernel::getsockopt(int fd, int option, void* value, socklen_t* size)
{
    return ::getsockopt(fd, SOL_SOCKET, option, value, size);
}
int Kernel::stat(const char* path, struct stat* result) { return ::stat(path, result); }
int Kernel::access(const char* path) { return ::faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS); }
int Kernel::flock(int fd, int operation) { return ::flock(fd, operation); }
int Kernel::kcmp_file(int a, int b)
{
    const auto self = ::getpid();
    return static_cast<int>(::syscall(SYS_kcmp, self, self, KCMP_FILE, a, b));
}
int Kernel::memfd_create(const char* name, unsigned flags) { return ::memfd_create(name, flags); }
int Kernel::ftruncate(int fd, off_t length) { return ::ftruncate(fd, length); }
ssize_t Kernel::readlink(const char* path, char* buffer, std::size_t size) { return ::readlink(path, buffer, size); }

int Kernel::read_file(const char* path, std::string& content)
{
    // Non-blocking, because the path may be a pipe.
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -1;
    content.clear();
    constexpr std::size_t most = 16U << 20U;
    std::array<char, 4096> chunk{};
    ssize_t got = 0;
    do {
        got = ::read(fd, chunk.data(), chunk.size());
        if (got > 0)
            content.append(chunk.data(), static_cast<std::size_t>(got));
        if (content.size() > most) {
            ::close(fd);
            errno = EFBIG;
            return -1;
        }
    } while (got > 0 || (got < 0 && errno == EINTR));
    const int error = errno;
    ::close(fd);
    errno = error;
    return got < 0 ? -1 : 0;
}

int Kernel::replace_file(const char* path, const std::string& content)
{
    constexpr unsigned only_owner = 0600;
    const int error = own_file::replace(path, content, own_file::Links::refuse, only_owner);
    if (error == 0)
        return 0;
    errno = error;
    return -1;
}

int Kernel::list(const char* path, std::vector<std::string>& names)
{
    DIR* folder = ::opendir(path);
    if (folder == nullptr)
        return -1;
    names.clear();
    while (const dirent* entry = ::readdir(folder)) {
        std::string name = entry->d_name;
        if (name != "." && name != "..")
            names.push_back(std::move(name));
    }
    ::closedir(folder);
    return 0;
}

namespace {
Kernel real;
std::atomic<Kernel*> current{&real};
} // namespace

Kernel& kernel() noexcept { return *current.load(std::memory_order_acquire); }

void set_kernel(Kernel* replacement) noexcept
{
    current.store(replacement != nullptr ? replacement : &real, std::memory_order_release);
}

} // namespace commonbuf::os
