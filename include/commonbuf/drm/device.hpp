// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/buffer.hpp>
#include <commonbuf/drm/framebuffer.hpp>
#include <commonbuf/drm/node.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>
#include <commonbuf/use.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

/// Displays behind DRM/KMS (drm.h and drm_mode.h; Documentation/gpu in the kernel).
namespace commonbuf::drm {

class File; // the library's own
enum class PlaneType : std::uint8_t;
struct DisplayPlane;

/// One open DRM node. A handle: copies share the descriptor, which is closed with the last of
/// them, its uses and its framebuffers. Thread-safe. A handle that was moved from stays one of the copies.
///
/// GEM handles belong to the DRM file, and the kernel does not count them: two imports of one
/// dma-buf give the same handle, and closing it ends both. So the library imports memory and makes
/// framebuffers on an open file of its own on the same node, which it opens for the first import
/// (through /proc/self/fd). GBM and others may use fd() as they like: the library never closes a
/// handle there. Ids of framebuffers are valid on every file of the card.
///
/// If the node cannot be opened again (a sandbox without /proc, or a user who got the descriptor
/// from a seat manager and may not open the node), the library imports into fd() and says so in
/// the log. Then do not import there yourself what the library imports.
class COMMONBUF_API Device {
public:
    // Without moves, which would leave a handle of nothing.
    Device(const Device&) noexcept = default;
    Device& operator=(const Device&) noexcept = default;

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

    /// Returns the use "the primary plane of a display shows the image". It accepts what every
    /// primary plane of the device shows, so that a plan holds for each of its displays. Name a
    /// plane to get more from one that can do more than the others.
    Use scanout() const;

    /// Returns the use "a plane of this type shows the image":
    /// - primary: as scanout().
    /// - overlay: what any overlay plane shows. Display::plane_for() finds a plane of a display
    ///   that shows the plan's format and modifier.
    /// - cursor: what every cursor plane shows, in rows without padding and in sizes that the
    ///   device takes for sure: those of SIZE_HINTS, or else the one of DRM_CAP_CURSOR_WIDTH and
    ///   _HEIGHT. A smaller pointer is drawn into the corner of an image of such a size.
    Use scanout(PlaneType type) const;

    /// Returns the use "this plane shows the image". The plane is one of display_resources() or of
    /// a Display, and is not asked again.
    Use scanout(const DisplayPlane& plane) const;

    /// Returns scanout() for flips that do not wait for vblank: see Commit::flip_async(). Such
    /// flips accept fewer formats and modifiers, those of IN_FORMATS_ASYNC. If a driver can flip so
    /// and does not list them, everything that the plane shows is offered, and the first flip
    /// tells. Support is refused if the driver cannot flip so in an atomic commit
    /// (DRM_CAP_ATOMIC_ASYNC_PAGE_FLIP), which is how this library commits.
    Use async_scanout() const;

    /// Returns the same use of one plane. Drivers flip primary planes so, and few also others.
    Use async_scanout(const DisplayPlane& plane) const;

    /// Returns the use "a display writes what it shows into the image" (Commit::write_back()), in
    /// the formats that every writeback connector of the device lists (WRITEBACK_PIXEL_FORMATS).
    /// Its support() turns on the client capabilities that display_resources() names.
    Use writeback() const;

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

/// Says which device's planes a use stands for; nothing for writeback, and for uses that come from
/// no drm::Device.
COMMONBUF_API std::optional<Device> device_of(const Use& use);

/// Which planes of a device a use stands for.
struct UsedPlanes {
    PlaneType type{};
    std::optional<std::uint32_t> plane; ///< the id of one; none for all of this type
};

/// Says which planes a use stands for; nothing where device_of() says nothing.
COMMONBUF_API std::optional<UsedPlanes> planes_of(const Use& use);

} // namespace commonbuf::drm
