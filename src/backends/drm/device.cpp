// SPDX-License-Identifier: MIT
#include "backends/drm/file.hpp"
#include "os/drm_node.hpp"
#include "base/text.hpp"

namespace commonbuf::drm {
namespace {

/// Whether a card goes by a name: its device's, its driver's in sysfs, or, where sysfs
/// has none (the faux bus), what the driver says when it is opened.
bool goes_by(const os::DrmNode& node, std::string_view name)
{
    if (node.device == name || node.driver == name)
        return true;
    if (!node.driver.empty())
        return false;
    const auto fd = os::open_drm(node.path);
    return fd && os::drm_driver_name(fd->get()) == name;
}

Result<std::string> resolve(std::string_view target)
{
    if (!target.starts_with('@'))
        return std::string(target);
    std::vector<std::string> found;
    for (const os::DrmNode& node : os::drm_nodes()) {
        if (!node.render && goes_by(node, target.substr(1)))
            found.push_back(node.path);
    }
    const std::string operation = text::format("find the DRM card {}", target);
    if (found.empty())
        return Error::not_present(operation, "no card has this device or driver name",
                                  "allocinfo devices lists those of this machine");
    if (found.size() > 1)
        return Error::invalid_argument(
            operation, text::format("{} cards go by this name: {}", found.size(), text::join(found, ", ")),
            "name one by its path");
    return found.front();
}

} // namespace

std::vector<NodeInfo> nodes()
{
    std::vector<NodeInfo> infos;
    for (const os::DrmNode& node : os::drm_nodes()) {
        auto fd = os::open_drm(node.path);
        const auto file = fd ? File::create(std::move(*fd), node.path) : fd.error();
        if (file) {
            infos.push_back((*file)->info());
            continue;
        }
        NodeInfo info;
        info.path = node.path;
        info.name = node.device;
        info.driver = node.driver;
        info.bus = node.bus;
        info.render = node.render;
        info.connectors = node.connectors;
        info.obstacle = file.error();
        infos.push_back(std::move(info));
    }
    return infos;
}

Result<Device> Device::open(std::string_view target)
{
    auto path = resolve(target);
    if (!path)
        return path.error();
    auto fd = os::open_drm(*path);
    if (!fd)
        return fd.error();
    return wrap(std::move(*fd), std::move(*path));
}

Result<Device> Device::wrap(UniqueFd fd, std::string path)
{
    if (auto known = File::find(fd.get()))
        return Device(std::move(known));
    auto file = File::create(std::move(fd), std::move(path));
    if (!file)
        return file.error();
    return Device(std::move(*file));
}

const NodeInfo& Device::info() const noexcept { return file_->info(); }
int Device::fd() const noexcept { return file_->fd(); }
Use Device::scanout() const { return make_scanout(file_, Flip::in_beat); }
Use Device::async_scanout() const { return make_scanout(file_, Flip::at_once); }

} // namespace commonbuf::drm
