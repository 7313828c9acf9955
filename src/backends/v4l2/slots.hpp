// SPDX-License-Identifier: MIT
#pragma once

#include "backends/v4l2/format.hpp"
#include "backends/v4l2/node.hpp"

#include <array>
#include <cstdint>
#include <span>

namespace commonbuf::v4l2 {

/// The space that the multi-planar API needs beside a v4l2_buffer; it must outlive the ioctl.
using Planes = std::array<v4l2_plane, max_planes>;

/// A buffer description for QBUF and PREPARE_BUF.
v4l2_buffer describe(const Node& node, Role role, std::uint32_t index, const Layout& layout, std::span<const int> fds,
                     std::span<const std::uint64_t> sizes, Planes& planes);

/// A description that the kernel fills in, for DQBUF and QUERYBUF.
v4l2_buffer describe_empty(const Node& node, Role role, v4l2_memory memory, Planes& planes) noexcept;

/// Gives `count` slots of V4L2_MEMORY_DMABUF, or frees all with 0. Afterwards `count` is how many
/// the driver made. 0 or a positive errno value.
int request_slots(const Node& node, Role role, std::uint32_t& count) noexcept;

/// The same for V4L2_MEMORY_MMAP.
int request_own_slots(const Node& node, Role role, std::uint32_t& count) noexcept;

/// Whether a queue has slots on this very file, perhaps without streaming: the kernel would
/// let us free them.
bool has_slots(const Node& node, Role role) noexcept;

/// What kinds of buffers a queue has: V4L2_BUF_CAP_*. 0 if the kernel does not say
/// (VIDIOC_CREATE_BUFS of none; before Linux 4.20). Nothing is made.
std::uint32_t buffer_capabilities(const Node& node, Role role) noexcept;

/// Exports the driver's own memory of a slot as a dma-buf. Errors: unsupported (it exports none).
Result<UniqueFd> export_memory(const Node& node, Role role, std::uint32_t slot, std::uint32_t memory);

} // namespace commonbuf::v4l2
