// SPDX-License-Identifier: MIT
#include "heaps/page_orders.hpp"

#include "format/checked.hpp"
#include "heaps/udmabuf.hpp"
#include "os/first_bracket.hpp"
#include "os/os.hpp"

#include <linux/udmabuf.h>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace commonbuf::heaps {

Result<PageOrders> PageOrders::create(std::uint64_t bytes)
{
    // Far below the kernel's default list_limit of 1024, and enough that no importer takes the
    // pieces for a single one.
    constexpr std::uint64_t most_pieces = 256;
    auto node = os::open(udmabuf::path);
    if (!node)
        return node.error();
    const auto pages = udmabuf::whole_pages(std::max(bytes, 2 * udmabuf::page));
    if (!pages)
        return pages.error();
    const std::uint64_t count = std::min(*pages / udmabuf::page, most_pieces);
    const checked::Number piece = checked::round_up((*pages + count - 1) / count, udmabuf::page);
    const auto size = udmabuf::whole_pages(checked::multiply(piece, count).value_or(0));
    if (!piece || !size)
        return Error::invalid_argument(Call{"UDMABUF_CREATE_LIST", udmabuf::path}, "the size overflows");
    auto memory = udmabuf::sealed_memory(*size);
    if (!memory)
        return memory.error();
    return PageOrders(std::move(*node), std::move(*memory), *piece, count);
}

Result<UniqueFd> PageOrders::make(bool backwards) const
{
    // A udmabuf_create_list is this head, followed by the items.
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
        return udmabuf::creation_failure(-fd, "UDMABUF_CREATE_LIST", piece_ * count_);
    // One use opens it for reading, another one for writing.
    os::open_for_both_directions(fd);
    return UniqueFd(fd);
}

} // namespace commonbuf::heaps
