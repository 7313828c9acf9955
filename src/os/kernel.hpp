// SPDX-License-Identifier: MIT
#pragma once

#include <poll.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <ctime>
#include <span>
#include <string>
#include <vector>

namespace commonbuf::os {

/// An ioctl that is prepared for later.
struct Ioctl {
    unsigned long request;
    void* argument;
};

/// The system calls that the library makes: its only door to the kernel, and the
/// seam where tests put a kernel of their own. Every function answers as the call
/// it is named after: -1 (or MAP_FAILED) and errno.
class Kernel {
public:
    virtual ~Kernel() = default;

    virtual int open(const char* path, int flags);
    /// open(2) of an empty file for writing, made or emptied, close-on-exec.
    virtual int create(const char* path);
    virtual int close(int fd);
    virtual ssize_t read(int fd, void* buffer, std::size_t size);
    virtual ssize_t write(int fd, const void* buffer, std::size_t size);
    virtual int ioctl(int fd, unsigned long request, void* argument);
    virtual int fcntl(int fd, int command, long argument);
    virtual void* mmap(std::size_t length, int protection, int fd);
    virtual int munmap(void* address, std::size_t length);
    virtual int mprotect(void* address, std::size_t length, int protection);
    virtual int eventfd(int flags);
    virtual int timerfd_create(clockid_t clock, int flags);
    /// timerfd_settime(2), from now on.
    virtual int timerfd_settime(int fd, const itimerspec& time);
    virtual int ppoll(pollfd* fds, nfds_t count, const timespec* timeout);
    virtual off_t lseek(int fd, off_t offset, int whence);
    virtual int fstat(int fd, struct stat* result);
    virtual int stat(const char* path, struct stat* result);
    /// kcmp(2) with KCMP_FILE: 0 where both are one open file.
    virtual int kcmp_file(int a, int b);
    virtual int memfd_create(const char* name, unsigned flags);
    virtual int ftruncate(int fd, off_t length);
    virtual ssize_t readlink(const char* path, char* buffer, std::size_t size);

    /// The whole of a small file, as in sysfs.
    virtual int read_file(const char* path, std::string& content);

    /// Puts a small file in the place of what is there, whole or not at all: written beside
    /// it, for its owner alone, and renamed.
    virtual int replace_file(const char* path, const std::string& content);

    /// The names in a folder without "." and "..", unsorted.
    virtual int list(const char* path, std::vector<std::string>& names);

    /// Makes a child that does `calls` on `fd`, as they stand now, should this process end
    /// before it is dismissed. Answers with the line to it: a descriptor, close-on-exec.
    /// guardian.cpp says how.
    virtual int guard(int fd, std::span<const Ioctl> calls, pid_t& child);

    /// Sends the child away and waits until it is gone. The line is closed afterwards.
    virtual void dismiss(int line, pid_t child);
};

/// The kernel that the library talks to.
Kernel& kernel() noexcept;

/// Puts another kernel in its place for tests; nullptr for the real one. Not while
/// another thread is inside the library.
void set_kernel(Kernel* replacement) noexcept;

} // namespace commonbuf::os
