// SPDX-License-Identifier: MIT
#include "os/drm_node.hpp"

#include "os/device_node.hpp"
#include "os/os.hpp"
#include "base/text.hpp"

#include <drm.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace commonbuf::os {

std::vector<DrmNode> drm_nodes()
{
    const std::string sysfs = "/sys/class/drm/";
    const std::vector<std::string> names = list(sysfs);
    std::vector<DrmNode> nodes;
    for (const std::string& name : names) {
        const bool card = is_numbered(name, "card");
        if (!card && !is_numbered(name, "renderD"))
            continue;
        DrmNode node;
        node.name = name;
        node.path = find_node("/dev/dri/" + name, sysfs + name);
        node.render = !card;
        const std::string device = sysfs + name + "/device";
        node.device = link_name(device).value_or("");
        node.bus = link_name(device + "/subsystem").value_or("");
        // All devices of the faux bus have the same driver, which tells nothing.
        if (node.bus != "faux")
            node.driver = link_name(device + "/driver").value_or("");
        const std::string prefix = name + "-";
        for (const std::string& other : names) {
            if (other.starts_with(prefix))
                node.connectors.push_back(other.substr(prefix.size()));
        }
        nodes.push_back(std::move(node));
    }
    return nodes;
}

Result<UniqueFd> open_drm(const std::string& path)
{
    auto fd = open(path);
    // EINVAL says that it was not master.
    if (fd)
        ioctl_again(fd->get(), DRM_IOCTL_DROP_MASTER, nullptr);
    return fd;
}

Result<UniqueFd> open_drm_again(int fd) { return open_drm(text::format("/proc/self/fd/{}", fd)); }

bool is_drm_master(int fd) noexcept
{
    // The kernel lets only a master try. 0 is never a valid magic, so nothing is authenticated.
    drm_auth request{};
    return ioctl_again(fd, DRM_IOCTL_AUTH_MAGIC, &request) != EACCES;
}

Result<std::uint64_t> drm_capability(int fd, std::uint64_t capability, const std::string& node)
{
    drm_get_cap request{};
    request.capability = capability;
    switch (const int error = ioctl_again(fd, DRM_IOCTL_GET_CAP, &request)) {
    case 0: return request.value;
    case EINVAL:     // unknown to the kernel
    case EOPNOTSUPP: // the driver has no displays
        return std::uint64_t{0};
    default: return Error::from_errno(error, {"DRM_IOCTL_GET_CAP", node});
    }
}

Result<std::string> drm_driver_name(int fd, const std::string& node)
{
    std::array<char, 64> name{};
    drm_version version{};
    version.name = name.data();
    version.name_len = name.size() - 1;
    switch (const int error = ioctl_again(fd, DRM_IOCTL_VERSION, &version)) {
    case 0: return std::string(name.data(), std::min<std::size_t>(version.name_len, name.size() - 1));
    case EINVAL:
    case ENOTTY: return std::string();
    default: return Error::from_errno(error, {"DRM_IOCTL_VERSION", node});
    }
}

std::string drm_driver_version(int fd)
{
    drm_version version{};
    if (ioctl_again(fd, DRM_IOCTL_VERSION, &version) != 0)
        return {};
    return text::format("{}.{}.{}", version.version_major, version.version_minor, version.version_patchlevel);
}

} // namespace commonbuf::os
