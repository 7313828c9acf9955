// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/buffer.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/fence.hpp>
#include <commonbuf/place.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/use.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace commonbuf {

/// Who else can wait for a job.
enum class Fencing : std::uint8_t {
    /// Also other programs and drivers with implicit fences: fences are read from the dma-bufs and
    /// put into them (DMA_BUF_IOCTL_EXPORT_SYNC_FILE, DMA_BUF_IOCTL_IMPORT_SYNC_FILE).
    ///
    /// It costs no system call for a buffer that nobody outside of this library can reach: it came
    /// from a dma-heap, udmabuf or a V4L2 queue, and only V4L2 queues and commits to displays have it.
    /// As soon as others can (Buffer::dma_buf_fd(), Buffer::export_fd(), drm::Device::framebuffer(),
    /// Vulkan), the fences that are pending by then are put into its dma-bufs.
    bridged,
    /// Only jobs and CPU accesses through this library, in this process. It costs no system call
    /// for any buffer. For pipelines in which nothing relies on implicit fences.
    explicit_only,
};

/// Work of one device that reads some buffers and writes others.
///
///     Job job("blur");
///     job.reads(input).writes(output);
///     auto before = job.gather();              // wait for this, or let the device wait
///     auto done = submit(*before);             // the device's own way
///     job.publish(done);                       // later users wait for this
///
/// A value; use it from one thread at a time. Nothing is locked between gather() and publish(): if
/// two threads work on one buffer, the program orders them.
class COMMONBUF_API Job {
public:
    /// `name` appears in reports and traces, for example "blur" or "display".
    explicit Job(std::string name = "job", Fencing fencing = Fencing::bridged, Place where = Place::here());

    /// Adds a buffer that the device reads. A buffer may be added more than once.
    Job& reads(const Buffer& buffer) { return add(buffer, Access::read); }

    /// Adds a buffer that the device overwrites without reading it.
    Job& writes(const Buffer& buffer) { return add(buffer, Access::write); }

    /// Adds a buffer that the device reads and writes.
    Job& reads_and_writes(const Buffer& buffer) { return add(buffer, Access::read_write); }

    /// Lets the job run at the same time as other devices' work on these buffers, for example
    /// drawing into a buffer that is being shown. The job waits for nothing; others still wait for
    /// it.
    Job& concurrently() noexcept
    {
        concurrent_ = true;
        return *this;
    }

    /// Returns what must be over before the work may begin: for a buffer that it reads, the last
    /// write; for a buffer that it writes, every use.
    ///
    /// A failed job is part of the answer: Fence::wait() and Fence::sync_file_fd() report it. The
    /// buffer stays failed until a write to it is published, or until Buffer::forget_failure().
    ///
    /// Errors: out_of_memory, too_many_files, kernel_failure.
    Result<Fence> gather();

    /// Makes later users of the buffers wait for `done`: readers wait for writes, writers for
    /// everything.
    ///
    /// Call it with Fence::failed() if the work could not be submitted and the buffers are now
    /// worthless.
    ///
    /// Errors: unsupported (before Linux 6.0, dma-bufs take no fences: the fence counts within this
    /// library only, so wait for it before you pass a buffer on; for a buffer that nobody outside can
    /// reach yet, only the log says so, when it is passed on), out_of_memory, too_many_files,
    /// kernel_failure.
    Status publish(const Fence& done);

    const std::string& name() const noexcept { return name_; }

private:
    struct Part {
        Buffer buffer;
        Access access;
    };

    Job& add(const Buffer& buffer, Access access);
    bool bridges(const Buffer& buffer) const noexcept;
    template <typename Tell>
    void tell(Tell tell_one) const;

    std::string name_;
    Fencing fencing_;
    Place where_;
    bool concurrent_ = false;
    std::uint64_t run_ = 0; ///< of the last gather(), for the checker; 0 once it is published
    std::vector<Part> parts_;
};

} // namespace commonbuf
