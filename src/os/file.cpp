// SPDX-License-Identifier: MIT
#include "os/file.hpp"

#include "os/kernel.hpp"

#include <cerrno>

namespace commonbuf::os {
namespace {

/// The error of a call that has just failed.
Error failed(std::string_view call, const std::string& path)
{
    const int error = errno;
    std::string advice;
    if (error == EINVAL)
        return Error::from_errno(error, {call, path}, "this is not a regular file", "name another file");
    if (error == ELOOP)
        return Error::invalid_argument(Call{call, path}, "this is a link, and somebody else may have made it",
                                       "name the file itself")
            .with_errno(error);
    if (error == EPERM)
        return Error::permission_denied(Call{call, path}, "the file is another user's", "name another file")
            .with_errno(error);
    if (error == EACCES || error == EROFS)
        advice = "choose a folder that this user may write to";
    else if (error == ENOENT || error == ENOTDIR)
        advice = "create the folder first";
    else if (error == ENOSPC || error == EDQUOT)
        advice = "free some space on that file system, or choose another one";
    return Error::from_errno(error, {call, path}, {}, std::move(advice));
}

} // namespace

Result<UniqueFd> create_file(const std::string& path)
{
    int fd = -1;
    do {
        fd = kernel().create(path.c_str());
    } while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return failed("open", path);
    return UniqueFd(fd);
}

Status check_file(const std::string& path)
{
    if (kernel().check_file(path.c_str()) == 0)
        return {};
    return failed("write", path);
}

Status replace_file(const std::string& path, const std::string& content)
{
    if (kernel().replace_file(path.c_str(), content) == 0)
        return {};
    return failed("write", path);
}

Status write_all(int fd, std::string_view bytes, const std::string& path)
{
    while (!bytes.empty()) {
        const ssize_t written = kernel().write(fd, bytes.data(), bytes.size());
        if (written < 0 && errno != EINTR)
            return failed("write", path);
        if (written > 0)
            bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

} // namespace commonbuf::os
