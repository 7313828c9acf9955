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

/// Who else may wait for a job.
enum class Fencing : std::uint8_t {
    /// Other programs and drivers with implicit fences too: fences are taken from the
    /// dma-bufs and put into them (DMA_BUF_IOCTL_EXPORT_SYNC_FILE, IMPORT_SYNC_FILE).
    bridged,
    /// Only jobs and CPU accesses through this library, in this process: no system call for
    /// each buffer. For pipelines in which nobody relies on implicit fences.
    explicit_only,
};

/// Work of one device that reads some buffers and writes others.
///
///     Job job("blur");
///     job.reads(input).writes(output);
///     auto before = job.gather();              // wait for this, or let the device wait
///     auto done = submit(*before);             // the device's own way
///     job.publish(done);                       // whoever comes next waits for this
///
/// A value; use it from one thread at a time. Nothing is locked between gather() and
/// publish(): who works on one buffer from two places at once puts the order there himself.
class COMMONBUF_API Job {
public:
    /// `name` says in reports and traces who works here, for example "blur" or "display".
    explicit Job(std::string name = "job", Fencing fencing = Fencing::bridged, Place where = Place::here());

    /// The device reads from it. A buffer may be named more than once.
    Job& reads(const Buffer& buffer) { return add(buffer, Access::read); }

    /// The device writes into it, and does not look at what is there.
    Job& writes(const Buffer& buffer) { return add(buffer, Access::write); }

    /// The device does both.
    Job& reads_and_writes(const Buffer& buffer) { return add(buffer, Access::read_write); }

    /// It is meant to run at the same time as other devices' work on these buffers, for
    /// example drawing into what is being shown: it waits for nobody. Others still wait for it.
    Job& concurrently() noexcept
    {
        concurrent_ = true;
        return *this;
    }

    /// What must be done before the work may begin: for buffers that it reads, the last
    /// write; for buffers that it writes, all that uses them.
    ///
    /// A failed one is part of the answer: Fence::wait() and fd() say so, and the buffer
    /// stays failed until a write to it is published, or Buffer::forget_failure().
    /// Errors: exhausted, kernel_failure.
    Result<Fence> gather();

    /// Whoever accesses the buffers from now on waits for `done`: readers for the writes,
    /// writers for all. Call it also when the work could not be submitted, with
    /// Fence::failed(), if the buffers are now worthless.
    ///
    /// Errors: unsupported (Linux before 6.0 takes no fences into dma-bufs: inside this
    /// library the fence counts all the same, and for others wait for it before you pass the
    /// buffer on), exhausted, kernel_failure.
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
