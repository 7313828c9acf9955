// SPDX-License-Identifier: MIT
#pragma once

#include "backends/v4l2/format.hpp"
#include "backends/v4l2/node.hpp"

#include <commonbuf/v4l2/payload.hpp>

#include <array>
#include <cstdint>
#include <span>

namespace commonbuf::v4l2 {

/// What the kernel is told of a buffer, and what it tells, in either API.
struct Description {
    v4l2_buffer buffer{};
    std::array<v4l2_plane, max_planes> planes{}; ///< zeros without the multi-planar API

    /// Makes one that the kernel fills in, for DQBUF and QUERYBUF.
    Description(const Node& node, Role role, v4l2_memory memory, std::uint32_t index = 0) noexcept;

    /// Says what the buffer consists of, for QBUF and PREPARE_BUF. `field` is what it holds,
    /// V4L2_FIELD_...
    void set(const Layout& layout, std::span<const int> fds, std::span<const std::uint64_t> sizes,
             std::uint32_t field = V4L2_FIELD_NONE) noexcept;

    /// Adds a payload. `sizes` are what the driver asked for: the kernel counts by them, however
    /// large the memories are.
    /// Errors: invalid_argument, unsupported; see Queue::queue().
    Status add(const Payload& payload, const Node& node, std::span<const std::uint64_t> sizes);

    /// 0 or a positive errno value.
    int send(const Node& node, unsigned long request) noexcept;

    std::uint32_t& bytes_used(std::size_t memory) noexcept;
};

/// Makes `count` slots, or frees all with 0. The driver may make more or fewer. Hold Node::slots().
Result<v4l2_requestbuffers> request_slots(const Node& node, Role role, v4l2_memory memory, std::uint32_t count);

/// Adds slots whose first memory has at least so many bytes (VIDIOC_CREATE_BUFS).
Result<v4l2_create_buffers> create_slots(const Node& node, Role role, v4l2_memory memory, std::uint32_t count,
                                         std::uint32_t bytes = 0);

/// Whether a queue has slots on this very file, perhaps without streaming: the kernel would
/// let us free them.
bool has_slots(const Node& node, Role role) noexcept;

/// What kinds of buffers a queue has: V4L2_BUF_CAP_*. 0 if the kernel does not say
/// (VIDIOC_CREATE_BUFS of none; before Linux 4.20). Nothing is made.
std::uint32_t buffer_capabilities(const Node& node, Role role) noexcept;

/// The most slots that a queue can have (VIDIOC_CREATE_BUFS of none; 32 before Linux 6.9).
std::uint32_t max_slots(const Node& node, Role role) noexcept;

/// Exports the driver's own memory of a slot as a dma-buf. Errors: unsupported (it exports none).
Result<UniqueFd> export_memory(const Node& node, Role role, std::uint32_t slot, std::uint32_t memory);

} // namespace commonbuf::v4l2
