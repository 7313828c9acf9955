// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

#include <cstdint>
#include <utility>

namespace commonbuf::heaps {

/// Makes dma-bufs over the same pages, in the order of their file or backwards. They cannot
/// both be contiguous, so an importer that takes both takes scattered memory.
///
/// Keep only one dma-buf at a time: the kernel tracks what is mapped for CPU access once for
/// each page and device, and all of udmabuf is one device.
class PageOrders {
public:
    /// Prepares the pages. Errors: why udmabuf cannot be used.
    static Result<PageOrders> create(std::uint64_t bytes);

    /// How the pages follow each other. Neither memory that was taken upwards nor memory that was taken
    /// downwards is contiguous in the mixed order.
    enum class Order : std::uint8_t { forwards, backwards, mixed };

    Result<UniqueFd> make(Order order) const;

private:
    std::uint64_t place_of(Order order, std::uint32_t i) const;

    PageOrders(UniqueFd node, UniqueFd memory, std::uint64_t piece, std::uint32_t count)
        : node_(std::move(node)),
          memory_(std::move(memory)),
          piece_(piece),
          count_(count)
    {}

    UniqueFd node_;
    UniqueFd memory_;
    std::uint64_t piece_;
    std::uint32_t count_;
};

} // namespace commonbuf::heaps
