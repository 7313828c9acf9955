// SPDX-License-Identifier: MIT
#pragma once

#include "backends/v4l2/slots.hpp"

#include <commonbuf/v4l2/payload.hpp>

#include <cstdint>
#include <span>

namespace commonbuf::v4l2 {

/// Adds a payload to a buffer's description. `sizes` are what the driver asked for: the kernel
/// counts by them, however large the memories are.
/// Errors: invalid_argument, unsupported; see Queue::queue().
Status add(const Payload& payload, const Node& node, Role role, std::span<const std::uint64_t> sizes,
           v4l2_buffer& buffer, Planes& planes);

} // namespace commonbuf::v4l2
