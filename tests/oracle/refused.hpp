// SPDX-License-Identifier: MIT
#pragma once

#include "truth.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace oracle {

/// The layouts that a driver could have in mind where a plan says that there is none: the
/// narrowest rows, rows of whole cache lines, and the width and height of whole macroblocks; all
/// planes in one memory and each in its own. `brief`: fewer strides.
std::vector<truth::Layout> natural_layouts(std::uint32_t fourcc, std::uint32_t width, std::uint32_t height, bool brief);

/// The same layout with more room behind it, least first: what advice on a refusal would ask for.
std::vector<truth::Layout> larger(const truth::Layout& layout);

/// Of these heaps those to try a refused layout on: the one that refuses the fewest devices, a region of at
/// least some size before ordinary memory; all of them if each is memory of one device. `heaps` has one at least.
std::vector<const truth::Heap*> willing(const std::vector<truth::Heap>& heaps, const truth::Layout& layout);

/// As the library would write it, with what it leaves out.
std::string describe(const truth::Layout& layout);

} // namespace oracle
