// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/result.hpp>

#include <string>
#include <utility>

/// What the V4L2 backend and proof by content both need: to be the only one that tries formats.
namespace commonbuf::os {

/// The right to set formats on a device for a while, which one program has at a time: flock(2) on
/// the node. Whoever may open the node may lock it, no folder has to be writable, and the kernel
/// ends the lock with the program. It holds between all that open the same node, bind mounts
/// included, but not between two nodes that mknod(2) made for one device.
///
/// A thread that has it gets it again. The last one is to be released last.
class NodeLock {
public:
    NodeLock() noexcept = default;
    NodeLock(NodeLock&& other) noexcept : held_(std::exchange(other.held_, nullptr)) {}
    NodeLock& operator=(NodeLock&& other) noexcept
    {
        std::swap(held_, other.held_);
        return *this;
    }
    NodeLock(const NodeLock&) = delete;
    NodeLock& operator=(const NodeLock&) = delete;
    ~NodeLock();

    /// Waits up to 5 seconds until nobody else has it. `fd` is borrowed, and must stay open as long
    /// as this lives. Where the system has no such locks, nothing is locked. Errors: busy.
    static Result<NodeLock> acquire(int fd, const std::string& path);

private:
    struct Held;
    explicit NodeLock(Held* held) noexcept : held_(held) {}

    Held* held_ = nullptr; ///< null for nothing
};

} // namespace commonbuf::os
