// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/buffer.hpp>
#include <commonbuf/drm/framebuffer.hpp>
#include <commonbuf/drm/node.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>
#include <commonbuf/use.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

/// Displays behind DRM/KMS (drm.h and drm_mode.h; Documentation/gpu in the kernel).
namespace commonbuf::drm {

class File; // the library's own

/// One open DRM node. A handle: copies share the descriptor, which is closed with the last of
/// them, its uses and its framebuffers. Thread-safe.
///
/// GEM handles belong to the DRM file, and the kernel does not count them: two imports of one
/// dma-buf give the same handle, and closing it ends both. The library keeps one table for each
/// file, so do not import into that file yourself what the library imports there.
class COMMONBUF_API Device {
public:
    /// Opens a node by its path ("/dev/dri/card0"), or by the name of its device, of its driver
    /// or of that driver in sysfs ("@0000:00:02.0", "@virtio_gpu", "@virtio-pci"). A name selects
    /// the card node, not the render node. The path may be any name of the node, such as a link:
    /// what the node is follows from its device number.
    ///
    /// The first program to open a card becomes DRM master without asking; the library gives
    /// that up at once and never becomes master again. To set modes, become master on fd()
    /// (DRM_IOCTL_SET_MASTER).
    ///
    /// Errors: not_present, permission_denied (with the users that may open it),
    /// invalid_argument (several devices have this name; the file is not a DRM node).
    static Result<Device> open(std::string_view target);

    /// Uses a descriptor that somebody else opened (logind, libseat, a lease). Takes ownership
    /// of it, even on failure, and leaves DRM master as it is. If a living Device already has
    /// this file, returns that Device, because one file has one table of handles.
    ///
    /// Errors: invalid_argument (the file is not a DRM node).
    static Result<Device> wrap(UniqueFd fd, std::string path);

    const NodeInfo& info() const noexcept;

    /// Returns the descriptor for modesetting; the Device keeps it.
    int fd() const noexcept;

    /// Returns the use "a plane of this device's displays shows the image".
    Use scanout() const;

    /// Returns the same use for flips that do not wait for vblank (DRM_MODE_PAGE_FLIP_ASYNC).
    /// Such flips accept fewer formats and modifiers, those of IN_FORMATS_ASYNC. If a driver can
    /// flip so and does not list them, everything that it shows is offered, and the first flip
    /// tells.
    Use async_scanout() const;

    /// Returns the framebuffer of a buffer. The first call imports it and keeps it with the
    /// buffer; later calls make no system call.
    ///
    /// Errors: unsupported (the driver refuses the format, modifier or stride, with numbers),
    /// incompatible (it refuses the memory), device_gone, out_of_memory, too_many_files.
    Result<Framebuffer> framebuffer(const Buffer& buffer) const;

    /// For the library's own use.
    explicit Device(std::shared_ptr<File> file) noexcept : file_(std::move(file)) {}
    const std::shared_ptr<File>& file() const noexcept { return file_; }

private:
    std::shared_ptr<File> file_;
};

/// Says which device's planes a use stands for; nothing for uses that come from no drm::Device.
COMMONBUF_API std::optional<Device> device_of(const Use& use);

} // namespace commonbuf::drm
