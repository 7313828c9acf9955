// SPDX-License-Identifier: MIT
#pragma once

#include "truth.hpp"
#include "truth_picture.hpp"
#include "truth_system.hpp"

#include <memory>
#include <vector>

namespace truth {

/// A mapping of a file.
class Mapping {
public:
    /// Throws Unknowable where the CPU may not map it.
    Mapping(int fd, std::uint64_t bytes, std::uint64_t offset = 0);
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping();

    std::span<std::byte> bytes() const noexcept { return bytes_; }

private:
    std::span<std::byte> bytes_;
};

/// The dma-bufs of one image.
class Buffer {
public:
    /// Throws Refused where they are smaller than the layout says.
    Buffer(const Layout& layout, std::vector<Fd> memories);

    const Layout& layout() const noexcept { return layout_; }
    int fd(std::size_t memory) const { return memories_[memory].get(); }
    std::uint64_t size(std::size_t memory) const { return sizes_[memory]; }

    /// Between START and END of DMA_BUF_IOCTL_SYNC.
    Picture read() const;
    void write(const Picture& picture) const;

    /// Another byte for each frame, so that nothing that nobody wrote looks right.
    void wipe(std::uint32_t frame) const;

private:
    class Bracket;

    Layout layout_;
    std::vector<Fd> memories_;
    std::vector<std::uint64_t> sizes_;
    std::vector<std::unique_ptr<Mapping>> mappings_;
};

/// Buffers of a layout from a heap; each memory is larger by `extra`, where the heap has other
/// sizes than an image's own.
///
/// Throws Refused where the heap does not give them, and Unknowable where nobody here can ask it.
std::vector<Buffer> allocate(const Heap& heap, const Layout& layout, std::uint32_t count, std::uint64_t extra);

/// Memory of a Vulkan device, as an image of the layout. Throws as allocate() does.
std::vector<Fd> allocate_vulkan(const Heap& heap, const Layout& layout);

} // namespace truth
