// SPDX-License-Identifier: MIT
#include "output.hpp"

#include <commonbuf/unique_fd.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>

namespace allocinfo {
namespace {

using commonbuf::Error;
using commonbuf::Status;
using commonbuf::UniqueFd;

Error failure(int error, const std::string& path, const char* detail)
{
    const std::string operation = "write " + path;
    switch (error) {
    case EACCES:
    case EPERM:
    case EROFS:
        return Error::permission_denied(operation, detail, "choose a folder that this user may write to")
            .with_errno(error);
    case ENOENT:
    case ENOTDIR: return Error::not_present(operation, detail, "create the folder first").with_errno(error);
    default: return Error::of(Error::from_errno(error, {}).category, operation, detail).with_errno(error);
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

/// The mode that open(2) gives a new file.
mode_t usual_mode()
{
    const mode_t mask = ::umask(0);
    ::umask(mask);
    return 0666 & ~mask;
}

} // namespace

Status write_file(const std::string& path, std::string_view content)
{
    struct stat present {};
    const bool exists = ::stat(path.c_str(), &present) == 0;
    if (exists && !S_ISREG(present.st_mode)) {
        const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY));
        const int error = fd ? write_all(fd.get(), content) : errno;
        return error == 0 ? Status() : failure(error, path, "only a part was written");
    }

    const char* const unchanged = exists ? "the file there did not change" : "";
    // A link stays a link: its target is replaced.
    const std::unique_ptr<char, decltype(&std::free)> resolved(::realpath(path.c_str(), nullptr), &std::free);
    const std::string target = resolved ? resolved.get() : path;
    std::string temporary = target + ".XXXXXX";
    UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
    if (!fd)
        return failure(errno, path, unchanged);
    int error = write_all(fd.get(), content);
    if (error == 0 && ::fchmod(fd.get(), exists ? present.st_mode & 07777 : usual_mode()) != 0)
        error = errno;
    if (error == 0 && ::rename(temporary.c_str(), target.c_str()) != 0)
        error = errno;
    if (error != 0) {
        ::unlink(temporary.c_str());
        return failure(error, path, unchanged);
    }
    return {};
}

} // namespace allocinfo
