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

/// Whether a name is that of the card's device, or of its driver in sysfs.
bool goes_by(const os::DrmNode& node, std::string_view name) { return node.device == name || node.driver == name; }

/// Whether a name is what the driver calls itself, which may be another one than that in sysfs
/// (virtio_gpu, virtio-pci).
bool calls_itself(const os::DrmNode& node, std::string_view name)
{
    const auto fd = os::open_drm(node.path);
    const auto driver = fd ? os::drm_driver_name(fd->get(), node.path) : fd.error();
    return driver && *driver == name;
}

Result<std::string> resolve(std::string_view target)
{
    if (!target.starts_with('@'))
        return std::string(target);
    std::vector<std::string> found;
    const std::vector<os::DrmNode> nodes = os::drm_nodes();
    // Cards are opened only if sysfs does not have the name.
    for (const auto matches : {&goes_by, &calls_itself}) {
        for (const os::DrmNode& node : nodes) {
            if (!node.render && matches(node, target.substr(1)))
                found.push_back(node.path);
        }
        if (!found.empty())
            break;
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
    auto made = import_framebuffer(file_, buffer);
    // The program may show it by itself: the kernel waits for the fences inside the dma-buf then.
    if (made)
        buffer.state().share();
    return made;
}

Result<Framebuffer> import_framebuffer(const std::shared_ptr<File>& file, const Buffer& buffer)
{
    if (const Status can = shareable(buffer, file->where("DRM_IOCTL_PRIME_FD_TO_HANDLE")); !can)
        return can.error();
    BufferState& state = buffer.state();
    const auto import = [&] {
        state.expose(); // a few drivers put a fence in when they show it
        std::vector<int> memories;
        memories.reserve(buffer.layout().memory_count);
        for (std::uint32_t i = 0; i < buffer.layout().memory_count; ++i)
            memories.push_back(state.dma_buf_fd(i));
        return FramebufferObject::create(file, buffer.layout(), memories);
    };
    auto object = state.import_once<FramebufferObject>(
        file.get(), import, [&](const Error& error) { state.import_failed(all_identities(*file), error); });
    file->tell();
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
