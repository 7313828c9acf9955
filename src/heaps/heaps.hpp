// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/heap.hpp>

#include <array>
#include <memory>
#include <vector>

/// One function for each kind of heap: what of it there is on this machine.
namespace commonbuf::heaps {

std::vector<std::shared_ptr<Heap>> find_dma_heaps();
std::vector<std::shared_ptr<Heap>> find_udmabuf();
std::vector<std::shared_ptr<Heap>> find_drm_dumb();

/// Makes dma-bufs over the same pages, in the order of their file or backwards. They cannot
/// both be contiguous, so an importer that takes both takes scattered memory.
///
/// One at a time: the kernel's bookkeeping of what is mapped for brackets knows a page
/// once for each device, and udmabuf is one device.
class PageOrders {
public:
    /// Errors: what keeps udmabuf from being used.
    static Result<PageOrders> create(std::uint64_t bytes);

    Result<UniqueFd> make(bool backwards) const;

private:
    PageOrders(UniqueFd node, UniqueFd memory, std::uint64_t piece, std::uint64_t count)
        : node_(std::move(node)),
          memory_(std::move(memory)),
          piece_(piece),
          count_(count)
    {}

    UniqueFd node_;
    UniqueFd memory_;
    std::uint64_t piece_;
    std::uint64_t count_;
};

} // namespace commonbuf::heaps
