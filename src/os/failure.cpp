// SPDX-License-Identifier: MIT
#include "os/failure.hpp"

#include "os/kernel.hpp"
#include "base/text.hpp"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace commonbuf::os {
namespace {

std::string user_name(uid_t uid)
{
    std::array<char, 1024> space{};
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwuid_r(uid, &entry, space.data(), space.size(), &found) == 0 && found != nullptr)
        return found->pw_name;
    return std::to_string(uid);
}

std::string group_name(gid_t gid)
{
    std::array<char, 4096> space{};
    group entry{};
    group* found = nullptr;
    if (::getgrgid_r(gid, &entry, space.data(), space.size(), &found) == 0 && found != nullptr)
        return found->gr_name;
    return std::to_string(gid);
}

/// Says which users besides root a file's mode lets read and write it.
std::string who_may_open(const struct stat& file)
{
    constexpr mode_t user = S_IRUSR | S_IWUSR;
    constexpr mode_t group = S_IRGRP | S_IWGRP;
    constexpr mode_t others = S_IROTH | S_IWOTH;
    if ((file.st_mode & others) == others)
        return "everybody";
    if ((file.st_mode & group) == group)
        return text::format("user {} and group {}", user_name(file.st_uid), group_name(file.st_gid));
    if ((file.st_mode & user) == user)
        return text::format("only user {}", user_name(file.st_uid));
    return "only root";
}

} // namespace

Error open_failure(int error, const std::string& path)
{
    Error result = Error::from_errno(error, {"open", path});
    switch (error) {
    case ENOENT: result.detail = "there is no such file"; break;
    case ENODEV:
        result.category = Category::not_present;
        result.detail = "the device behind the node is gone";
        break;
    case EACCES:
    case EPERM: {
        struct stat file {};
        if (kernel().stat(path.c_str(), &file) != 0)
            break;
        result.detail = text::format("its mode {:04o} lets {} in, and this is user {}", file.st_mode & 07777U,
                                     who_may_open(file), user_name(::geteuid()));
        if ((file.st_mode & (S_IRGRP | S_IWGRP)) == (S_IRGRP | S_IWGRP))
            result.advice = text::format("add the user to the group {}", group_name(file.st_gid));
        else
            result.advice = "give the node to a group with a udev rule";
        break;
    }
    case EBUSY: result.detail = "another program has it open"; break;
    default: break;
    }
    return result;
}

} // namespace commonbuf::os
