// SPDX-License-Identifier: MIT
#pragma once

#include "heaps/udmabuf.hpp"

#include <commonbuf/heap.hpp>

#include <memory>
#include <vector>

/// One function for each kind of heap: what this machine has of it. Nothing is allocated, and
/// what cannot be used is listed with its obstacle.
namespace commonbuf::heaps {

std::vector<std::shared_ptr<Heap>> find_dma_heaps();
std::vector<std::shared_ptr<Heap>> find_udmabuf();
std::vector<std::shared_ptr<Heap>> find_drm_dumb();

} // namespace commonbuf::heaps
