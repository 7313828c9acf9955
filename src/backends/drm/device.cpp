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

/// Whether a name is that of the card's device, of its driver in sysfs, or the one that the driver gives
/// itself: the driver of a bus may stand between (virtio-pci for virtio_gpu).
bool goes_by(const os::DrmNode& node, std::string_view name)
{
    if (node.device == name || node.driver == name)
        return true;
    const auto fd = os::open_drm(node.path);
    const auto driver = fd ? os::drm_driver_name(fd->get(), node.path) : fd.error();
    return driver && *driver == name;
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
    if (auto known = File::find(fd.get()))
        return Device(std::move(known));
    auto file = File::create(std::move(fd), std::move(path));
    if (!file)
        return file.error();
    return Device(std::move(*file));
}

Result<Framebuffer> Device::framebuffer(const Buffer& buffer) const
{
    if (const Status can = shareable(buffer, file_->where("DRM_IOCTL_PRIME_FD_TO_HANDLE")); !can)
        return can.error();
    auto object =
        buffer.state().import_once<FramebufferObject>(file_.get(), [&]() -> Result<std::shared_ptr<FramebufferObject>> {
            std::vector<int> memories;
            for (std::uint32_t i = 0; i < buffer.layout().memory_count; ++i)
                memories.push_back(buffer.dma_buf_fd(i));
            auto made = FramebufferObject::create(file_, buffer.layout(), memories);
            if (!made && !made.error().is_transient())
                buffer.state().import_failed(file_->identity());
            return made;
        });
    if (!object)
        return object.error();
    return Framebuffer(std::move(*object));
}

const NodeInfo& Device::info() const noexcept { return file_->info(); }
int Device::fd() const noexcept { return file_->fd(); }
Use Device::scanout() const { return make_scanout(file_, {}); }
Use Device::scanout(PlaneType type) const { return make_scanout(file_, {.type = type}); }
Use Device::scanout(const DisplayPlane& plane) const { return make_scanout(file_, {.type = plane.type, .one = plane}); }
Use Device::async_scanout() const { return make_scanout(file_, {.flip = Flip::at_once}); }
Use Device::async_scanout(const DisplayPlane& plane) const
{
    return make_scanout(file_, {.type = plane.type, .one = plane, .flip = Flip::at_once});
}
Use Device::writeback() const { return make_writeback(file_); }

} // namespace commonbuf::drm
