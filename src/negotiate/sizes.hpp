// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/constraints.hpp>
#include <commonbuf/layout.hpp>
#include <commonbuf/result.hpp>

#include <optional>

/// The sizes of a layout's memories. Pure.
namespace commonbuf::negotiate {

/// Grow every memory of a layout to what the constraints ask for. Errors: incompatible.
Status fit_sizes(Layout& layout, const Constraints& constraints);

/// The same layout with memories that end in a single small page, so that a heap of chunks takes
/// that page from elsewhere (see Proof). None if the constraints allow no such sizes.
std::optional<Layout> with_odd_sizes(const Layout& layout, const Constraints& constraints);

} // namespace commonbuf::negotiate
