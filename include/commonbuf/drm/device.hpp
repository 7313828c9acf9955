// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/buffer.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>
#include <commonbuf/use.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Displays behind DRM/KMS (drm.h and drm_mode.h; Documentation/gpu in the kernel).
namespace commonbuf::drm {

/// One /dev/dri/cardN or /dev/dri/renderDN.
struct NodeInfo {
    std::string path;         ///< for example "/dev/dri/card0"
    std::string name;         ///< the device's name in sysfs, for example "vkms" or "0000:00:02.0"
    std::string driver;       ///< for example "i915"
    std::string bus;          ///< the bus the device is on, for example "pci" or "faux"
    bool render = false;      ///< a render node: no displays
    bool modesetting = false; ///< has displays
    bool dumb_buffers = false;
    bool import = false;                 ///< DRM_PRIME_CAP_IMPORT
    bool export_ = false;                ///< DRM_PRIME_CAP_EXPORT
    bool async_flips = false;            ///< flips at once (DRM_CAP_ASYNC_PAGE_FLIP)
    bool modifiers = false;              ///< DRM_CAP_ADDFB2_MODIFIERS
    std::vector<std::string> connectors; ///< for example "Virtual-1"
    std::optional<Error> obstacle;       ///< why it could not be asked
};

/// Every DRM node on every bus, whether it can be opened or not.
COMMONBUF_API std::vector<NodeInfo> nodes();

class File;              // the library's own
class FramebufferObject; // the library's own

/// A framebuffer object over a buffer. A handle: the object and its GEM handles go
/// when the buffer and the last copy of this are gone.
class COMMONBUF_API Framebuffer {
public:
    /// The id for the FB_ID property and the legacy calls.
    std::uint32_t id() const noexcept;

    explicit Framebuffer(std::shared_ptr<const FramebufferObject> object) noexcept : object_(std::move(object)) {}

private:
    std::shared_ptr<const FramebufferObject> object_;
};

/// One open DRM node. A handle: copies share the descriptor, which is closed with
/// the last of them, its uses and its framebuffers. Thread-safe.
///
/// GEM handles belong to the DRM file and are not counted by the kernel: importing
/// one dma-buf twice gives the same handle, and closing it closes it for both. The
/// library keeps one table for each file; do not import the same dma-buf into that
/// file yourself.
class COMMONBUF_API Device {
public:
    /// Opens a node by path ("/dev/dri/card0"), by its driver's or its device's name
    /// ("@vkms", "@0000:00:02.0"). A name means the card node, not the render node.
    ///
    /// The first program to open a card becomes DRM master without asking; the
    /// library gives that up at once. Become master on fd() to set modes: it never does.
    /// Errors: not_present, permission_denied (naming who would be let in),
    /// invalid_argument (several devices have the name; not a DRM node).
    static Result<Device> open(std::string_view target);

    /// Uses a descriptor that somebody else opened (logind, libseat, a lease). Takes
    /// it, also when it fails; master stays as it is. For a file that a living Device
    /// already has, returns that Device: one file has one table of handles.
    static Result<Device> wrap(UniqueFd fd, std::string path);

    const NodeInfo& info() const noexcept;

    /// Borrowed; for modesetting.
    int fd() const noexcept;

    /// A plane of this device's displays shows the image.
    Use scanout() const;

    /// The same, flipped to at once (DRM_MODE_PAGE_FLIP_ASYNC): fewer formats and modifiers
    /// than with the display's beat, those of IN_FORMATS_ASYNC. A driver that flips at once
    /// and does not list them may take all that it shows; the first flip tells.
    Use async_scanout() const;

    /// The framebuffer of a buffer, imported at the first call and kept with the
    /// buffer: later calls cost no system call.
    ///
    /// Errors: unsupported (the device refuses the format, modifier or stride, with
    /// numbers), incompatible (it refuses the memory), device_lost, exhausted.
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
