// SPDX-License-Identifier: MIT
#include "os/file.hpp"

#include "os/failure.hpp"
#include "os/kernel.hpp"

#include <cerrno>

namespace commonbuf::os {
namespace {

std::string advice_for(int error)
{
    switch (error) {
    case EACCES:
    case EPERM:
    case EROFS: return "choose a folder that this user may write to";
    case ENOENT:
    case ENOTDIR: return "create the folder first";
    case ENOSPC:
    case EDQUOT: return "free some space on that file system, or choose another one";
    default: return "";
    }
}

} // namespace

Result<UniqueFd> create_file(const std::string& path)
{
    int fd = -1;
    do {
        fd = kernel().create(path.c_str());
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        const int error = errno;
        return Error::from_errno(error, {"open", path}, {}, advice_for(error));
    }
    return UniqueFd(fd);
}

Status write_all(int fd, std::string_view bytes, const std::string& path)
{
    while (!bytes.empty()) {
        const ssize_t written = kernel().write(fd, bytes.data(), bytes.size());
        if (written < 0 && errno != EINTR) {
            const int error = errno;
            return Error::from_errno(error, {"write", path}, {}, advice_for(error));
        }
        if (written > 0)
            bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

} // namespace commonbuf::os
