// SPDX-License-Identifier: MIT
//
// /dev/udmabuf (linux/udmabuf.h, drivers/dma-buf/udmabuf.c): dma-bufs over the pages
// of a memfd that is sealed against shrinking.
#include "format/checked.hpp"
#include "heaps/heaps.hpp"
#include "os/first_bracket.hpp"
#include "os/os.hpp"

#include <fcntl.h>
#include <linux/udmabuf.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <mutex>

namespace commonbuf::heaps {
namespace {

const std::string path = "/dev/udmabuf";

// The kernel counts in pages of its own size, which is a power of two from 4 KiB to
// 64 KiB; multiples of the largest suit every kernel.
constexpr std::uint64_t page = 65536;

Result<UniqueFd> sealed_memory(std::uint64_t bytes)
{
    UniqueFd memory(os::kernel().memfd_create("commonbuf", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!memory)
        return Error::from_errno(errno, "memfd_create");
    if (os::kernel().ftruncate(memory.get(), static_cast<off_t>(bytes)) != 0)
        return Error::from_errno(errno, "ftruncate", "no memory file of " + std::to_string(bytes) + " bytes");
    if (os::kernel().fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK) != 0)
        return Error::from_errno(errno, "fcntl F_ADD_SEALS");
    return memory;
}

Result<std::uint64_t> whole_pages(std::uint64_t bytes)
{
    const checked::Number size = checked::round_up(bytes, page);
    if (!size || *size == 0 || *size > std::uint64_t{std::numeric_limits<std::int64_t>::max()})
        return Error::invalid_argument("UDMABUF_CREATE", std::to_string(bytes) + " bytes make no buffer");
    return *size;
}

Error creation_failure(int error, const char* operation, std::uint64_t bytes)
{
    Error result = Error::from_errno(error, operation, "no udmabuf of " + std::to_string(bytes) + " bytes");
    if (error == EINVAL)
        result.advice = "see the limits in /sys/module/udmabuf/parameters (size_limit_mb, list_limit)";
    return result;
}

class Udmabuf final : public Heap {
public:
    explicit Udmabuf(HeapInfo info, UniqueFd node) : info_(std::move(info)), node_(std::move(node)) {}

    const HeapInfo& info() const noexcept override { return info_; }

    Result<UniqueFd> allocate(std::uint64_t bytes) override
    {
        if (info_.obstacle)
            return *info_.obstacle;
        const auto size = whole_pages(bytes);
        if (!size)
            return size.error();
        const auto memory = sealed_memory(*size);
        if (!memory)
            return memory.error();
        udmabuf_create request{};
        request.memfd = static_cast<std::uint32_t>(memory->get());
        request.flags = UDMABUF_FLAGS_CLOEXEC;
        request.size = *size;
        const int fd = os::ioctl_fd(node_.get(), UDMABUF_CREATE, &request);
        if (fd < 0)
            return creation_failure(-fd, "UDMABUF_CREATE", *size);
        os::open_for_both_directions(fd);
        return UniqueFd(fd);
    }

private:
    HeapInfo info_;
    UniqueFd node_;
};

} // namespace

std::vector<std::shared_ptr<Heap>> find_udmabuf()
{
    HeapInfo info;
    info.name = "udmabuf";
    info.kind = HeapKind::udmabuf;
    info.path = path;
    // Pages of the page cache, wherever they are (udmabuf.c).
    info.memory = {.contiguous = false, .cached = true, .protected_memory = false, .address_bits = {}};
    auto node = os::open(path);
    if (!node)
        info.obstacle = node.error();
    return {std::make_shared<Udmabuf>(std::move(info), node ? std::move(*node) : UniqueFd())};
}

Result<PageOrders> PageOrders::create(std::uint64_t bytes)
{
    // Far below the kernel's default list_limit of 1024, and enough that nobody
    // takes the pieces for one.
    constexpr std::uint64_t most_pieces = 256;
    auto node = os::open(path);
    if (!node)
        return node.error();
    const auto pages = whole_pages(std::max(bytes, 2 * page));
    if (!pages)
        return pages.error();
    const std::uint64_t count = std::min(*pages / page, most_pieces);
    const checked::Number piece = checked::round_up((*pages + count - 1) / count, page);
    const auto size = whole_pages(checked::multiply(piece, count).value_or(0));
    if (!piece || !size)
        return Error::invalid_argument("UDMABUF_CREATE_LIST", "the size overflows");
    auto memory = sealed_memory(*size);
    if (!memory)
        return memory.error();
    return PageOrders(std::move(*node), std::move(*memory), *piece, count);
}

Result<UniqueFd> PageOrders::make(bool backwards) const
{
    // A udmabuf_create_list is this head with the items behind it in memory.
    struct Head {
        std::uint32_t flags;
        std::uint32_t count;
    };
    static_assert(sizeof(Head) == sizeof(udmabuf_create_list));
    std::vector<std::byte> space(sizeof(Head) + count_ * sizeof(udmabuf_create_item));
    new (space.data()) Head{UDMABUF_FLAGS_CLOEXEC, static_cast<std::uint32_t>(count_)};
    for (std::uint64_t i = 0; i < count_; ++i) {
        auto* item =
            new (space.data() + sizeof(udmabuf_create_list) + i * sizeof(udmabuf_create_item)) udmabuf_create_item{};
        item->memfd = static_cast<std::uint32_t>(memory_.get());
        item->offset = (backwards ? count_ - 1 - i : i) * piece_;
        item->size = piece_;
    }
    const int fd = os::ioctl_fd(node_.get(), UDMABUF_CREATE_LIST, space.data());
    if (fd < 0)
        return creation_failure(-fd, "UDMABUF_CREATE_LIST", piece_ * count_);
    // One use brackets it for reading, another one for writing.
    os::open_for_both_directions(fd);
    return UniqueFd(fd);
}

} // namespace commonbuf::heaps
