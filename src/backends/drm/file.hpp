// SPDX-License-Identifier: MIT
#pragma once

#include "os/drm_node.hpp"
#include "os/os.hpp"

#include <commonbuf/constraints.hpp>
#include <commonbuf/drm/node.hpp>
#include <commonbuf/format.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace commonbuf::drm {

struct ScanoutSupport;

/// Returns what sysfs says of a node.
NodeInfo info_of(const os::DrmNode& node);

/// One open file of a DRM node, and a second one of the library's own with a table of GEM handles.
///
/// Every import of one dma-buf into one file gives the same handle, which the kernel does not
/// count: the first close ends it for all. The caller's file may have handles of others (GBM, dumb
/// buffers of the program), so memory is imported into a file that nobody else has, and imports are
/// counted there. Framebuffers belong to that file too; their ids are valid on every file of the card.
class File {
public:
    /// Takes a descriptor. Returns the living File of the same open file if there is one, also if
    /// another thread is just making it. Errors: invalid_argument (not a DRM node).
    static Result<std::shared_ptr<File>> of(UniqueFd fd, std::string path);

    int fd() const noexcept { return fd_.get(); }
    const NodeInfo& info() const noexcept { return info_; }

    /// Its folder in sysfs, for example "/sys/dev/char/226:0"; empty if that is not known.
    const std::string& sysfs() const noexcept { return sysfs_; }

    /// Names a call on this node, for errors.
    Call where(std::string_view call) const { return {call, info_.path}; }

    /// The key under which verdicts about its planes are remembered.
    const std::string& identity() const noexcept { return identity_; }

    /// Returns 0, or a positive errno value.
    int ioctl(unsigned long request, void* argument) const noexcept
    {
        return os::ioctl_again(fd_.get(), request, argument);
    }

    /// Returns the descriptor for memory and framebuffers, opening it first. It stays the same.
    /// Errors: device_gone, out_of_memory, too_many_files.
    Result<int> memory_fd();

    /// Imports a dma-buf into memory_fd() and returns its GEM handle, counted. Errors: incompatible
    /// (the driver refuses this memory), device_gone, out_of_memory, too_many_files.
    Result<std::uint32_t> import(int dma_buf);

    /// Tells the program's log what importing had to say. Without a lock: the handler may call the library.
    void tell();

    /// Gives one count back; the last one closes the handle.
    void release(std::uint32_t handle) noexcept;

    /// Returns what its planes show; asks until there is an answer. Errors: unsupported (no
    /// modesetting), device_gone, device_failed, out_of_memory.
    Result<std::shared_ptr<const ScanoutSupport>> scanout_support();

    /// Returns what framebuffers of a linear format and width require; measures it once. Asks for
    /// nothing if it cannot be measured now. Errors: device_gone, device_failed.
    Result<SharedConstraints> constraints(Format format, std::uint32_t width);

    /// Whether the driver has refused a commit for its fence (IN_FENCE_FD), and how to say so.
    /// Flips that do not wait for vblank have rules of their own.
    bool refuses_fences(bool async) const noexcept { return refuses_fences_.at(async ? 1 : 0); }
    void note_refused_fence(bool async) noexcept { refuses_fences_.at(async ? 1 : 0) = true; }

private:
    File(UniqueFd fd, NodeInfo info);
    Result<int> open_memory();
    static Result<std::shared_ptr<File>> create(UniqueFd fd, std::string path);

    UniqueFd fd_;
    NodeInfo info_;
    std::string sysfs_;
    std::string identity_;
    std::array<std::atomic<bool>, 2> refuses_fences_{};
    std::mutex mutex_;
    UniqueFd own_;       ///< for memory; empty before the first import, and where fd_ has to serve
    int memory_fd_ = -1; ///< own_ or fd_
    std::string notice_; ///< not told yet
    std::map<std::uint32_t, unsigned> counts_; ///< by GEM handle
    std::shared_ptr<const ScanoutSupport> scanout_;
    std::map<std::pair<Format, std::uint32_t>, SharedConstraints> measured_;
};

} // namespace commonbuf::drm
