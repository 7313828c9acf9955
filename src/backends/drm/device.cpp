// SPDX-License-Identifier: MIT
#include <commonbuf/drm/device.hpp>

#include "backends/drm/file.hpp"
#include "backends/drm/framebuffer.hpp"
#include "backends/drm/importer.hpp"
#include "base/text.hpp"
#include "buffer/buffer_state.hpp"
#include "os/drm_node.hpp"

#include <vector>

namespace commonbuf::drm {
namespace {

/// Whether a name is that of the card's device, or of its driver in sysfs. Where sysfs names no
/// driver (the faux bus), the driver is asked.
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
        return Error::not_present(operation, "no card has a device or driver of this name",
                                  "run allocinfo devices to see the cards of this machine");
    if (found.size() > 1)
        return Error::invalid_argument(
            operation, text::format("{} cards have this name: {}", found.size(), text::join(found, ", ")),
            "choose one by its path");
    return found.front();
}

} // namespace

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
    auto file = File::of(std::move(fd), std::move(path));
    if (!file)
        return file.error();
    return Device(std::move(*file));
}

Result<Framebuffer> Device::framebuffer(const Buffer& buffer) const
{
    if (const Status can = shareable(buffer, file_->where("DRM_IOCTL_PRIME_FD_TO_HANDLE")); !can)
        return can.error();
    const auto import = [&] {
        std::vector<int> memories;
        for (std::uint32_t i = 0; i < buffer.layout().memory_count; ++i)
            memories.push_back(buffer.dma_buf_fd(i));
        return FramebufferObject::create(file_, buffer.layout(), memories);
    };
    auto object = buffer.state().import_once<FramebufferObject>(file_.get(), import, [&](const Error& error) {
        if (!error.is_transient())
            buffer.state().import_failed(file_->identity());
    });
    if (!object)
        return object.error();
    return Framebuffer(std::move(*object));
}

const NodeInfo& Device::info() const noexcept { return file_->info(); }
int Device::fd() const noexcept { return file_->fd(); }
Use Device::scanout() const { return make_scanout(file_, Flip::at_vblank); }
Use Device::async_scanout() const { return make_scanout(file_, Flip::at_once); }

} // namespace commonbuf::drm
