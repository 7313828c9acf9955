// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/cpu_access.hpp>
#include <commonbuf/deadline.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/fence.hpp>
#include <commonbuf/layout.hpp>
#include <commonbuf/place.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

#include <compare>
#include <cstdint>
#include <memory>
#include <span>
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

    /// A buffer in memory of the program's own, which stays the caller's and has to outlive
    /// every handle. It takes part in jobs and CPU accesses; no other device can have it, so
    /// fd() is -1 and everything that would share it is refused as unsupported.
    ///
    /// Errors: invalid_argument (a layout of several memories; a plane outside the memory).
    static Result<Buffer> from_memory(const Layout& layout, std::span<std::byte> memory);

    const Layout& layout() const noexcept;

    /// The dma-buf of a memory, borrowed; -1 for a memory that does not exist.
    int fd(std::size_t memory = 0) const noexcept;

    /// A descriptor of the caller's own. Errors: invalid_argument (no such memory),
    /// exhausted (EMFILE), unsupported (memory of the program's own).
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

    /// CPU access as a scope: waits for the fences of jobs on this buffer and for those that
    /// the dma-buf has, the writers' for reading and everybody's for writing, then brackets
    /// the access with DMA_BUF_IOCTL_SYNC.
    ///
    /// V4L2 has no fences: dequeue a frame before touching it.
    /// Errors: timed_out, device_lost (a job on it failed; see forget_failure()), unsupported
    /// (the exporter cannot map it), exhausted, permission_denied (shared for reading only).
    Result<CpuAccess> read(Deadline deadline, Place where = Place::here()) const;
    Result<CpuAccess> write(Deadline deadline, Place where = Place::here()) const;
    Result<CpuAccess> read_write(Deadline deadline, Place where = Place::here()) const;

    /// What an access of this kind has to wait for now: the writers for reading, everybody
    /// for writing. Those are the fences that went in through this library and, of everybody
    /// else's, those that the dma-bufs have (DMA_BUF_IOCTL_EXPORT_SYNC_FILE). A snapshot.
    ///
    /// The kernel leaves out what has signalled, also with an error; what went in through
    /// this library in this process keeps its error. On Linux before 6.0 the fence can be
    /// waited for and has no descriptor, and waits for foreign fences too that come later.
    /// Errors: unsupported (memory of the program's own), exhausted.
    Result<Fence> export_fence(Access access) const;

    /// Makes everybody wait for this fence who accesses the buffer from now on, as for a
    /// reader or for a writer: this library, and drivers and programs with implicit fences
    /// (DMA_BUF_IOCTL_IMPORT_SYNC_FILE). Job does this for several buffers.
    ///
    /// Errors: unsupported (memory of the program's own; Linux before 6.0, where it counts
    /// inside this library alone: wait for it before you pass the buffer on), exhausted.
    Status import_fence(const Fence& fence, Access access) const;

    /// Whether the kernel has the bridge to implicit fences; asked without touching any.
    bool bridges_fences() const noexcept;

    /// Takes note that a job on this buffer failed: from now on nobody is told any more.
    /// For who writes all of it anew, or can do with what is there.
    void forget_failure() const;

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
