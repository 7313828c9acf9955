// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

namespace truth {

/// A device does not do it: the truth is "fails".
struct Refused : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Nobody can say: the truth is "unknown".
struct Unknowable : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// An open file.
class Fd {
public:
    Fd() = default;
    explicit Fd(int fd) noexcept : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept
    {
        std::swap(fd_, other.fd_);
        return *this;
    }
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    ~Fd();

    int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }

private:
    int fd_ = -1;
};

/// Opens a device's node. Throws Unknowable.
Fd open_node(const std::string& path);

/// An ioctl, again after EINTR and EAGAIN. Returns errno, or 0.
int attempt(int fd, unsigned long request, void* argument);

/// The same for what has to work. Throws Refused, or Unknowable for EBUSY, EACCES and EPERM.
void call(int fd, unsigned long request, void* argument, const std::string& what);

/// Waits for an event of poll(2). Returns whether it came within the milliseconds.
bool wait_for(int fd, short events, int milliseconds);

/// "what: No such file or directory".
std::string failed(const std::string& what, int error);

/// Bytes of ordinary memory that programs can have (MemAvailable); 0 if the kernel does not say.
std::uint64_t available_memory();

/// The four letters of a code.
std::string letters(std::uint32_t fourcc);

} // namespace truth
