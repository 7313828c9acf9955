// SPDX-License-Identifier: MIT
//
// Dumb buffers of a DRM device as plain memory (drm_mode.h; drm_dumb_buffers.c). They
// are meant for scanout by that device, so they rank below memory made for sharing.
#include "heaps/heaps.hpp"
#include "os/drm_node.hpp"
#include "os/os.hpp"

#include <drm.h>
#include <fcntl.h>

namespace commonbuf::heaps {
namespace {

class DrmDumb final : public Heap {
public:
    DrmDumb(HeapInfo info, UniqueFd node) : info_(std::move(info)), node_(std::move(node)) {}

    const HeapInfo& info() const noexcept override { return info_; }

    Result<UniqueFd> allocate(std::uint64_t bytes) override
    {
        if (info_.obstacle)
            return *info_.obstacle;

        // Rows of 4 KiB, as many as it takes: the layout is ours, not the driver's.
        constexpr std::uint32_t pixels = 1024;
        constexpr std::uint32_t bits = 32;
        constexpr std::uint64_t row = pixels * bits / 8;
        constexpr std::uint64_t most_rows = 1U << 30U;
        const std::uint64_t rows = bytes / row + (bytes % row != 0 ? 1 : 0);
        if (rows == 0 || rows > most_rows)
            return Error::invalid_argument("DRM_IOCTL_MODE_CREATE_DUMB on " + info_.path,
                                           std::to_string(bytes) + " bytes make no buffer");
        drm_mode_create_dumb create{};
        create.width = pixels;
        create.height = static_cast<std::uint32_t>(rows);
        create.bpp = bits;
        if (const int error = os::ioctl_again(node_.get(), DRM_IOCTL_MODE_CREATE_DUMB, &create); error != 0)
            return Error::from_errno(error, {"DRM_IOCTL_MODE_CREATE_DUMB", info_.path},
                                     "the device gives no " + std::to_string(bytes) + " bytes");

        drm_prime_handle prime{};
        prime.handle = create.handle;
        prime.flags = DRM_CLOEXEC | DRM_RDWR;
        const int error = os::ioctl_again(node_.get(), DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime);
        // The dma-buf keeps the memory; the handle has done its work.
        drm_mode_destroy_dumb destroy{};
        destroy.handle = create.handle;
        os::ioctl_again(node_.get(), DRM_IOCTL_MODE_DESTROY_DUMB, &destroy);
        if (error != 0)
            return Error::from_errno(error, {"DRM_IOCTL_PRIME_HANDLE_TO_FD", info_.path});
        UniqueFd memory(prime.fd);
        if (create.size < bytes)
            return Error::kernel_failure("DRM_IOCTL_MODE_CREATE_DUMB on " + info_.path,
                                         "the driver gave " + std::to_string(create.size) + " bytes for " +
                                             std::to_string(bytes));
        return memory;
    }

private:
    HeapInfo info_;
    UniqueFd node_;
};

Error cannot(const std::string& path, std::string what)
{
    return Error::unsupported(Call{"DRM_IOCTL_GET_CAP", path}, std::move(what));
}

} // namespace

std::vector<std::shared_ptr<Heap>> find_drm_dumb()
{
    std::vector<std::shared_ptr<Heap>> heaps;
    for (const os::DrmNode& drm : os::drm_nodes()) {
        if (drm.render)
            continue;
        HeapInfo info;
        info.name = "dumb-" + drm.path.substr(drm.path.find_last_of('/') + 1);
        info.kind = HeapKind::drm_dumb;
        // On displays that need contiguous memory they are of the same region as the
        // dma-heap; nobody says whether they are.
        info.scarce = true;
        info.path = drm.path;
        auto node = os::open_drm(drm.path);
        if (!node)
            info.obstacle = node.error();
        else if (os::drm_capability(node->get(), DRM_CAP_DUMB_BUFFER) == 0)
            info.obstacle = cannot(drm.path, "the driver has no dumb buffers");
        else if ((os::drm_capability(node->get(), DRM_CAP_PRIME) & DRM_PRIME_CAP_EXPORT) == 0)
            info.obstacle = cannot(drm.path, "the driver does not export dma-bufs");
        heaps.push_back(std::make_shared<DrmDumb>(std::move(info), node ? std::move(*node) : UniqueFd()));
    }
    return heaps;
}

} // namespace commonbuf::heaps
