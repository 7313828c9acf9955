// SPDX-License-Identifier: MIT
#include "backends/drm/file.hpp"

#include "backends/drm/measure.hpp"
#include "backends/drm/plane_formats.hpp"
#include "base/text.hpp"

#include <drm.h>
#include <drm_mode.h>

#include <algorithm>
#include <vector>

namespace commonbuf::drm {
namespace {

/// Every living File, so that one open file never gets two tables of handles.
struct Registry {
    std::mutex mutex;
    std::vector<std::weak_ptr<File>> files;
};

Registry& registry()
{
    static Registry instance;
    return instance;
}

/// Whether two descriptors are one open file. Where kcmp(2) is missing or forbidden, only equal
/// numbers count.
bool same_file(int a, int b) { return a == b || os::kernel().kcmp_file(a, b) == 0; }

/// Each card has a node of its own in /dev, by whatever path it was opened, and gets a new one
/// whenever its driver is loaded.
std::string identity_of(const NodeInfo& info, int fd)
{
    const auto id = os::id_of(fd);
    if (!id)
        return {};
    return text::format("drm {} {} {} {} {}:{}", info.driver, os::drm_driver_version(fd), info.bus, info.name,
                        id->device, id->inode);
}

} // namespace

NodeInfo info_of(const os::DrmNode& node)
{
    return {.path = node.path,
            .name = node.device,
            .driver = node.driver,
            .bus = node.bus,
            .render = node.render,
            .connectors = node.connectors};
}

Result<std::shared_ptr<File>> File::of(UniqueFd fd, std::string path)
{
    Registry& known = registry();
    // One lock for looking and making: two threads that wrap one open file get one table.
    const std::lock_guard lock(known.mutex);
    for (const auto& weak : known.files) {
        if (auto file = weak.lock(); file != nullptr && same_file(file->fd(), fd.get()))
            return file;
    }
    auto made = create(std::move(fd), std::move(path));
    if (!made)
        return made;
    std::erase_if(known.files, [](const auto& weak) { return weak.expired(); });
    known.files.push_back(*made);
    return made;
}

Result<std::shared_ptr<File>> File::create(UniqueFd fd, std::string path)
{
    std::string driver = os::drm_driver_name(fd.get());
    if (driver.empty())
        return Error::invalid_argument(Call{"DRM_IOCTL_VERSION", path}, "this is not a DRM node",
                                       "allocinfo devices lists those of this machine");
    NodeInfo info;
    for (const os::DrmNode& node : os::drm_nodes()) {
        if (node.path == path)
            info = info_of(node);
    }
    info.path = std::move(path);
    info.driver = std::move(driver);
    const std::uint64_t prime = os::drm_capability(fd.get(), DRM_CAP_PRIME);
    info.imports = (prime & DRM_PRIME_CAP_IMPORT) != 0;
    info.exports = (prime & DRM_PRIME_CAP_EXPORT) != 0;
    info.dumb_buffers = os::drm_capability(fd.get(), DRM_CAP_DUMB_BUFFER) != 0;
    info.modifiers = os::drm_capability(fd.get(), DRM_CAP_ADDFB2_MODIFIERS) != 0;
    info.async_flips = os::drm_capability(fd.get(), DRM_CAP_ASYNC_PAGE_FLIP) != 0;
    drm_mode_card_res resources{};
    info.modesetting = os::ioctl_again(fd.get(), DRM_IOCTL_MODE_GETRESOURCES, &resources) == 0;

    return std::shared_ptr<File>(new File(std::move(fd), std::move(info)));
}

File::File(UniqueFd fd, NodeInfo info)
    : fd_(std::move(fd)),
      info_(std::move(info)),
      identity_(identity_of(info_, fd_.get()))
{}

Result<std::uint32_t> File::import(int dma_buf)
{
    const std::lock_guard lock(mutex_);
    drm_prime_handle request{.fd = dma_buf};
    if (const int error = ioctl(DRM_IOCTL_PRIME_FD_TO_HANDLE, &request); error != 0) {
        Error result =
            Error::from_errno(error, where("DRM_IOCTL_PRIME_FD_TO_HANDLE"), "the driver does not import this memory");
        if (result.category == Category::invalid_argument)
            result.category = Category::incompatible;
        return result;
    }
    ++counts_[request.handle];
    return request.handle;
}

void File::release(std::uint32_t handle) noexcept
{
    const std::lock_guard lock(mutex_);
    if (--counts_[handle] > 0)
        return;
    counts_.erase(handle);
    drm_gem_close request{.handle = handle};
    ioctl(DRM_IOCTL_GEM_CLOSE, &request);
}

Result<std::shared_ptr<const ScanoutSupport>> File::scanout_support()
{
    const std::lock_guard lock(mutex_);
    if (!scanout_) {
        auto support = read_scanout_support(*this);
        if (!support)
            return support.error();
        scanout_ = std::make_shared<const ScanoutSupport>(std::move(*support));
    }
    return scanout_;
}

SharedConstraints File::constraints(Format format, std::uint32_t width)
{
    const std::lock_guard lock(mutex_);
    if (const auto known = measured_.find({format, width}); known != measured_.end())
        return known->second;
    auto found = measure_framebuffers(*this, format, width);
    if (!found)
        return {};
    return measured_.emplace(std::pair(format, width), std::move(*found)).first->second;
}

} // namespace commonbuf::drm
