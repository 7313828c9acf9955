// SPDX-License-Identifier: MIT
#pragma once

#include "backends/drm/file.hpp"

#include <commonbuf/buffer.hpp>
#include <commonbuf/drm/framebuffer.hpp>
#include <commonbuf/layout.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace commonbuf::drm {

/// A framebuffer and the GEM handles behind it.
class FramebufferObject {
public:
    /// Imports the memories, which are borrowed, and makes the framebuffer. Errors: incompatible
    /// (the driver refuses the memory), unsupported (it refuses the layout), device_gone,
    /// out_of_memory, too_many_files.
    static Result<std::shared_ptr<FramebufferObject>> create(std::shared_ptr<File> file, const Layout& layout,
                                                             std::span<const int> memories);
    ~FramebufferObject();
    FramebufferObject(const FramebufferObject&) = delete;
    FramebufferObject& operator=(const FramebufferObject&) = delete;

    std::uint32_t id() const noexcept { return id_; }

private:
    explicit FramebufferObject(std::shared_ptr<File> file) noexcept : file_(std::move(file)) {}

    std::shared_ptr<File> file_;
    std::vector<std::uint32_t> handles_; ///< one for each memory
    int fd_ = -1;                        ///< of the file, which owns the framebuffer
    std::uint32_t id_ = 0;
};

/// Does what Device::framebuffer() does, for commits of this library: their fences are explicit, so
/// nobody has to find them in the dma-buf.
Result<Framebuffer> import_framebuffer(const std::shared_ptr<File>& file, const Buffer& buffer);

} // namespace commonbuf::drm
