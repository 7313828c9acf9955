// SPDX-License-Identifier: MIT
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/types.h>

#include <array>
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

/// The system calls that the library makes: its only door to the kernel, and the seam where tests
/// insert a kernel of their own. Every function returns what the call of the same name does: -1
/// (or MAP_FAILED) and errno.
class Kernel {
public:
    virtual ~Kernel() = default;

    virtual int open(const char* path, int flags);
    /// open(2) for writing, close-on-exec; creates or truncates the file: own_file::create() without
    /// links.
    virtual int create(const char* path);
    /// Whether create() and replace_file() could write there, as far as that shows before: own_file::check().
    virtual int check_file(const char* path);
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
    /// faccessat(2) for reading and writing, with the rights that open(2) would have.
    virtual int access(const char* path);
    virtual int flock(int fd, int operation);
    /// kcmp(2) with KCMP_FILE: 0 if both are one open file.
    virtual int kcmp_file(int a, int b);
    virtual int memfd_create(const char* name, unsigned flags);
    virtual int ftruncate(int fd, off_t length);
    virtual ssize_t readlink(const char* path, char* buffer, std::size_t size);

    /// Reads a whole small file, as in sysfs.
    virtual int read_file(const char* path, std::string& content);

    /// Replaces a small file atomically, or makes one that only its owner can read: own_file::replace()
    /// without links.
    virtual int replace_file(const char* path, const std::string& content);

    /// Lists the names in a folder without "." and "..", unsorted.
    virtual int list(const char* path, std::vector<std::string>& names);

    /// Starts a child that makes `calls` on `fd`, as they are now, if this process ends before it
    /// dismisses the child. Returns the line to it, a close-on-exec descriptor. See guardian.cpp.
    virtual int guard(int fd, std::span<const Ioctl> calls, pid_t& child);

    /// Sends the child away and waits until it is gone. The caller closes the line afterwards.
    virtual void dismiss(int line, pid_t child);

    virtual int fstatfs(int fd, struct statfs* result);

    /// socketpair(2) of Unix sockets, close-on-exec.
    virtual int socketpair(int type, std::array<int, 2>& fds);
    virtual ssize_t sendmsg(int fd, const msghdr* message, int flags);
    virtual ssize_t recvmsg(int fd, msghdr* message, int flags);
    /// getsockopt(2) of SOL_SOCKET.
    virtual int getsockopt(int fd, int option, void* value, socklen_t* size);
};

/// Returns the kernel that the library talks to.
Kernel& kernel() noexcept;

/// Replaces it in tests; nullptr restores the real one. Not while another thread is inside the
/// library.
void set_kernel(Kernel* replacement) noexcept;

} // namespace commonbuf::os
