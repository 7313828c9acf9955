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

/// Identifies a dma-buf as long as anything refers to it. The number of a descriptor does not: it
/// changes with every dup() and is reused after close().
struct BufferId {
    std::uint64_t device = 0; ///< st_dev
    std::uint64_t inode = 0;  ///< st_ino

    friend bool operator==(const BufferId&, const BufferId&) = default;
    friend auto operator<=>(const BufferId&, const BufferId&) = default;
};

/// dma-buf memory and its layout.
///
/// A handle: copies refer to the same memory. The memory is freed when the last handle, the last
/// import and the last exported descriptor are gone. Thread-safe.
///
/// A handle that was moved from is empty: it has no planes and no memory, and whatever can fail does so
/// with invalid_state.
class COMMONBUF_API Buffer {
public:
    /// Makes a buffer of dma-bufs that came from somewhere else, one for each memory of the layout. It
    /// takes ownership of the descriptors, even if it fails.
    ///
    /// What is checked, and what may be relied on afterwards, foreign.hpp says: this is admit() without
    /// limits. What another process sent belongs there, with limits.
    ///
    /// Errors: those of admit().
    static Result<Buffer> wrap(const Layout& layout, std::vector<UniqueFd> memories);

    /// Makes a buffer of the program's own memory.
    ///
    /// The memory stays the caller's and must outlive every handle. The buffer takes part in jobs
    /// and CPU accesses, but no other device can use it: dma_buf_fd() is -1, and everything that
    /// would share the memory fails as unsupported.
    ///
    /// Errors: invalid_argument (the layout has several memories; a plane lies outside the memory).
    static Result<Buffer> from_memory(const Layout& layout, std::span<std::byte> memory);

    /// Returns whether the handle refers to a buffer: it does unless it was moved from.
    explicit operator bool() const noexcept { return state_ != nullptr; }

    const Layout& layout() const noexcept;

    /// Returns the dma-buf of a memory, borrowed; -1 if there is no such memory. From then on others
    /// may put fences into it, see read(), and find those of this library there: the ones that are
    /// pending are put in by this call, later ones by Job::publish().
    int dma_buf_fd(std::size_t memory = 0) const noexcept;

    /// Duplicates the descriptor of a memory for the caller to own.
    ///
    /// Errors: invalid_argument (no such memory), too_many_files, unsupported (the program's own
    /// memory).
    Result<UniqueFd> export_fd(std::size_t memory = 0) const;

    /// Returns what identifies the dma-buf of a memory; zeros if there is no such memory.
    BufferId id(std::size_t memory = 0) const noexcept;

    /// Returns the real size of a memory in bytes: at least what the layout asks for.
    std::uint64_t size(std::size_t memory = 0) const noexcept;

    /// Returns the name of the heap that the buffer came from; empty for a wrapped one.
    const std::string& heap() const noexcept;

    /// Says why the buffer came from a heap further down the plan, for example because the first
    /// heap was full. Empty if the first heap served.
    const std::string& fallback() const noexcept;

    /// Begins an access by the CPU.
    ///
    /// First it waits for the fences of jobs on this buffer and for those inside the dma-buf: for
    /// writers before reading, for every user before writing. Fences that come later count for whom
    /// comes later. Then it opens the bracket (DMA_BUF_IOCTL_SYNC). V4L2 has no fences: dequeue a
    /// frame before you touch it.
    ///
    /// It comes back 50 ms after the deadline at the latest, whatever fences others put in meanwhile,
    /// and holds up no other access. If others can do so (the buffer was wrapped or exported, or its
    /// dma_buf_fd() was asked for, or it was imported into DRM or Vulkan), the kernel's call, which
    /// waits without a limit, is made in a thread of the library.
    ///
    /// Errors: timed_out, work_failed (a job on the buffer failed; see forget_failure()),
    /// unsupported (the exporter cannot map the memory), out_of_memory, permission_denied (the
    /// dma-buf was shared for reading only).
    Result<CpuAccess> read(Deadline deadline, Place where = Place::here()) const;
    Result<CpuAccess> write(Deadline deadline, Place where = Place::here()) const;
    Result<CpuAccess> read_write(Deadline deadline, Place where = Place::here()) const;

    /// Returns what an access of this kind has to wait for now: writers before reading, every user
    /// before writing.
    ///
    /// It is a snapshot of the fences that went in through this library and of those inside the
    /// dma-bufs (DMA_BUF_IOCTL_EXPORT_SYNC_FILE). The kernel leaves out fences that have signalled,
    /// even failed ones; fences that went in through this library in this process keep their
    /// errors. Before Linux 6.0 the fence has no descriptor: it can only be waited for, and it also
    /// waits for foreign fences that come later.
    ///
    /// Errors: unsupported (the program's own memory), out_of_memory, too_many_files.
    Result<Fence> export_fence(Access access) const;

    /// Makes everyone who accesses the buffer from now on wait for this fence, as for a reader or
    /// for a writer. Job does the same for several buffers.
    ///
    /// This library waits, and so do drivers and programs with implicit fences
    /// (DMA_BUF_IOCTL_IMPORT_SYNC_FILE).
    ///
    /// Errors: unsupported (the program's own memory; before Linux 6.0, where the fence counts
    /// within this library only: wait for it before you pass the buffer on), out_of_memory,
    /// too_many_files.
    Status import_fence(const Fence& fence, Access access) const;

    /// Returns whether the kernel bridges implicit fences and sync_files. Asks without touching any
    /// fence.
    bool bridges_fences() const noexcept;

    /// Forgets that a job on this buffer failed: nobody is told of it any more. For a caller that
    /// writes the whole buffer anew, or can use what is there.
    void forget_failure() const;

    /// Returns how many CPU accesses were begun through this library since the buffer was made.
    std::uint64_t cpu_accesses() const noexcept;

    friend bool operator==(const Buffer& a, const Buffer& b) noexcept { return a.state_ == b.state_; }

    /// For the library's own backends.
    explicit Buffer(std::shared_ptr<BufferState> state) noexcept : state_(std::move(state)) {}
    BufferState& state() const noexcept { return state_ != nullptr ? *state_ : none(); }

private:
    static BufferState& none() noexcept;

    std::shared_ptr<BufferState> state_;
};

} // namespace commonbuf
