// SPDX-License-Identifier: MIT
#pragma once

#include "backends/drm/atomic_request.hpp"
#include "backends/drm/blob.hpp"
#include "backends/drm/objects.hpp"

#include <commonbuf/deadline.hpp>
#include <commonbuf/format.hpp>
#include <commonbuf/result.hpp>

#include <drm_mode.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace commonbuf::drm {

/// One display that shows test pictures through one plane, and is put back as it was
/// when this goes. Its file must be DRM master and atomic.
class Stage {
public:
    /// Chooses a connected display, a CRTC, a plane that has the format, and the
    /// smallest mode that the image fits into, or else the largest one.
    /// Errors: not_present (no display is connected), unsupported (no plane or mode).
    static Result<Stage> create(std::shared_ptr<File> file, Format format, std::uint32_t width, std::uint32_t height);

    Stage(Stage&&) noexcept = default;
    Stage& operator=(Stage&&) = delete;
    Stage(const Stage&) = delete;
    Stage& operator=(const Stage&) = delete;
    ~Stage();

    std::uint32_t mode_width() const noexcept { return mode_.hdisplay; }
    std::uint32_t mode_height() const noexcept { return mode_.vdisplay; }
    /// How much of the image is shown: all of it, or as much as the mode has room for.
    std::uint32_t shown_width() const noexcept { return shown_width_; }
    std::uint32_t shown_height() const noexcept { return shown_height_; }
    std::uint32_t crtc_id() const noexcept { return crtc_.id; }
    std::uint32_t crtc_index() const noexcept { return crtc_index_; }

    /// The format in which the display writes back what it shows; nothing without writeback.
    std::optional<Format> writeback_format() const noexcept { return writeback_format_; }

    /// Shows a framebuffer, and with `writeback` has the picture written into that one;
    /// waits for both. Errors: timed_out, and what the commit gives.
    Status show(std::uint32_t framebuffer, std::uint32_t writeback, Deadline deadline);

private:
    struct Object {
        std::uint32_t id = 0;
        Properties before;
    };
    /// Values to set: object, property, value.
    class Request;

    explicit Stage(std::shared_ptr<File> file) : file_(std::move(file)) {}
    Status choose_display(std::uint32_t width, std::uint32_t height);
    Status choose_plane(Format format);
    void choose_writeback();
    void choose_mode(const std::vector<drm_mode_modeinfo>& modes, std::uint32_t width, std::uint32_t height);
    void choose_free_mode(std::uint32_t width, std::uint32_t height);
    Result<std::uint32_t> make_blob(const void* data, std::size_t size) const;
    void put_back() noexcept;

    std::shared_ptr<File> file_;
    drm_mode_modeinfo mode_{};
    std::uint32_t mode_blob_ = 0;
    std::vector<std::byte> mode_before_; ///< what the CRTC had, empty for none
    std::uint32_t crtc_index_ = 0;
    std::vector<std::uint32_t> crtcs_;
    std::vector<std::uint32_t> connectors_;
    Object connector_;
    Object crtc_;
    Object plane_;
    std::vector<Object> covers_; ///< other planes of the CRTC, off for the time of the test
    Object writeback_;
    std::optional<Format> writeback_format_;
    std::uint32_t shown_width_ = 0;
    std::uint32_t shown_height_ = 0;
    bool lit_ = false;
    /// When the display is done with the last writeback, and not only with its picture.
    Deadline clean_ = Deadline::min();
};

} // namespace commonbuf::drm
