// SPDX-License-Identifier: MIT
//
// /dev/udmabuf (linux/udmabuf.h, drivers/dma-buf/udmabuf.c): dma-bufs over the pages of a memfd
// that is sealed against shrinking.
#include "heaps/udmabuf.hpp"

#include "format/checked.hpp"
#include "heaps/heaps.hpp"
#include "os/first_bracket.hpp"
#include "os/os.hpp"

#include <fcntl.h>
#include <linux/udmabuf.h>
#include <sys/mman.h>

#include <limits>

namespace commonbuf::heaps::udmabuf {

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

Result<std::uint64_t> whole_pages(std::uint64_t bytes)
{
    const checked::Number size = checked::round_up(bytes, page);
    if (!size || *size == 0 || *size > std::uint64_t{std::numeric_limits<std::int64_t>::max()})
        return Error::invalid_argument("allocate from udmabuf", "no udmabuf has " + std::to_string(bytes) + " bytes");
    return *size;
}

Error creation_failure(int error, std::string_view call, std::uint64_t bytes)
{
    Error result = Error::from_errno(error, {call, path}, "no udmabuf of " + std::to_string(bytes) + " bytes was made");
    if (error == EINVAL)
        result.advice = "see the limits in /sys/module/udmabuf/parameters (size_limit_mb, list_limit)";
    return result;
}

} // namespace commonbuf::heaps::udmabuf

namespace commonbuf::heaps {
namespace {

class Udmabuf final : public Heap {
public:
    explicit Udmabuf(HeapInfo info, UniqueFd node) : info_(std::move(info)), node_(std::move(node)) {}

    const HeapInfo& info() const noexcept override { return info_; }

    Result<UniqueFd> allocate(std::uint64_t bytes) override
    {
        if (info_.obstacle)
            return *info_.obstacle;
        const auto size = udmabuf::whole_pages(bytes);
        if (!size)
            return size.error();
        const auto memory = udmabuf::sealed_memory(*size);
        if (!memory)
            return memory.error();
        udmabuf_create request{};
        request.memfd = static_cast<std::uint32_t>(memory->get());
        request.flags = UDMABUF_FLAGS_CLOEXEC;
        request.size = *size;
        const int fd = os::ioctl_fd(node_.get(), UDMABUF_CREATE, &request);
        if (fd < 0)
            return udmabuf::creation_failure(-fd, "UDMABUF_CREATE", *size);
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
    info.path = udmabuf::path;
    // Pages of the page cache, wherever these lie (udmabuf.c).
    info.memory = {.contiguous = false, .cached = true, .protected_memory = false, .address_bits = {}};
    auto node = os::open(info.path);
    if (!node)
        info.obstacle = node.error();
    return {std::make_shared<Udmabuf>(std::move(info), node ? std::move(*node) : UniqueFd())};
}

} // namespace commonbuf::heaps
