// SPDX-License-Identifier: MIT
#include "backends/v4l2/node.hpp"
#include "base/text.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cctype>

namespace commonbuf::v4l2 {
namespace {

const std::string sysfs = "/sys/class/video4linux/";

/// The numbers behind "video", in their order; radio, vbi and sub-devices are left out.
std::vector<std::string> video_nodes()
{
    constexpr std::string_view prefix = "video";
    std::vector<std::string> names = os::list(sysfs);
    std::erase_if(names, [&](const std::string& name) {
        return !name.starts_with(prefix) || name.size() == prefix.size() ||
               !std::all_of(name.begin() + prefix.size(), name.end(),
                            [](unsigned char letter) { return std::isdigit(letter) != 0; });
    });
    std::sort(names.begin(), names.end(), [](const std::string& a, const std::string& b) {
        return a.size() != b.size() ? a.size() < b.size() : a < b;
    });
    return names;
}

/// The path behind a target: itself, or the node whose name in sysfs follows the '@'.
Result<std::string> resolve(std::string_view target)
{
    if (!target.starts_with('@'))
        return std::string(target);
    const std::string_view wanted = target.substr(1);
    std::vector<std::string> found;
    for (const std::string& node : video_nodes()) {
        if (os::read_text(sysfs + node + "/name") == wanted)
            found.push_back("/dev/" + node);
    }
    const std::string operation = text::format("find the V4L2 node {}", target);
    if (found.empty())
        return Error::not_present(operation, "no node has this name",
                                  "allocinfo devices lists the names of this machine");
    if (found.size() > 1)
        return Error::invalid_argument(
            operation, text::format("{} nodes have this name: {}", found.size(), text::join(found, ", ")),
            "name one by its path");
    return found.front();
}

} // namespace

std::vector<NodeInfo> nodes()
{
    std::vector<NodeInfo> infos;
    for (const std::string& name : video_nodes()) {
        const std::string path = "/dev/" + name;
        auto fd = os::open(path);
        auto node = fd ? Node::create(std::move(*fd), path) : fd.error();
        if (node) {
            infos.push_back((*node)->info());
            continue;
        }
        NodeInfo info;
        info.path = path;
        info.name = os::read_text(sysfs + name + "/name").value_or("");
        info.obstacle = node.error();
        infos.push_back(std::move(info));
    }
    return infos;
}

Result<Device> Device::open(std::string_view target)
{
    auto path = resolve(target);
    if (!path)
        return path.error();
    auto fd = os::open(*path);
    if (!fd)
        return fd.error();
    return wrap(std::move(*fd), std::move(*path));
}

Result<Device> Device::wrap(UniqueFd fd, std::string path)
{
    // DQBUF on a blocking descriptor would wait without end.
    const int flags = os::kernel().fcntl(fd.get(), F_GETFL, 0);
    if (flags < 0 || os::kernel().fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) < 0)
        return Error::from_errno(errno, {"fcntl F_SETFL", path});
    auto node = Node::create(std::move(fd), std::move(path));
    if (!node)
        return node.error();
    return Device(std::move(*node));
}

const NodeInfo& Device::info() const noexcept { return node_->info(); }
int Device::fd() const noexcept { return node_->fd(); }
std::shared_ptr<Heap> Device::heap(Role role) const { return make_heap(node_, role); }
Use Device::capture() const { return make_use(node_, Role::capture); }
Use Device::output() const { return make_use(node_, Role::output); }

} // namespace commonbuf::v4l2
