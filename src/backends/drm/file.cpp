// SPDX-License-Identifier: MIT
#include "backends/drm/file.hpp"

#include "backends/drm/measure.hpp"
#include "backends/drm/objects.hpp"
#include "backends/drm/plane_formats.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "os/device_node.hpp"

#include <drm.h>
#include <drm_mode.h>

#include <algorithm>
#include <array>
#include <cerrno>
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
    const std::string version = os::drm_driver_version(fd);
    if (!id || version.empty())
        return {}; // nothing is remembered under half a name
    return text::format("drm {} {} {} {} {}:{}", info.driver, version, info.bus, info.name, id->device, id->inode);
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
    auto driver = os::drm_driver_name(fd.get(), path);
    if (!driver)
        return driver.error();
    if (driver->empty())
        return Error::invalid_argument(Call{"DRM_IOCTL_VERSION", path}, "this is not a DRM node",
                                       "allocinfo devices lists those of this machine");
    NodeInfo info;
    const std::string name = os::kernel_name(fd.get()).value_or(os::last_part(path));
    for (const os::DrmNode& node : os::drm_nodes()) {
        if (node.name == name)
            info = info_of(node);
    }
    info.path = std::move(path);
    info.driver = std::move(*driver);
    constexpr std::array<std::uint64_t, 5> asked{DRM_CAP_PRIME, DRM_CAP_DUMB_BUFFER, DRM_CAP_ADDFB2_MODIFIERS,
                                                 DRM_CAP_ASYNC_PAGE_FLIP, cap_atomic_async_page_flip};
    std::array<std::uint64_t, asked.size()> answers{};
    for (std::size_t i = 0; i < asked.size(); ++i) {
        const auto answer = os::drm_capability(fd.get(), asked[i], info.path);
        if (!answer)
            return answer.error();
        answers[i] = *answer;
    }
    info.imports = (answers[0] & DRM_PRIME_CAP_IMPORT) != 0;
    info.exports = (answers[0] & DRM_PRIME_CAP_EXPORT) != 0;
    info.dumb_buffers = answers[1] != 0;
    info.modifiers = answers[2] != 0;
    info.async_flips = answers[3] != 0;
    info.atomic_async_flips = answers[4] != 0;
    drm_mode_card_res resources{};
    const int error = os::ioctl_again(fd.get(), DRM_IOCTL_MODE_GETRESOURCES, &resources);
    if (error != 0 && error != EOPNOTSUPP && error != EINVAL && error != EACCES) // a render node
        return Error::from_errno(error, {"DRM_IOCTL_MODE_GETRESOURCES", info.path});
    info.modesetting = error == 0;

    return std::shared_ptr<File>(new File(std::move(fd), std::move(info)));
}

File::File(UniqueFd fd, NodeInfo info)
    : fd_(std::move(fd)),
      info_(std::move(info)),
      sysfs_(os::sysfs_folder(fd_.get()).value_or("")),
      identity_(identity_of(info_, fd_.get()))
{}

Result<int> File::memory_fd()
{
    const std::lock_guard lock(mutex_);
    return open_memory();
}

Result<int> File::open_memory()
{
    if (memory_fd_ >= 0)
        return memory_fd_;
    auto own = os::open_drm_again(fd_.get());
    if (own) {
        own_ = std::move(*own);
        memory_fd_ = own_.get();
        return memory_fd_;
    }
    const Category why = own.error().category;
    if (why != Category::permission_denied && why != Category::not_present && why != Category::busy)
        return own.error();
    notice_ =
        info_.path + " cannot be opened again, so memory is imported into the caller's file: " + own.error().message();
    memory_fd_ = fd_.get();
    return memory_fd_;
}

void File::tell()
{
    std::string notice;
    {
        const std::lock_guard lock(mutex_);
        notice.swap(notice_);
    }
    if (!notice.empty())
        log(notice);
}

Result<std::uint32_t> File::import(int dma_buf)
{
    const std::lock_guard lock(mutex_);
    const auto fd = open_memory();
    if (!fd)
        return fd.error();
    drm_prime_handle request{.fd = dma_buf};
    const auto ask = [&] { return os::ioctl_again(*fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &request); };
    int error = ask();
    // ENODEV is what virtio-gpu says of memory that is not its own, each time. A card that is gone answers it to
    // every call.
    const bool is_here = error == ENODEV && os::drm_driver_name(*fd, info_.path).has_value();
    if (is_here)
        error = ask();
    if (error != 0) {
        Error result =
            Error::from_errno(error, where("DRM_IOCTL_PRIME_FD_TO_HANDLE"), "the driver does not import this memory");
        if (result.category == Category::invalid_argument || (is_here && error == ENODEV))
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
    os::ioctl_again(memory_fd_, DRM_IOCTL_GEM_CLOSE, &request);
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

Result<SharedConstraints> File::constraints(Format format, std::uint32_t width)
{
    const std::lock_guard lock(mutex_);
    if (const auto known = measured_.find({format, width}); known != measured_.end())
        return known->second;
    const auto fd = open_memory();
    auto found = fd ? measure_framebuffers(*this, *fd, format, width) : fd.error();
    if (!found) {
        const Category why = found.error().category;
        if (why == Category::device_gone || why == Category::device_failed)
            return found.error();
        return SharedConstraints{};
    }
    return measured_.emplace(std::pair(format, width), std::move(*found)).first->second;
}

} // namespace commonbuf::drm
