// SPDX-License-Identifier: MIT
//
// /dev/udmabuf (linux/udmabuf.h, drivers/dma-buf/udmabuf.c): dma-bufs over the pages of a memfd
// that is sealed against shrinking.
#include "heaps/udmabuf.hpp"

#include "format/checked.hpp"
#include "base/unshared_heap.hpp"
#include "heaps/heaps.hpp"
#include "os/os.hpp"
#include "os/reach.hpp"

#include <fcntl.h>
#include <linux/udmabuf.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>

namespace commonbuf::heaps {
namespace {

const std::string path = "/dev/udmabuf";

/// The kernel counts in pages of its own size, a power of two from 4 KiB to 64 KiB. Multiples
/// of the largest suit every kernel.
constexpr std::uint64_t page = 65536;

/// Far below the kernel's default list_limit of 1024, and enough that no importer takes the
/// pieces for a single one.
constexpr std::uint64_t most_pieces = 256;

/// Makes a memory file that cannot shrink, as udmabuf demands.
Result<UniqueFd> sealed_memory(std::uint64_t bytes)
{
    UniqueFd memory(os::kernel().memfd_create("commonbuf", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!memory)
        return Error::from_errno(errno, "memfd_create");
    if (os::kernel().ftruncate(memory.get(), static_cast<off_t>(bytes)) != 0)
        return Error::from_errno(errno, "ftruncate", "a memory file cannot have " + std::to_string(bytes) + " bytes");
    if (os::kernel().fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK) != 0)
        return Error::from_errno(errno, "fcntl(F_ADD_SEALS)");
    return memory;
}

/// Rounds a size up to whole pages. Errors: invalid_argument (0 bytes; too many).
Result<std::uint64_t> whole_pages(std::uint64_t bytes)
{
    const checked::Number size = checked::round_up(bytes, page);
    if (!size || *size == 0 || *size > std::uint64_t{std::numeric_limits<std::int64_t>::max()})
        return Error::invalid_argument("allocate from udmabuf", "no udmabuf has " + std::to_string(bytes) + " bytes");
    return *size;
}

/// Makes a dma-buf of so many bytes.
Result<UniqueFd> create(const UniqueFd& node, unsigned long request, std::string_view call, void* argument,
                        std::uint64_t bytes)
{
    constexpr const char* limits = "see the limits in /sys/module/udmabuf/parameters (size_limit_mb, list_limit)";
    const int fd = os::ioctl_fd(node.get(), request, argument);
    if (fd < 0)
        return Error::from_errno(-fd, {call, path}, "no udmabuf of " + std::to_string(bytes) + " bytes was made",
                                 fd == -EINVAL ? limits : "");
    os::open_for_both_directions(fd);
    return UniqueFd(fd);
}

class Udmabuf final : public UnsharedHeap {
public:
    explicit Udmabuf(HeapInfo info) : info_(std::move(info)) {}

    const HeapInfo& info() const noexcept override { return info_; }

    Result<UniqueFd> allocate(std::uint64_t bytes) override
    {
        if (info_.obstacle)
            return *info_.obstacle;
        const auto size = whole_pages(bytes);
        if (!size)
            return size.error();
        const auto node = os::open(path);
        if (!node)
            return node.error();
        const auto memory = sealed_memory(*size);
        if (!memory)
            return memory.error();
        udmabuf_create request{static_cast<std::uint32_t>(memory->get()), UDMABUF_FLAGS_CLOEXEC, 0, *size};
        return create(*node, UDMABUF_CREATE, "UDMABUF_CREATE", &request, *size);
    }

private:
    HeapInfo info_;
};

} // namespace

std::vector<std::shared_ptr<Heap>> find_udmabuf()
{
    HeapInfo info;
    info.name = "udmabuf";
    info.kind = HeapKind::udmabuf;
    info.path = path;
    // Pages of the page cache, wherever these lie (udmabuf.c).
    info.memory = {
        .contiguous = false, .cached = true, .protected_memory = false, .address_bits = os::bits_of_memory()};
    info.obstacle = obstacle_of(path);
    return {std::make_shared<Udmabuf>(std::move(info))};
}

Result<PageOrders> PageOrders::create(std::uint64_t bytes)
{
    auto node = os::open(path);
    if (!node)
        return node.error();
    constexpr std::uint64_t min_pieces = 4; // fewer have no mixed order
    const auto size = whole_pages(std::max(bytes, min_pieces * page));
    if (!size)
        return size.error();
    const std::uint64_t pages = *size / page;
    const std::uint64_t count = std::min(pages, most_pieces);
    const std::uint64_t piece = (pages + count - 1) / count * page;
    auto memory = sealed_memory(piece * count);
    if (!memory)
        return memory.error();
    return PageOrders(std::move(*node), std::move(*memory), piece, static_cast<std::uint32_t>(count));
}

/// Which piece of the file comes as number `i`.
std::uint64_t PageOrders::place_of(Order order, std::uint32_t i) const
{
    switch (order) {
    case Order::forwards: return i;
    case Order::backwards: return count_ - 1 - i;
    case Order::mixed: break;
    }
    const std::uint32_t even = (count_ + 1) / 2;
    return i < even ? 2 * i : 2 * (count_ - 1 - i) + 1;
}

Result<UniqueFd> PageOrders::make(Order order) const
{
    // A udmabuf_create_list with room for its items.
    struct {
        std::uint32_t flags;
        std::uint32_t count;
        std::array<udmabuf_create_item, most_pieces> items;
    } request{UDMABUF_FLAGS_CLOEXEC, count_, {}};
    static_assert(offsetof(decltype(request), items) == sizeof(udmabuf_create_list));
    for (std::uint32_t i = 0; i < count_; ++i) {
        const std::uint64_t place = place_of(order, i);
        request.items.at(i) = {static_cast<std::uint32_t>(memory_.get()), 0, place * piece_, piece_};
    }
    return heaps::create(node_, UDMABUF_CREATE_LIST, "UDMABUF_CREATE_LIST", &request, piece_ * count_);
}

} // namespace commonbuf::heaps
