// SPDX-License-Identifier: MIT
#include "os/own_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <memory>

namespace commonbuf::own_file {
namespace {

/// What is wrong with a file that is to be written; 0 if nothing is.
int wrong_with(const struct stat& file) noexcept
{
    if (!S_ISREG(file.st_mode))
        return EINVAL;
    // Root writes files of others often enough (/home), as long as they have no second name somewhere.
    const uid_t user = ::geteuid();
    if (file.st_uid != user && (user != 0 || file.st_nlink > 1))
        return EPERM;
    return 0;
}

/// Finds the file behind a path, which need not be there. Returns an errno value.
int resolve(const std::string& path, Links links, std::string& target)
{
    target = path;
    struct stat entry {};
    if (::lstat(path.c_str(), &entry) != 0 || !S_ISLNK(entry.st_mode))
        return 0; // if it is not there, who makes it finds out why
    if (links == Links::refuse) {
        struct stat file {};
        return ::stat(path.c_str(), &file) == 0 && !S_ISREG(file.st_mode) ? EINVAL : ELOOP;
    }
    if (entry.st_uid != ::geteuid() && entry.st_uid != 0)
        return ELOOP;
    const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), &std::free);
    if (real == nullptr)
        return errno; // a link to nothing would create a file where nobody named one
    target = real.get();
    return 0;
}

int write_all(int fd, std::string_view content) noexcept
{
    while (!content.empty()) {
        const ssize_t written = ::write(fd, content.data(), content.size());
        if (written < 0 && errno != EINTR)
            return errno;
        if (written > 0)
            content.remove_prefix(static_cast<std::size_t>(written));
    }
    return 0;
}

/// Closes the descriptor, and keeps what went wrong before.
int closed(int fd, int error) noexcept { return ::close(fd) != 0 && error == 0 ? errno : error; }

} // namespace

int check(const std::string& path, Links links)
{
    std::string target;
    if (const int error = resolve(path, links, target); error != 0)
        return error;
    struct stat file {};
    return ::lstat(target.c_str(), &file) == 0 ? wrong_with(file) : 0;
}

int create(const std::string& path, Links links)
{
    std::string target;
    if (const int error = resolve(path, links, target); error != 0)
        return -error;
    struct stat file {};
    // A device may do something when it is opened.
    if (::lstat(target.c_str(), &file) == 0) {
        if (const int error = wrong_with(file); error != 0)
            return -error;
    }
    // It may have become something else meanwhile: so without waiting, and truncated only when it is known.
    const int fd = ::open(target.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW, 0666);
    if (fd < 0)
        return -errno;
    int error = ::fstat(fd, &file) != 0 ? errno : wrong_with(file);
    if (error == 0 && ::ftruncate(fd, 0) != 0)
        error = errno;
    if (error == 0)
        return fd;
    ::close(fd);
    return -error;
}

int replace(const std::string& path, std::string_view content, Links links, unsigned mode)
{
    std::string target;
    if (const int error = resolve(path, links, target); error != 0)
        return error;
    struct stat present {};
    const bool exists = ::lstat(target.c_str(), &present) == 0;
    if (exists) {
        if (const int error = wrong_with(present); error != 0)
            return error;
    }
    // Readable only by its owner, under a name that nobody else has.
    std::string beside = target + ".XXXXXX";
    const int fd = ::mkostemp(beside.data(), O_CLOEXEC);
    if (fd < 0)
        return errno;
    if (!exists && (mode & 077U) != 0) {
        const mode_t mask = ::umask(0);
        ::umask(mask);
        mode &= ~mask;
    }
    int error = write_all(fd, content);
    if (error == 0 && ::fchmod(fd, exists ? present.st_mode & 07777U : mode) != 0)
        error = errno;
    error = closed(fd, error);
    if (error == 0 && ::rename(beside.c_str(), target.c_str()) != 0)
        error = errno;
    if (error != 0)
        ::unlink(beside.c_str());
    return error;
}

} // namespace commonbuf::own_file
