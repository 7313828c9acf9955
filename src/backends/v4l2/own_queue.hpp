// SPDX-License-Identifier: MIT
#pragma once

#include "backends/v4l2/slots.hpp"
#include "os/os.hpp"

#include <commonbuf/deadline.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace commonbuf::v4l2 {

/// A queue in the driver's own memory (V4L2_MEMORY_MMAP): what the content of other
/// memory is compared with. The format is set before and not looked at here, so it may
/// be one that the library does not know.
class OwnQueue {
public:
    /// Errors: busy, exhausted (the driver has no memory for its buffers), unsupported
    /// (it has none of its own, or does not let the CPU at it through EXPBUF).
    static Result<OwnQueue> create(std::shared_ptr<Node> node, Role role, std::uint32_t slots);

    OwnQueue(OwnQueue&&) noexcept = default;
    OwnQueue& operator=(OwnQueue&&) = delete;
    OwnQueue(const OwnQueue&) = delete;
    OwnQueue& operator=(const OwnQueue&) = delete;
    ~OwnQueue();

    std::uint32_t slots() const noexcept { return static_cast<std::uint32_t>(slots_.size()); }

    /// The bytes of a slot's memory; between begin_access() and end_access() alone.
    std::span<std::byte> memory(std::uint32_t slot, std::size_t index) const noexcept;
    std::array<std::span<std::byte>, max_planes> memories(std::uint32_t slot) const noexcept;
    Status begin_access(std::uint32_t slot) const { return sync(slot, true); }
    Status end_access(std::uint32_t slot) const { return sync(slot, false); }

    /// For output queues every memory counts as full.
    Status queue(std::uint32_t slot);
    Status start();

    struct Done {
        std::uint32_t slot = 0;
        std::array<std::uint32_t, max_planes> bytes_used{};
    };
    Result<Done> dequeue(Deadline deadline);

private:
    struct Memory {
        UniqueFd fd;
        os::Mapping mapping;
    };
    using Slot = std::vector<Memory>;

    OwnQueue(std::shared_ptr<Node> node, Role role) : node_(std::move(node)), role_(role) {}
    Status request(std::uint32_t count);
    Status map(std::uint32_t slot, std::uint32_t memory_count);
    Status sync(std::uint32_t slot, bool start) const;
    v4l2_buffer describe(std::uint32_t slot, Planes& planes) const;

    std::shared_ptr<Node> node_;
    Role role_;
    std::vector<Slot> slots_;
};

} // namespace commonbuf::v4l2
