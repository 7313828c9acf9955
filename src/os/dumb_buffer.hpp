// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

#include <cstdint>
#include <string>
#include <utility>

namespace commonbuf::os {

/// What a dumb buffer is asked for: rows of pixels, and the driver chooses the stride.
struct DumbSize {
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    std::uint32_t bits_per_pixel = 0;
};

/// A dumb buffer of a DRM file (DRM_IOCTL_MODE_CREATE_DUMB). Its GEM handle is destroyed with
/// the object; memory that was exported outlives it.
class DumbBuffer {
public:
    /// Allocates a buffer. `drm_fd` is borrowed and outlives the buffer; `node` names it in errors.
    ///
    /// Errors: what the driver answers, out_of_memory for ENOMEM.
    static Result<DumbBuffer> create(int drm_fd, std::string node, const DumbSize& size);

    DumbBuffer(DumbBuffer&& other) noexcept
        : drm_fd_(other.drm_fd_),
          node_(std::move(other.node_)),
          handle_(std::exchange(other.handle_, 0)),
          stride_(other.stride_),
          size_(other.size_)
    {}
    DumbBuffer& operator=(DumbBuffer&&) = delete;
    ~DumbBuffer();

    std::uint32_t handle() const noexcept { return handle_; }
    std::uint32_t stride() const noexcept { return stride_; }
    std::uint64_t size() const noexcept { return size_; }

    /// Exports the memory as a dma-buf, close-on-exec, readable and writable.
    Result<UniqueFd> to_dma_buf() const;

private:
    DumbBuffer(int drm_fd, std::string node) : drm_fd_(drm_fd), node_(std::move(node)) {}

    int drm_fd_;
    std::string node_;
    std::uint32_t handle_ = 0; ///< 0 after a move
    std::uint32_t stride_ = 0;
    std::uint64_t size_ = 0;
};

} // namespace commonbuf::os
