// SPDX-License-Identifier: MIT
#include "output.hpp"

#include "own_file.hpp"
#include "text.hpp"

#include <commonbuf/unique_fd.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <system_error>
#include <thread>
#include <vector>

namespace allocinfo {
namespace {

using commonbuf::Error;
using commonbuf::Status;
using commonbuf::UniqueFd;
namespace own_file = commonbuf::own_file;

Error failure(int error, const std::string& path, const char* detail)
{
    const std::string operation = "write " + path;
    switch (error) {
    case EPERM:
    case ELOOP:
        return Error::permission_denied(operation,
                                        error == EPERM ? "the file is another user's, or has a second name"
                                                       : "somebody else made this link",
                                        "name another file")
            .with_errno(error);
    case EACCES:
    case EROFS:
        return Error::permission_denied(operation, detail, "choose a folder that this user may write to")
            .with_errno(error);
    case ENOENT:
    case ENOTDIR: return Error::not_present(operation, detail, "create the folder first").with_errno(error);
    case ENXIO:
        return Error::of(Error::from_errno(error, {}).category, operation, "nobody reads this pipe").with_errno(error);
    default: return Error::of(Error::from_errno(error, {}).category, operation, detail).with_errno(error);
    }
}

/// Opens what takes bytes and is no file. Returns a negative errno value for anything else.
int open_stream(const std::string& path, const struct stat& present)
{
    if (!S_ISFIFO(present.st_mode) && !S_ISCHR(present.st_mode))
        return S_ISDIR(present.st_mode) ? -EISDIR : -EINVAL;
    // A reader may be about to open the pipe; one that never does must not hold this program.
    constexpr int tries = 100;
    for (int i = 0;; ++i) {
        const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd >= 0 && ::fcntl(fd, F_SETFL, 0) == 0) // its content may come slowly
            return fd;
        if (errno != ENXIO || i == tries)
            return -errno;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
}

int write_all(int fd, std::string_view content)
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

bool is_same(const struct stat& a, const struct stat& b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

} // namespace

Status write_file(const std::string& path, std::string_view content)
{
    struct stat present {};
    struct stat output {};
    const bool exists = ::stat(path.c_str(), &present) == 0;
    // Also if standard output is a file: replacing that would lose what is written there otherwise.
    if (exists && ::fstat(STDOUT_FILENO, &output) == 0 && is_same(present, output)) {
        std::cout.flush();
        const int error = write_all(STDOUT_FILENO, content);
        return error == 0 ? Status() : failure(error, path, "only a part was written");
    }
    if (exists && !S_ISREG(present.st_mode)) {
        const int opened = open_stream(path, present);
        const UniqueFd fd(opened < 0 ? -1 : opened);
        const int error = fd ? write_all(fd.get(), content) : -opened;
        return error == 0 ? Status() : failure(error, path, fd ? "only a part was written" : "");
    }
    constexpr unsigned everybody = 0666;
    const int error = own_file::replace(path, content, own_file::Links::follow, everybody);
    return error == 0 ? Status() : failure(error, path, exists ? "the file there did not change" : "");
}

std::optional<std::string> named_twice(std::initializer_list<std::string> paths)
{
    std::vector<std::string> seen;
    for (const std::string& path : paths) {
        if (path.empty() || path == "-")
            continue;
        for (const std::string& other : seen) {
            std::error_code none; // those that are not there are compared as words
            if (path == other || std::filesystem::equivalent(path, other, none))
                return commonbuf::text::format("{} and {} are one file", other, path);
        }
        seen.push_back(path);
    }
    return std::nullopt;
}

} // namespace allocinfo
