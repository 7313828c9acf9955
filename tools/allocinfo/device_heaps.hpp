// SPDX-License-Identifier: MIT
#pragma once

#include "problem.hpp"

#include <commonbuf/commonbuf.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct gbm_device;

namespace allocinfo {

/// Opens the device that a word of the command line names, and gives the heap of its memory:
/// `gbm:TARGET:scanout|render|scanout-render`, `vulkan:TARGET:ROLE` or
/// `v4l2:TARGET:capture|output`, with targets and roles as those of uses. The device stays open
/// for as long as the program runs.
///
/// Errors: usage for a word that names no heap, and for a backend that this build lacks; trouble
/// for a device that cannot be opened or exports no memory.
Expected<std::shared_ptr<commonbuf::Heap>> parse_heap(std::string_view word);

#if defined(ALLOCINFO_GBM) && defined(ALLOCINFO_DRM)
/// Opens GBM on a card. Both stay open for as long as the program runs.
///
/// Errors: those of drm::Device::open(); unsupported (GBM has no driver for it).
Expected<gbm_device*> open_gbm(std::string_view target);
#endif

/// Adds the heaps that the words name to those that plans choose from. Errors: those of
/// parse_heap(); usage for a heap that is named twice.
Expected<void> add_heaps(commonbuf::Allocator& allocator, const std::vector<std::string>& words);

/// Gives the heaps of this machine, and behind them those that the words name. Errors: as above.
Expected<std::vector<std::shared_ptr<commonbuf::Heap>>> heaps_with(const std::vector<std::string>& words);

} // namespace allocinfo
