// SPDX-License-Identifier: MIT
#pragma once

#include "os/os.hpp"

#include <commonbuf/buffer.hpp>
#include <commonbuf/constraints.hpp>
#include <commonbuf/drm/display.hpp>
#include <commonbuf/drm/device.hpp>
#include <commonbuf/layout.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace commonbuf::drm {

/// What the planes of a device can show.
struct ScanoutSupport {
    std::vector<FormatModifier> formats; ///< sorted; without IN_FORMATS the modifier is implicit
    /// Those that may be flipped to at once (IN_FORMATS_ASYNC), sorted; empty where the
    /// driver does not say.
    std::vector<FormatModifier> async_formats;
    std::uint32_t max_width = 0;
    std::uint32_t max_height = 0;
};

/// One DRM file (an open of a node) and its table of GEM handles.
///
/// The kernel gives the same handle for every import of one dma-buf into one file and
/// counts nothing: the first close ends it for all. So imports are counted here.
class File {
public:
    static Result<std::shared_ptr<File>> create(UniqueFd fd, std::string path);
    ~File();
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    /// A living File of the same open file, if there is one.
    static std::shared_ptr<File> find(int fd);

    int fd() const noexcept { return fd_.get(); }
    const NodeInfo& info() const noexcept { return info_; }
    Call where(std::string_view call) const;

    /// What verdicts on its planes are remembered under.
    const std::string& identity() const noexcept { return identity_; }
    int ioctl(unsigned long request, void* argument) const noexcept
    {
        return os::ioctl_again(fd_.get(), request, argument);
    }

    /// The GEM handle of a dma-buf, counted. Errors: what the driver says of the memory.
    Result<std::uint32_t> import(int dma_buf);

    /// Gives one count back; the last one closes the handle.
    void release(std::uint32_t handle) noexcept;

    /// What its planes show; asked once. Errors: unsupported (no modesetting).
    Result<std::shared_ptr<const ScanoutSupport>> scanout_support();

    /// What framebuffers of a linear format and width ask for, measured once.
    SharedConstraints constraints(Format format, std::uint32_t width);

private:
    File(UniqueFd fd, NodeInfo info);

    UniqueFd fd_;
    NodeInfo info_;
    std::string identity_;
    std::mutex mutex_;
    std::map<std::uint32_t, unsigned> counts_; ///< by GEM handle
    std::shared_ptr<const ScanoutSupport> scanout_;
    std::map<std::pair<Format, std::uint32_t>, SharedConstraints> measured_;
};

/// Finds out by trial framebuffers over a dumb buffer what the driver asks of strides and
/// offsets (measure.cpp). Without a word where it has no dumb buffers; nothing where the
/// driver was in trouble, and another time may tell.
std::optional<Constraints> measure_framebuffers(const File& file, Format format, std::uint32_t width);

/// Asks the planes for their formats (DRM_IOCTL_MODE_GETPLANE, IN_FORMATS).
Result<ScanoutSupport> read_scanout_support(const File& file);

/// A framebuffer and the handles behind it.
class FramebufferObject {
public:
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
    std::uint32_t id_ = 0;
};

/// When a plane shows the next framebuffer.
enum class Flip : std::uint8_t { in_beat, at_once };

/// The use of the device's planes.
Use make_scanout(std::shared_ptr<File> file, Flip flip);

} // namespace commonbuf::drm
