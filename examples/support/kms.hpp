// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/commonbuf.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <xf86drmMode.h>

/// Just enough modesetting for the examples: one plane on one display, atomically. A
/// real program has its own; commonbuf gives it framebuffers and nothing more.
namespace kms {

namespace cb = commonbuf;

/// The properties of one KMS object, by name.
using Properties = std::map<std::string, std::uint32_t>;

class Display {
public:
    /// Takes over a display that can show `width` x `height`. `connector` is a name such
    /// as "HDMI-A-1", or empty for the first that is connected. The caller must be able
    /// to become DRM master: no compositor runs on this card.
    static cb::Result<Display> create(const cb::drm::Device& device, const std::string& connector, std::uint32_t width,
                                      std::uint32_t height);

    Display(Display&& other) noexcept;
    Display& operator=(Display&&) = delete;
    Display(const Display&) = delete;
    Display& operator=(const Display&) = delete;
    ~Display();

    const std::string& connector() const noexcept { return connector_name_; }

    /// Whether the card can write what it shows into a buffer.
    bool has_writeback() const noexcept { return writeback_ != 0; }

    struct Fences {
        cb::Fence shown;   ///< signals when the frame is on the screen
        cb::Fence written; ///< signals when the writeback is complete; nothing without one
    };

    /// Shows a framebuffer from the first refresh on after `ready` has signalled, and with
    /// `writeback` (0 for none) has the picture written there. Does not wait: the kernel does
    /// (IN_FENCE_FD). A commit whose fence never signals cannot be taken back, so give it
    /// fences of work that is on its way.
    cb::Result<Fences> show(std::uint32_t framebuffer, std::uint32_t writeback, const cb::Fence& ready);

private:
    explicit Display(int fd) : fd_(fd) {}
    cb::Status choose_connector(const std::string& name, std::uint32_t width, std::uint32_t height);
    cb::Status choose_plane();
    void choose_writeback();

    int fd_;
    bool active_ = false;
    std::string connector_name_;
    drmModeModeInfo mode_{};
    std::uint32_t mode_blob_ = 0;
    std::uint32_t connector_ = 0;
    std::uint32_t crtc_ = 0;
    unsigned crtc_index_ = 0;
    std::uint32_t plane_ = 0;
    std::uint32_t writeback_ = 0;
    Properties connector_properties_;
    Properties crtc_properties_;
    Properties plane_properties_;
    Properties writeback_properties_;
};

} // namespace kms
