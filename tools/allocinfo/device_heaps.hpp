// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/commonbuf.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct gbm_device;

namespace allocinfo {

/// The heap that a word of the command line names, of a device that gives its memory to others:
/// `gbm:TARGET:scanout|render|scanout-render`, `vulkan:TARGET:ROLE` or
/// `v4l2:TARGET:capture|output`, with targets and roles as those of uses. Opens the device, for
/// as long as the program runs.
///
/// Errors: invalid_argument without errno for a word that names no heap; unsupported (a build
/// without; GBM has no driver for the device); otherwise what opening the device gives.
commonbuf::Result<std::shared_ptr<commonbuf::Heap>> parse_heap(std::string_view word);

#if defined(ALLOCINFO_GBM) && defined(ALLOCINFO_DRM)
/// GBM on a card, which stays open for as long as the program runs.
///
/// Errors: those of drm::Device::open(); unsupported (GBM has no driver for it).
commonbuf::Result<gbm_device*> open_gbm(std::string_view target);
#endif

/// Lets plans choose from the heaps that the words name too. Errors: those of parse_heap(),
/// and invalid_argument for one that is there already.
commonbuf::Status add_heaps(commonbuf::Allocator& allocator, const std::vector<std::string>& words);

/// The heaps of this machine, and behind them those that the words name. Errors: as above.
commonbuf::Result<std::vector<std::shared_ptr<commonbuf::Heap>>> heaps_with(const std::vector<std::string>& words);

} // namespace allocinfo
