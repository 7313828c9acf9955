// SPDX-License-Identifier: MIT
#pragma once

#include "os/kernel.hpp"

#include <commonbuf/deadline.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// System calls with retries, ownership and errors as values.
namespace commonbuf::os {

/// Makes the error of a failed open(2). For EACCES it says which users may open the file.
Error open_failure(int error, const std::string& path);

/// Opens read-write and close-on-exec. Errors: see open_failure().
Result<UniqueFd> open(const std::string& path);

/// Tells whether open() would be allowed, without opening: some files do something when they are
/// opened. Errors: see open_failure().
Status may_open(const std::string& path);

/// Returns 0, or a positive errno value. Retries after EINTR.
int ioctl(int fd, unsigned long request, void* argument) noexcept;

/// Retries after EAGAIN too: for DRM and dma-buf, where EAGAIN means that the call was interrupted.
/// Not for V4L2, where it means "nothing there yet".
int ioctl_again(int fd, unsigned long request, void* argument) noexcept;

/// For calls that return a descriptor. Returns the descriptor, or a negative errno value. Retries
/// after EINTR.
int ioctl_fd(int fd, unsigned long request, void* argument) noexcept;

/// Waits until `fd` shows one of `events`. Returns false if the deadline passed. `target` names the
/// descriptor in errors. Errors: device_gone (POLLERR, POLLHUP), invalid_argument (POLLNVAL: the
/// descriptor is not open).
Result<bool> wait(int fd, short events, Deadline deadline, const std::string& target);

/// Waits until one or more of the entries show their events, as poll(2) does. Returns false if the
/// deadline passed. Errors: those of wait().
Result<bool> wait_any(std::span<pollfd> entries, Deadline deadline, const std::string& target);

/// What to poll a descriptor for that cancels a wait. One that hangs up cancels too: whoever held
/// its other end is gone, and would never cancel otherwise.
constexpr short cancel_events = POLLIN | POLLHUP | POLLERR;

/// Returns the size of a dma-buf or file in bytes.
Result<std::uint64_t> size_of(int fd);

/// Which file a descriptor refers to.
struct FileId {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;

    friend bool operator==(const FileId&, const FileId&) = default;
};
Result<FileId> id_of(int fd);
Result<FileId> id_of(const std::string& path);

/// Returns whether a descriptor is a dma-buf. It goes by the file system, which no other file can
/// claim.
Result<bool> is_dma_buf(int fd);

/// Returns whether a descriptor is an anonymous file of the kernel's, such as a sync_file, an eventfd or a
/// timerfd: no other process has made up what it answers.
Result<bool> is_anonymous(int fd);

/// Returns how many descriptors this process may have (RLIMIT_NOFILE); nothing if the kernel does not say.
std::optional<std::uint64_t> max_descriptors();

/// Opens and closes CPU access once for reading and writing. The kernel maps a udmabuf for CPU
/// access once, in the direction of the first access, and keeps that mapping (begin_cpu_udmabuf):
/// a buffer that the CPU first writes would never be invalidated for reading. Harmless for other
/// dma-bufs. Only for new ones, on which nobody works yet.
void open_for_both_directions(int dma_buf);

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
        Mapping taken(std::move(other)); // afterwards it unmaps what this object had
        std::swap(address_, taken.address_);
        std::swap(size_, taken.size_);
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

/// Reads a small file, without its last newline; nothing if it cannot be read.
std::optional<std::string> read_text(const std::string& path);

/// Lists the names in a folder, sorted; empty if it does not exist.
std::vector<std::string> list(const std::string& path);

/// Returns the last part of a path.
std::string last_part(std::string_view path);

/// Whether a name is this prefix and a number, for example "card0".
bool is_numbered(std::string_view name, std::string_view prefix) noexcept;

/// Returns the last part of a symbolic link's target; nothing if it is not a link.
std::optional<std::string> link_name(const std::string& path);

bool exists(const std::string& path);

/// Returns how many bytes programs can still get without swapping (MemAvailable in /proc/meminfo);
/// nothing if the kernel does not say.
std::optional<std::uint64_t> available_memory();

/// Returns how many bytes the machine has (MemTotal in /proc/meminfo); nothing if the kernel does not say.
std::optional<std::uint64_t> total_memory();

/// Returns how many bytes of CMA are free, in pieces of any size (CmaFree in /proc/meminfo); 0 if
/// the kernel has CMA but no region, nothing if it has no CMA.
std::optional<std::uint64_t> free_cma();

} // namespace commonbuf::os
