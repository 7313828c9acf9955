// SPDX-License-Identifier: MIT
#include "os/os.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <limits>

namespace commonbuf::os {

Result<UniqueFd> open(const std::string& path)
{
    int fd = -1;
    do {
        // Non-blocking: V4L2 must never hold a thread in DQBUF.
        fd = kernel().open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return open_failure(errno, path);
    return UniqueFd(fd);
}

int ioctl(int fd, unsigned long request, void* argument) noexcept
{
    while (kernel().ioctl(fd, request, argument) < 0) {
        if (errno != EINTR)
            return errno;
    }
    return 0;
}

int ioctl_again(int fd, unsigned long request, void* argument) noexcept
{
    int error = 0;
    do {
        error = ioctl(fd, request, argument);
    } while (error == EAGAIN);
    return error;
}

int ioctl_fd(int fd, unsigned long request, void* argument) noexcept
{
    for (;;) {
        const int answer = kernel().ioctl(fd, request, argument);
        if (answer >= 0)
            return answer;
        if (errno != EINTR)
            return -errno;
    }
}

Result<bool> wait(int fd, short events, Deadline deadline, const std::string& target)
{
    pollfd entry{fd, events, 0};
    return wait_any({&entry, 1}, deadline, target);
}

Result<bool> wait_any(std::span<pollfd> entries, Deadline deadline, const std::string& target)
{
    using namespace std::chrono;
    for (;;) {
        const auto now = steady_clock::now();
        const nanoseconds left = deadline > now ? deadline - now : nanoseconds(0);
        const auto whole = duration_cast<seconds>(left);
        const timespec timeout{whole.count(), (left - whole).count()};
        const int ready = kernel().ppoll(entries.data(), entries.size(), &timeout);
        if (ready < 0) {
            if (errno == EINTR)
                continue;
            return Error::from_errno(errno, {"poll", target});
        }
        if (ready == 0)
            return false;
        if (std::any_of(entries.begin(), entries.end(),
                        [](const pollfd& entry) { return (entry.revents & entry.events) != 0; }))
            return true;
        if (std::any_of(entries.begin(), entries.end(),
                        [](const pollfd& entry) { return (entry.revents & POLLNVAL) != 0; }))
            return Error::invalid_argument(Call{"poll", target}, "the descriptor is not open");
        return Error::device_gone(Call{"poll", target}, "the device reports an error or is gone");
    }
}

Result<std::uint64_t> size_of(int fd)
{
    const off_t size = kernel().lseek(fd, 0, SEEK_END);
    if (size < 0)
        return Error::from_errno(errno, "lseek(SEEK_END)");
    return static_cast<std::uint64_t>(size);
}

Result<FileId> id_of(int fd)
{
    struct stat file {};
    if (kernel().fstat(fd, &file) != 0)
        return Error::from_errno(errno, "fstat");
    return FileId{file.st_dev, file.st_ino};
}

Mapping::~Mapping()
{
    if (address_ != nullptr)
        kernel().munmap(address_, size_);
}

Result<Mapping> Mapping::create(int fd, std::uint64_t size, bool writable)
{
    if (size == 0 || size > std::numeric_limits<std::size_t>::max() / 2)
        return Error::invalid_argument(Call{"mmap"}, "the size is 0 or does not fit the address space");
    const auto length = static_cast<std::size_t>(size);
    void* address = kernel().mmap(length, writable ? PROT_READ | PROT_WRITE : PROT_READ, fd);
    if (address == MAP_FAILED)
        return Error::from_errno(errno, "mmap", "the exporter did not map " + std::to_string(size) + " bytes");
    return Mapping(static_cast<std::byte*>(address), length);
}

std::optional<std::string> read_text(const std::string& path)
{
    std::string content;
    if (kernel().read_file(path.c_str(), content) != 0)
        return std::nullopt;
    if (content.ends_with('\n'))
        content.pop_back();
    return content;
}

std::vector<std::string> list(const std::string& path)
{
    std::vector<std::string> names;
    if (kernel().list(path.c_str(), names) != 0)
        return {};
    std::sort(names.begin(), names.end());
    return names;
}

std::optional<std::string> link_name(const std::string& path)
{
    std::array<char, 4096> target{};
    const ssize_t length = kernel().readlink(path.c_str(), target.data(), target.size());
    if (length <= 0)
        return std::nullopt;
    const std::string whole(target.data(), static_cast<std::size_t>(length));
    return whole.substr(whole.find_last_of('/') + 1);
}

bool exists(const std::string& path)
{
    struct stat file {};
    return kernel().stat(path.c_str(), &file) == 0;
}

namespace {

/// A number of /proc/meminfo, in bytes.
std::optional<std::uint64_t> meminfo(std::string_view label)
{
    const auto text = read_text("/proc/meminfo");
    const auto found = text ? text->find(label) : std::string::npos;
    if (found == std::string::npos)
        return std::nullopt;
    const auto digits = text->find_first_of("0123456789", found);
    std::uint64_t kilobytes = 0;
    if (digits == std::string::npos ||
        std::from_chars(text->data() + digits, text->data() + text->size(), kilobytes).ec != std::errc())
        return std::nullopt;
    return kilobytes * 1024;
}

} // namespace

std::optional<std::uint64_t> available_memory() { return meminfo("MemAvailable:"); }
std::optional<std::uint64_t> free_cma() { return meminfo("CmaFree:"); }

} // namespace commonbuf::os
