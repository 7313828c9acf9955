// SPDX-License-Identifier: MIT
#pragma once

#include "heaps/udmabuf.hpp"

#include <commonbuf/heap.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

/// One function for each kind of heap: what this machine has of it. Nothing is allocated, and
/// what cannot be used is listed with its obstacle.
namespace commonbuf::heaps {

/// `failure` is set if the list could not be read, and is not complete.
std::vector<std::shared_ptr<Heap>> find_dma_heaps(std::optional<Error>* failure = nullptr);
std::vector<std::shared_ptr<Heap>> find_udmabuf();
std::vector<std::shared_ptr<Heap>> find_drm_dumb();

/// All of them, as find_heaps() lists them, and why some may be missing. Keep no list that has a failure.
struct Found {
    std::vector<std::shared_ptr<Heap>> heaps;
    std::optional<Error> failure;
};
Found find_all();

/// What stands in the way of opening a node, without opening it. A failure that may be gone at the next
/// try is no obstacle: heaps are found once.
std::optional<Error> obstacle_of(const std::string& path);

} // namespace commonbuf::heaps
