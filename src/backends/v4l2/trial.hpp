// SPDX-License-Identifier: MIT
#pragma once

#include "backends/v4l2/node.hpp"

#include <commonbuf/use.hpp>

#include <memory>

namespace commonbuf::v4l2 {

/// Begins trial imports into a queue. The queue gets its format back when the trial is destroyed.
Result<std::unique_ptr<Trial>> begin_trial(const std::shared_ptr<Node>& node, Role role, const Layout& layout);

} // namespace commonbuf::v4l2
