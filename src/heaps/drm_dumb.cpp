// SPDX-License-Identifier: MIT
//
// Dumb buffers of a DRM device (drm_mode.h; drm_dumb_buffers.c). They are meant for scanout by that
// device, so they rank below memory that is made for sharing.
#include "heaps/heaps.hpp"
#include "os/drm_node.hpp"
#include "os/dumb_buffer.hpp"
#include "os/os.hpp"
#include "base/text.hpp"

#include <commonbuf/format.hpp>
#include <commonbuf/layout.hpp>

#include <drm.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace commonbuf::heaps {
namespace {

/// Says why a card cannot be a heap.
std::optional<Error> obstacle(int fd, const std::string& path)
{
    const auto dumb = os::drm_capability(fd, DRM_CAP_DUMB_BUFFER, path);
    const auto prime = os::drm_capability(fd, DRM_CAP_PRIME, path);
    if (!dumb || !prime)
        return dumb ? prime.error() : dumb.error();
    const Call call{"DRM_IOCTL_GET_CAP", path};
    if (*dumb == 0)
        return Error::unsupported(call, "the driver has no dumb buffers");
    if ((*prime & DRM_PRIME_CAP_EXPORT) == 0)
        return Error::unsupported(call, "the driver does not export dma-bufs");
    return std::nullopt;
}

class DrmDumb final : public Heap {
public:
    DrmDumb(HeapInfo info, std::string identity, std::optional<os::FileId> id)
        : info_(std::move(info)),
          identity_(std::move(identity)),
          id_(id)
    {}

    const HeapInfo& info() const noexcept override { return info_; }
    const std::string& identity() const noexcept override { return identity_; }

    Result<UniqueFd> allocate(std::uint64_t bytes) override
    {
        if (info_.obstacle)
            return *info_.obstacle;
        const auto node = opened();
        if (!node)
            return node.error();

        // As many rows of 4 KiB as it takes.
        constexpr std::uint32_t pixels = 1024;
        constexpr std::uint32_t bits = 32;
        constexpr std::uint64_t row = pixels * bits / 8;
        constexpr std::uint64_t most_rows = 1U << 30U;
        const std::uint64_t rows = bytes / row + (bytes % row != 0 ? 1 : 0);
        if (rows == 0 || rows > most_rows)
            return Error::invalid_argument("allocate from " + info_.name,
                                           "no dumb buffer has " + std::to_string(bytes) + " bytes");
        const auto buffer = create(*node, {pixels, static_cast<std::uint32_t>(rows), bits}, bytes);
        if (!buffer)
            return buffer.error();
        // The dma-buf keeps the memory; the GEM handle is no longer needed.
        return buffer->to_dma_buf();
    }

    /// On virtual machines a dumb buffer is a picture of the host's, with the width and height that
    /// it was made with, and the host refuses to show it in another geometry, without a word to the
    /// guest. So the buffer is made as the layout has it, if the driver then has the same stride.
    Result<std::vector<UniqueFd>> allocate_image(const Layout& layout) override
    {
        const FormatInfo* format = format_info(layout.format);
        const bool picture = format != nullptr && layout.memory_count == 1 && layout.plane_count > 0 &&
                             layout.planes[0].stride != 0 && layout.modifier == linear && !info_.obstacle;
        if (!picture)
            return Heap::allocate_image(layout);
        const auto node = opened();
        if (!node)
            return node.error();
        // Rows of the format's own pixels; or of 32 bits, if the driver has no others.
        std::vector<os::DumbSize> sizes;
        const auto rows = [&](std::uint32_t pixel_bytes) {
            const std::uint32_t stride = layout.planes[0].stride;
            if (pixel_bytes == 0 || stride % pixel_bytes != 0)
                return;
            constexpr std::uint32_t byte = 8;
            constexpr std::uint64_t page = 4096; // drivers fill the last one
            const std::uint64_t bytes = layout.memory_sizes[0];
            const bool enough = bytes < std::uint64_t{stride} * layout.height + page;
            const std::uint64_t height = enough ? layout.height : (bytes + stride - 1) / stride;
            if (height <= std::numeric_limits<std::uint32_t>::max())
                sizes.push_back({stride / pixel_bytes, static_cast<std::uint32_t>(height), pixel_bytes * byte});
        };
        rows(static_cast<std::uint32_t>(min_stride(*format, 0, 1)));
        constexpr std::uint32_t usual = 4;
        rows(usual);
        for (const os::DumbSize& size : sizes) {
            auto buffer = create(*node, size, layout.memory_sizes[0]);
            if (!buffer && buffer.error().is_transient())
                return buffer.error();
            if (!buffer || buffer->stride() != layout.planes[0].stride)
                continue;
            auto memory = buffer->to_dma_buf();
            if (!memory)
                return memory.error();
            std::vector<UniqueFd> memories;
            memories.push_back(std::move(*memory));
            return memories;
        }
        return Heap::allocate_image(layout);
    }

private:
    /// Errors: what the driver answers; kernel_failure (it made a smaller one).
    Result<os::DumbBuffer> create(int node, const os::DumbSize& size, std::uint64_t bytes) const
    {
        auto buffer = os::DumbBuffer::create(node, info_.path, size);
        if (!buffer) {
            Error result = buffer.error();
            result.detail = "the driver did not allocate " + std::to_string(bytes) + " bytes";
            return result;
        }
        if (buffer->size() < bytes)
            return Error::kernel_failure(Call{"DRM_IOCTL_MODE_CREATE_DUMB", info_.path},
                                         "the driver made a buffer that is too small")
                .with_sizes(bytes, buffer->size());
        return buffer;
    }

    /// Opens the card when its memory is first needed: whoever opens one as the first becomes DRM master
    /// for a moment, and a list of heaps is no reason for that.
    Result<int> opened()
    {
        const std::lock_guard lock(mutex_);
        if (node_)
            return node_.get();
        auto node = os::open_drm(info_.path);
        if (!node)
            return node.error();
        if (const auto id = os::id_of(node->get()); id_ && (!id || *id_ != *id))
            return Error::device_gone(Call{"open", info_.path},
                                      "the node is another one than when the heaps were listed",
                                      "list the heaps again");
        if (const auto why_not = obstacle(node->get(), info_.path))
            return *why_not;
        node_ = std::move(*node);
        return node_.get();
    }

    HeapInfo info_;
    std::string identity_;
    std::optional<os::FileId> id_; ///< of the node
    std::mutex mutex_;
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
        info.obstacle = obstacle_of(drm.path);
        // Another device may get the same number after this one was unplugged, but never the same node.
        std::optional<os::FileId> id;
        std::string identity;
        if (const auto found = os::id_of(drm.path)) {
            id = *found;
            identity = text::format("{} {} {} {}:{}", info.name, drm.bus, drm.device, id->device, id->inode);
        }
        heaps.push_back(std::make_shared<DrmDumb>(std::move(info), std::move(identity), id));
    }
    return heaps;
}

} // namespace commonbuf::heaps
