// SPDX-License-Identifier: MIT
#pragma once

#include "backends/v4l2/node.hpp"

#include <commonbuf/use.hpp>

#include <memory>

namespace commonbuf::v4l2 {

/// The use of a queue.
Use make_use(std::shared_ptr<Node> node, Role role);

} // namespace commonbuf::v4l2
