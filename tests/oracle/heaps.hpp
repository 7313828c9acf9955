// SPDX-License-Identifier: MIT
#pragma once

#include "truth.hpp"

#include <commonbuf/commonbuf.hpp>

#include <memory>
#include <string>
#include <vector>

namespace oracle {

/// A heap: what the library plans with, and how to reach its memory without the library.
struct NamedHeap {
    std::shared_ptr<commonbuf::Heap> heap;
    truth::Heap raw;

    const std::string& name() const noexcept { return raw.name; }
};

/// The heaps of this machine, GBM's of each display, and those of the Vulkan devices that have
/// uses. Their devices stay open. `brief`: GBM only for scanout, not for rendering too.
std::vector<NamedHeap> find_heaps(bool brief);

/// A layout in plain numbers.
truth::Layout plain(const commonbuf::Layout& layout);

} // namespace oracle
