// SPDX-License-Identifier: MIT
#pragma once

#include "backends/v4l2/node.hpp"

#include <string_view>

namespace commonbuf::v4l2 {

/// The error of a call on a node, with the category and the advice that its errno has for V4L2.
Error call_failed(const Node& node, int error, std::string_view call);

} // namespace commonbuf::v4l2
