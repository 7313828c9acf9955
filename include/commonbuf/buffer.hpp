// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/cpu_access.hpp>
#include <commonbuf/deadline.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/layout.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace commonbuf {

class BufferState; // the library's own

/// What identifies a dma-buf as long as anything refers to it. A descriptor's
/// number does not: it changes with every dup() and is reused after close().
struct BufferId {
    std::uint64_t device = 0; ///< st_dev
    std::uint64_t inode = 0;  ///< st_ino

    friend bool operator==(const BufferId&, const BufferId&) = default;
    friend auto operator<=>(const BufferId&, const BufferId&) = default;
};

/// dma-buf memory plus its layout.
///
/// A handle: copies refer to the same memory, which is freed when the last handle,
/// the last import and the last exported descriptor are gone. Thread-safe.
class COMMONBUF_API Buffer {
public:
    /// A buffer over dma-bufs that came from somewhere else, one for each memory of
    /// the layout. This is the door for untrusted input: see check(). Takes the
    /// descriptors, also when it fails.
    ///
    /// Errors: invalid_argument (not a dma-buf, too few of them, a plane outside its
    /// memory), exhausted.
    static Result<Buffer> wrap(const Layout& layout, std::vector<UniqueFd> memories);

    const Layout& layout() const noexcept;

    /// The dma-buf of a memory, borrowed; -1 for a memory that does not exist.
    int fd(std::size_t memory = 0) const noexcept;

    /// A descriptor of the caller's own. Errors: invalid_argument (no such memory),
    /// exhausted (EMFILE).
    Result<UniqueFd> export_fd(std::size_t memory = 0) const;

    /// What identifies the dma-buf of a memory; zeros for a memory that does not exist.
    BufferId id(std::size_t memory = 0) const noexcept;

    /// The real size of a memory in bytes, at least what the layout asks for.
    std::uint64_t size(std::size_t memory = 0) const noexcept;

    /// The heap it came from; empty for wrapped ones.
    const std::string& heap() const noexcept;

    /// Why a heap further down the plan served, for example because the first one
    /// was full; empty when the first one did.
    const std::string& fallback() const noexcept;

    /// CPU access as a scope: waits until the devices that write (read) or that use
    /// the buffer at all (write, read_write) are done as far as its implicit fences
    /// know, then brackets the access with DMA_BUF_IOCTL_SYNC.
    ///
    /// V4L2 has no fences: dequeue a frame before touching it.
    /// Errors: timed_out, unsupported (the exporter cannot map it), exhausted.
    Result<CpuAccess> read(Deadline deadline) const;
    Result<CpuAccess> write(Deadline deadline) const;
    Result<CpuAccess> read_write(Deadline deadline) const;

    /// How many CPU accesses were begun through this library since the buffer exists.
    std::uint64_t cpu_accesses() const noexcept;

    friend bool operator==(const Buffer& a, const Buffer& b) noexcept { return a.state_ == b.state_; }

    /// For the library's own backends.
    explicit Buffer(std::shared_ptr<BufferState> state) noexcept : state_(std::move(state)) {}
    BufferState& state() const noexcept { return *state_; }

private:
    std::shared_ptr<BufferState> state_;
};

} // namespace commonbuf
