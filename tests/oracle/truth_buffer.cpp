// SPDX-License-Identifier: MIT
#include "truth_buffer.hpp"

#include <linux/dma-buf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

namespace truth {

Mapping::Mapping(int fd, std::uint64_t bytes, std::uint64_t offset)
{
    void* const start = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, static_cast<off_t>(offset));
    if (start == MAP_FAILED)
        throw Unknowable(failed("mmap", errno));
    bytes_ = {static_cast<std::byte*>(start), static_cast<std::size_t>(bytes)};
}

Mapping::~Mapping() { ::munmap(bytes_.data(), bytes_.size()); }

class Buffer::Bracket {
public:
    Bracket(const Buffer& buffer, std::uint64_t flags) : buffer_(buffer), flags_(flags)
    {
        for (const auto& mapping : buffer.mappings_)
            maps_.push_back(mapping->bytes());
        sync(DMA_BUF_SYNC_START);
    }
    Bracket(const Bracket&) = delete;
    Bracket& operator=(const Bracket&) = delete;
    ~Bracket() { sync(DMA_BUF_SYNC_END); }

    const Maps& maps() const noexcept { return maps_; }

private:
    void sync(std::uint64_t edge) const
    {
        dma_buf_sync request{flags_ | edge};
        for (const Fd& memory : buffer_.memories_)
            attempt(memory.get(), DMA_BUF_IOCTL_SYNC, &request);
    }

    const Buffer& buffer_;
    std::uint64_t flags_;
    Maps maps_;
};

Buffer::Buffer(const Layout& layout, std::vector<Fd> memories) : layout_(layout), memories_(std::move(memories))
{
    for (std::size_t i = 0; i < memories_.size(); ++i) {
        const off_t size = ::lseek(memories_[i].get(), 0, SEEK_END);
        if (size < 0 || static_cast<std::uint64_t>(size) < layout.memories[i])
            throw Refused("the heap gave " + std::to_string(size) + " bytes instead of " +
                          std::to_string(layout.memories[i]));
        sizes_.push_back(static_cast<std::uint64_t>(size));
        mappings_.push_back(std::make_unique<Mapping>(memories_[i].get(), sizes_.back()));
    }
    // A udmabuf is mapped for brackets once, in the direction of the first one (udmabuf.c).
    const Bracket first(*this, DMA_BUF_SYNC_RW);
}

Picture Buffer::read() const
{
    const Bracket bracket(*this, DMA_BUF_SYNC_READ);
    return read_picture(layout_, bracket.maps());
}

void Buffer::write(const Picture& picture) const
{
    const Bracket bracket(*this, DMA_BUF_SYNC_WRITE);
    write_picture(picture, layout_, bracket.maps());
}

void Buffer::wipe(std::uint32_t frame) const
{
    constexpr std::uint32_t first = 0xa5;
    constexpr std::uint32_t step = 29;
    const Bracket bracket(*this, DMA_BUF_SYNC_WRITE);
    fill(bracket.maps(), static_cast<std::byte>((first + frame * step) & 0xffU));
}

} // namespace truth
