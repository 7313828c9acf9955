// SPDX-License-Identifier: MIT
#pragma once

#include "os/failure.hpp"
#include "os/kernel.hpp"

#include <commonbuf/deadline.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

/// What the library does with the kernel, with retries, ownership and errors as values.
namespace commonbuf::os {

/// Opens read-write and close-on-exec. Errors: see open_failure().
Result<UniqueFd> open(const std::string& path);

/// 0, or a positive errno value. Retried after EINTR.
int ioctl(int fd, unsigned long request, void* argument) noexcept;

/// The same, retried after EAGAIN too: for DRM and dma-buf, where EAGAIN means that
/// the call was interrupted. Not for V4L2, where it means "nothing there yet".
int ioctl_again(int fd, unsigned long request, void* argument) noexcept;

/// For the calls that answer with a descriptor: that, or a negative errno value.
/// Retried after EINTR.
int ioctl_fd(int fd, unsigned long request, void* argument) noexcept;

/// Waits until one of `events` shows on `fd`. True when it does, false when the
/// deadline passed. Errors: device_lost (POLLERR, POLLHUP, POLLNVAL).
Result<bool> wait(int fd, short events, Deadline deadline, const std::string& what);

/// The same for several, as poll(2) takes them: true when one or more show what they are
/// waited for.
Result<bool> wait_any(std::span<pollfd> entries, Deadline deadline, const std::string& what);

/// The size of a dma-buf or file in bytes.
Result<std::uint64_t> size_of(int fd);

struct FileId {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
};
Result<FileId> id_of(int fd);

/// A shared mapping of a whole dma-buf.
class Mapping {
public:
    Mapping() noexcept = default;
    Mapping(Mapping&& other) noexcept
        : address_(std::exchange(other.address_, nullptr)),
          size_(std::exchange(other.size_, 0))
    {}
    Mapping& operator=(Mapping&& other) noexcept
    {
        std::swap(address_, other.address_);
        std::swap(size_, other.size_);
        return *this;
    }
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping();

    static Result<Mapping> create(int fd, std::uint64_t size, bool writable);

    std::span<std::byte> bytes() const noexcept { return {address_, size_}; }
    explicit operator bool() const noexcept { return address_ != nullptr; }

private:
    Mapping(std::byte* address, std::size_t size) noexcept : address_(address), size_(size) {}

    std::byte* address_ = nullptr;
    std::size_t size_ = 0;
};

/// The content of a small file without its last newline; nothing when it cannot be read.
std::optional<std::string> read_text(const std::string& path);

/// The sorted names in a folder; empty when it does not exist.
std::vector<std::string> list(const std::string& path);

/// The last part of where a symbolic link points; nothing when it is none.
std::optional<std::string> link_name(const std::string& path);

bool exists(const std::string& path);

/// The bytes that programs can still have without others being pushed out
/// (MemAvailable in /proc/meminfo); nothing where the kernel does not say.
std::optional<std::uint64_t> available_memory();

/// How many bytes of CMA are free, in whatever pieces (CmaFree in /proc/meminfo); 0 where the
/// kernel has CMA and no region, nothing where it has none.
std::optional<std::uint64_t> free_cma();

} // namespace commonbuf::os
