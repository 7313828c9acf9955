// SPDX-License-Identifier: MIT
#pragma once

#include "negotiate/ways.hpp"

#include <commonbuf/layout.hpp>

#include <span>
#include <string>

namespace commonbuf::negotiate {

/// For uses that share no way: the way that the fewest uses lack, the best ranked among
/// equals, who lacks it, and what those have instead: where a conversion would do.
/// Empty when no use has any way. Pure.
std::string nearest_conversion(const Request& request, std::span<const UseSupport> uses);

} // namespace commonbuf::negotiate
