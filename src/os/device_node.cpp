// SPDX-License-Identifier: MIT
#include "os/device_node.hpp"

#include "os/os.hpp"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>

namespace commonbuf::os {
namespace {

/// The number of a device as sysfs writes it: "81:0". Nothing for other files.
std::optional<std::string> number_of(const struct stat& file)
{
    if (!S_ISCHR(file.st_mode))
        return std::nullopt;
    return std::to_string(major(file.st_rdev)) + ":" + std::to_string(minor(file.st_rdev));
}

std::optional<std::string> number_of(const std::string& path)
{
    struct stat file {};
    return kernel().stat(path.c_str(), &file) == 0 ? number_of(file) : std::nullopt;
}

} // namespace

Result<std::string> sysfs_folder(int fd)
{
    struct stat file {};
    if (kernel().fstat(fd, &file) != 0)
        return Error::from_errno(errno, "fstat");
    const auto number = number_of(file);
    return number ? "/sys/dev/char/" + *number : std::string();
}

std::optional<std::string> kernel_name(int fd)
{
    const auto folder = sysfs_folder(fd);
    return folder && !folder->empty() ? link_name(*folder) : std::nullopt;
}

std::string find_node(const std::string& usual, const std::string& folder)
{
    const auto number = read_text(folder + "/dev");
    const auto found = number_of(usual);
    if (!number || !found || *number == *found)
        return usual;
    const std::string beside = usual.substr(0, usual.find_last_of('/') + 1);
    for (const std::string& name : list(beside)) {
        if (number_of(beside + name) == number)
            return beside + name;
    }
    return usual;
}

bool is_device(int fd, const std::string& folder)
{
    const auto number = read_text(folder + "/dev");
    struct stat file {};
    if (!number || kernel().fstat(fd, &file) != 0)
        return true;
    return number_of(file) == number;
}

} // namespace commonbuf::os
