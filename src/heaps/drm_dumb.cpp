// SPDX-License-Identifier: MIT
//
// Dumb buffers of a DRM device as plain memory (drm_mode.h; drm_dumb_buffers.c). They are meant
// for scanout by that device, so they rank below memory that is made for sharing.
#include "heaps/heaps.hpp"
#include "os/drm_node.hpp"
#include "os/dumb_buffer.hpp"
#include "os/os.hpp"

#include <drm.h>

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

        // As many rows of 4 KiB as it takes: the layout is ours, not the driver's.
        constexpr std::uint32_t pixels = 1024;
        constexpr std::uint32_t bits = 32;
        constexpr std::uint64_t row = pixels * bits / 8;
        constexpr std::uint64_t most_rows = 1U << 30U;
        const std::uint64_t rows = bytes / row + (bytes % row != 0 ? 1 : 0);
        if (rows == 0 || rows > most_rows)
            return Error::invalid_argument("allocate from " + info_.name,
                                           "no dumb buffer has " + std::to_string(bytes) + " bytes");
        const auto buffer =
            os::DumbBuffer::create(node_.get(), info_.path, {pixels, static_cast<std::uint32_t>(rows), bits});
        if (!buffer) {
            Error result = buffer.error();
            result.detail = "the driver did not allocate " + std::to_string(bytes) + " bytes";
            return result;
        }
        if (buffer->size() < bytes)
            return Error::kernel_failure(Call{"DRM_IOCTL_MODE_CREATE_DUMB", info_.path},
                                         "the driver made a buffer that is too small")
                .with_sizes(bytes, buffer->size());
        // The dma-buf keeps the memory; the GEM handle is no longer needed.
        return buffer->to_dma_buf();
    }

private:
    HeapInfo info_;
    UniqueFd node_;
};

} // namespace

std::vector<std::shared_ptr<Heap>> find_drm_dumb()
{
    std::vector<std::shared_ptr<Heap>> heaps;
    for (const os::DrmNode& drm : os::drm_nodes()) {
        if (drm.render)
            continue;
        HeapInfo info;
        info.name = "dumb-" + drm.name;
        info.kind = HeapKind::drm_dumb;
        // A display that needs contiguous memory may take them from the same region as a
        // dma-heap does; the kernel does not tell.
        info.scarce = true;
        info.path = drm.path;
        auto node = os::open_drm(drm.path);
        if (!node)
            info.obstacle = node.error();
        else if (os::drm_capability(node->get(), DRM_CAP_DUMB_BUFFER) == 0)
            info.obstacle = Error::unsupported(Call{"DRM_IOCTL_GET_CAP", drm.path}, "the driver has no dumb buffers");
        else if ((os::drm_capability(node->get(), DRM_CAP_PRIME) & DRM_PRIME_CAP_EXPORT) == 0)
            info.obstacle =
                Error::unsupported(Call{"DRM_IOCTL_GET_CAP", drm.path}, "the driver does not export dma-bufs");
        heaps.push_back(std::make_shared<DrmDumb>(std::move(info), std::move(node).value_or(UniqueFd())));
    }
    return heaps;
}

} // namespace commonbuf::heaps
