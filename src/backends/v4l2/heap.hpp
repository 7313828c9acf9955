// SPDX-License-Identifier: MIT
#pragma once

#include "backends/v4l2/node.hpp"

#include <commonbuf/heap.hpp>

#include <memory>
#include <string>

namespace commonbuf::v4l2 {

/// The name of a queue as a heap: "v4l2-video0-capture".
std::string heap_name(const Node& node, Role role);

/// The queue as a heap; null if its memory cannot be given out.
std::shared_ptr<Heap> make_heap(const std::shared_ptr<Node>& node, Role role);

} // namespace commonbuf::v4l2
