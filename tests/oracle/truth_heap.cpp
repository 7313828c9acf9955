// SPDX-License-Identifier: MIT
#include "truth_buffer.hpp"

#include <drm.h>
#include <drm_fourcc.h>
#include <drm_mode.h>
#include <fcntl.h>
#include <gbm.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace truth {
namespace {

constexpr std::uint64_t page = 4096;

std::uint64_t rounded_up(std::uint64_t number, std::uint64_t to) { return (number + to - 1) / to * to; }

Fd from_dma_heap(const Heap& heap, std::uint64_t bytes)
{
    const Fd node = open_node(heap.path);
    dma_heap_allocation_data request{};
    request.len = bytes;
    request.fd_flags = O_CLOEXEC | O_RDWR;
    const int error = attempt(node.get(), DMA_HEAP_IOCTL_ALLOC, &request);
    if (error != 0)
        throw Refused(failed("DMA_HEAP_IOCTL_ALLOC of " + std::to_string(bytes) + " bytes", error));
    return Fd(static_cast<int>(request.fd));
}

int create_in_order(int node, int pages, std::uint64_t size)
{
    udmabuf_create request{};
    request.memfd = static_cast<std::uint32_t>(pages);
    request.flags = UDMABUF_FLAGS_CLOEXEC;
    request.size = size;
    return ::ioctl(node, UDMABUF_CREATE, &request);
}

/// As many pieces as a list has, the last first.
int create_backwards(int node, int pages, std::uint64_t size)
{
    constexpr std::uint64_t most_pieces = 1024; // udmabuf's list_limit
    const std::uint64_t piece = rounded_up(size, page * most_pieces) / most_pieces;
    std::vector<udmabuf_create_item> items;
    for (std::uint64_t end = size; end > 0;) {
        const std::uint64_t begin = end > piece ? end - piece : 0;
        items.push_back({static_cast<std::uint32_t>(pages), 0, begin, end - begin});
        end = begin;
    }
    // Its flags and its count; clang takes no array without an end in an object.
    const std::array<std::uint32_t, 2> head{UDMABUF_FLAGS_CLOEXEC, static_cast<std::uint32_t>(items.size())};
    static_assert(sizeof head == offsetof(udmabuf_create_list, list));
    std::vector<std::byte> request(sizeof head + items.size() * sizeof items[0]);
    std::memcpy(request.data(), &head, sizeof head);
    std::memcpy(request.data() + sizeof head, items.data(), items.size() * sizeof items[0]);
    return ::ioctl(node, UDMABUF_CREATE_LIST, request.data());
}

Fd from_udmabuf(const Heap& heap, std::uint64_t bytes)
{
    const Fd node = open_node(heap.path);
    const std::uint64_t size = rounded_up(bytes, page);
    const Fd pages(::memfd_create("truth", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!pages || ::ftruncate(pages.get(), static_cast<off_t>(size)) != 0 ||
        ::fcntl(pages.get(), F_ADD_SEALS, F_SEAL_SHRINK) != 0)
        throw Unknowable(failed("memfd_create", errno));
    const int fd = heap.flags == backwards ? create_backwards(node.get(), pages.get(), size)
                                           : create_in_order(node.get(), pages.get(), size);
    if (fd < 0)
        throw Refused(failed("a udmabuf of " + std::to_string(size) + " bytes", errno));
    return Fd(fd);
}

/// A dumb buffer as plain bytes, in rows of 4 KiB.
Fd from_dumb(const Heap& heap, std::uint64_t bytes)
{
    const Fd card = open_node(heap.path);
    // vgem makes them without saying so, and a program must not ask it for any (drm.h, DRM_CAP_DUMB_BUFFER).
    drm_get_cap has{DRM_CAP_DUMB_BUFFER, 0};
    if (const int error = attempt(card.get(), DRM_IOCTL_GET_CAP, &has); error != 0 || has.value == 0)
        throw Refused(failed("DRM_CAP_DUMB_BUFFER", error));
    constexpr std::uint32_t bits = 32;
    constexpr std::uint32_t pixels = page * 8 / bits;
    drm_mode_create_dumb made{};
    made.width = pixels;
    made.height = static_cast<std::uint32_t>(rounded_up(bytes, page) / page);
    made.bpp = bits;
    if (const int error = attempt(card.get(), DRM_IOCTL_MODE_CREATE_DUMB, &made); error != 0)
        throw Refused(failed("DRM_IOCTL_MODE_CREATE_DUMB of " + std::to_string(bytes) + " bytes", error));
    drm_prime_handle prime{made.handle, DRM_CLOEXEC | DRM_RDWR, -1};
    call(card.get(), DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime, "DRM_IOCTL_PRIME_HANDLE_TO_FD");
    return Fd(prime.fd);
}

class Gbm {
public:
    explicit Gbm(const std::string& path)
        : card_(open_node(path)),
          device_(gbm_create_device(card_.get()), gbm_device_destroy)
    {
        if (device_ == nullptr)
            throw Unknowable("gbm_create_device fails on " + path);
    }

    /// Everything in one memory, where the driver puts it.
    std::vector<Fd> make(const Heap& heap, const Layout& layout) const
    {
        errno = 0;
        const std::unique_ptr<gbm_bo, decltype(&gbm_bo_destroy)> object(
            gbm_bo_create(device_.get(), layout.width, layout.height, layout.fourcc, heap.flags | GBM_BO_USE_LINEAR),
            gbm_bo_destroy);
        if (object == nullptr)
            throw Refused(failed("gbm_bo_create", errno));
        const auto count = static_cast<std::size_t>(gbm_bo_get_plane_count(object.get()));
        bool same = count == layout.planes.size() && layout.memories.size() == 1;
        for (std::size_t i = 0; same && i < count; ++i)
            same = gbm_bo_get_stride_for_plane(object.get(), static_cast<int>(i)) == layout.planes[i].stride &&
                   gbm_bo_get_offset(object.get(), static_cast<int>(i)) == layout.planes[i].offset;
        if (!same)
            throw Refused("GBM lays it out in another way, with stride " +
                          std::to_string(gbm_bo_get_stride(object.get())));
        std::vector<Fd> memories;
        memories.emplace_back(gbm_bo_get_fd(object.get()));
        return memories;
    }

private:
    Fd card_;
    std::unique_ptr<gbm_device, decltype(&gbm_device_destroy)> device_;
};

std::vector<Fd> memories_of(const Heap& heap, const Layout& layout, std::uint64_t extra)
{
    if (heap.kind == HeapKind::gbm)
        return Gbm(heap.path).make(heap, layout);
    if (heap.kind == HeapKind::vulkan)
        return allocate_vulkan(heap, layout);
    std::vector<Fd> memories;
    for (const std::uint64_t size : layout.memories) {
        switch (heap.kind) {
        case HeapKind::udmabuf: memories.push_back(from_udmabuf(heap, size + extra)); break;
        case HeapKind::dumb: memories.push_back(from_dumb(heap, size + extra)); break;
        default: memories.push_back(from_dma_heap(heap, size + extra)); break;
        }
    }
    return memories;
}

} // namespace

std::vector<Buffer> allocate(const Heap& heap, const Layout& layout, std::uint32_t count, std::uint64_t extra)
{
    std::vector<Buffer> buffers;
    for (std::uint32_t i = 0; i < count; ++i)
        buffers.emplace_back(layout, memories_of(heap, layout, extra));
    return buffers;
}

} // namespace truth
