// SPDX-License-Identifier: MIT
#include "os/os.hpp"

#include "base/text.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/dma-buf.h>
#include <linux/magic.h>
#include <pwd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <limits>

namespace commonbuf::os {
namespace {

/// The name of a user or group; its number if it has none.
template <typename Entry>
std::string name_of(unsigned id, int (*look_up)(unsigned, Entry*, char*, std::size_t, Entry**), char* Entry::*name)
{
    std::array<char, 4096> space{};
    Entry entry{};
    Entry* found = nullptr;
    if (look_up(id, &entry, space.data(), space.size(), &found) == 0 && found != nullptr)
        return found->*name;
    return std::to_string(id);
}

std::string user_name(uid_t uid) { return name_of(uid, ::getpwuid_r, &passwd::pw_name); }
std::string group_name(gid_t gid) { return name_of(gid, ::getgrgid_r, &group::gr_name); }

/// Whether a file's mode has all of these bits.
bool lets(const struct stat& file, mode_t bits) noexcept { return (file.st_mode & bits) == bits; }

/// Says which users besides root a file's mode lets read and write it.
std::string who_may_open(const struct stat& file)
{
    if (lets(file, S_IROTH | S_IWOTH))
        return "everybody";
    if (lets(file, S_IRGRP | S_IWGRP))
        return text::format("user {} and group {}", user_name(file.st_uid), group_name(file.st_gid));
    if (lets(file, S_IRUSR | S_IWUSR))
        return text::format("only user {}", user_name(file.st_uid));
    return "only root";
}

} // namespace

Error open_failure(int error, const std::string& path)
{
    Error result = Error::from_errno(error, {"open", path});
    struct stat file {};
    if (error == ENOENT) {
        result.detail = "there is no such file";
    } else if (error == ENODEV) {
        result.category = Category::not_present;
        result.detail = "the device behind the node is gone";
    } else if (error == EBUSY) {
        result.detail = "another program has it open";
    } else if ((error == EACCES || error == EPERM) && kernel().stat(path.c_str(), &file) == 0) {
        result.detail = text::format("its mode {:04o} lets {} in, and this is user {}", file.st_mode & 07777U,
                                     who_may_open(file), user_name(::geteuid()));
        result.advice = lets(file, S_IRGRP | S_IWGRP)
                            ? text::format("add the user to the group {}", group_name(file.st_gid))
                            : "give the node to a group with a udev rule";
    }
    return result;
}

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

Status may_open(const std::string& path)
{
    if (kernel().access(path.c_str()) != 0)
        return open_failure(errno, path);
    return {};
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
        if (std::ranges::any_of(entries, [](const pollfd& entry) { return (entry.revents & entry.events) != 0; }))
            return true;
        if (std::ranges::any_of(entries, [](const pollfd& entry) { return (entry.revents & POLLNVAL) != 0; }))
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

Result<FileId> id_of(const std::string& path)
{
    struct stat file {};
    if (kernel().stat(path.c_str(), &file) != 0)
        return Error::from_errno(errno, {"stat", path});
    return FileId{file.st_dev, file.st_ino};
}

namespace {

bool is_older_than_5_3()
{
    const std::string release = read_text("/proc/sys/kernel/osrelease").value_or("");
    unsigned major = 0;
    unsigned minor = 0;
    const char* const end = release.data() + release.size();
    const auto first = std::from_chars(release.data(), end, major);
    if (first.ec != std::errc() || first.ptr == end || std::from_chars(first.ptr + 1, end, minor).ec != std::errc())
        return false;
    return major < 5 || (major == 5 && minor < 3);
}

} // namespace

Result<bool> is_dma_buf(int fd)
{
    struct statfs system {};
    if (kernel().fstatfs(fd, &system) != 0)
        return errno == EBADF ? Result<bool>(false) : Error::from_errno(errno, "fstatfs");
    if (system.f_type == DMA_BUF_MAGIC)
        return true;
    // Before Linux 5.3 they have no file system of their own. There only they know this call.
    dma_buf_sync nothing{};
    return system.f_type == ANON_INODE_FS_MAGIC && is_older_than_5_3() &&
           ioctl_again(fd, DMA_BUF_IOCTL_SYNC, &nothing) == EINVAL;
}

Result<bool> is_anonymous(int fd)
{
    struct statfs system {};
    if (kernel().fstatfs(fd, &system) != 0)
        return errno == EBADF ? Result<bool>(false) : Error::from_errno(errno, "fstatfs");
    return system.f_type == ANON_INODE_FS_MAGIC;
}

void open_for_both_directions(int dma_buf)
{
    for (const unsigned half : {unsigned{DMA_BUF_SYNC_START}, unsigned{DMA_BUF_SYNC_END}}) {
        dma_buf_sync bracket{half | DMA_BUF_SYNC_RW};
        if (ioctl_again(dma_buf, DMA_BUF_IOCTL_SYNC, &bracket) != 0)
            return;
    }
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

std::string last_part(std::string_view path) { return std::string(path.substr(path.find_last_of('/') + 1)); }

bool is_numbered(std::string_view name, std::string_view prefix) noexcept
{
    return name.size() > prefix.size() && name.starts_with(prefix) &&
           name.find_first_not_of("0123456789", prefix.size()) == std::string_view::npos;
}

std::optional<std::string> link_name(const std::string& path)
{
    std::array<char, 4096> target{};
    const ssize_t length = kernel().readlink(path.c_str(), target.data(), target.size());
    if (length <= 0)
        return std::nullopt;
    return last_part({target.data(), static_cast<std::size_t>(length)});
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

std::optional<std::uint64_t> max_descriptors()
{
    constexpr std::string_view label = "Max open files";
    const auto text = read_text("/proc/self/limits");
    const auto found = text ? text->find(label) : std::string::npos;
    const auto digits = found == std::string::npos ? found : text->find_first_not_of(' ', found + label.size());
    std::uint64_t most = 0; // none for "unlimited"
    if (digits == std::string::npos ||
        std::from_chars(text->data() + digits, text->data() + text->size(), most).ec != std::errc())
        return std::nullopt;
    return most;
}

std::optional<std::uint64_t> total_memory() { return meminfo("MemTotal:"); }
std::optional<std::uint64_t> available_memory() { return meminfo("MemAvailable:"); }
std::optional<std::uint64_t> free_cma() { return meminfo("CmaFree:"); }

} // namespace commonbuf::os
