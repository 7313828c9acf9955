// SPDX-License-Identifier: MIT
#pragma once

#include "backends/v4l2/node.hpp"

#include <commonbuf/v4l2/rectangle.hpp>

#include <cstdint>

namespace commonbuf::v4l2 {

/// The rectangles of a queue; see Queue::selection() and Queue::set_selection().
Result<Rectangle> get_selection(const Node& node, Role role, std::uint32_t target);
Result<Rectangle> set_selection(const Node& node, Role role, std::uint32_t target, const Rectangle& wanted,
                                std::uint32_t flags);

} // namespace commonbuf::v4l2
