// SPDX-License-Identifier: MIT
#pragma once

#include "negotiate/ways.hpp"

#include <commonbuf/layout.hpp>
#include <commonbuf/report.hpp>

#include <optional>
#include <span>

namespace commonbuf::negotiate {

/// Find where a conversion would do, for uses that share no arrangement: the arrangement that the
/// fewest uses lack, the best ranked among equals. None if no use has any arrangement. Pure.
std::optional<NearestConversion> nearest_conversion(const Request& request, std::span<const UseSupport> uses);

} // namespace commonbuf::negotiate
