// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/deadline.hpp>
#include <commonbuf/drm/commit_queue.hpp>
#include <commonbuf/result.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace commonbuf::content {

/// One display that shows test pictures through one plane. The destructor puts it back as it was.
/// The card must be DRM master.
class Screen {
public:
    /// Chooses a connected display, a CRTC, one of `used` that shows the picture's format, and the smallest
    /// mode that the picture fits into, or else the largest one. Nothing changes yet.
    ///
    /// Errors: not_present (no display is connected and free), unsupported (no plane shows it).
    static Result<Screen> choose(const drm::Device& card, const drm::UsedPlanes& used, const Buffer& picture);

    Screen(Screen&&) noexcept = default;
    ~Screen();

    const drm::Display& display() const noexcept { return queue_.display(); }
    /// Its number in the order of the card, as debugfs has it.
    std::uint32_t crtc_index() const noexcept { return crtc_index_; }

    /// How much of a picture is shown: all of it, or as much as the mode has room for.
    std::uint32_t shown_width() const noexcept { return shown_width_; }
    std::uint32_t shown_height() const noexcept { return shown_height_; }

    /// The format in which the display writes back what it shows; nothing without writeback.
    std::optional<Format> writeback_format() const noexcept;

    /// Shows a picture, and has it written into `written` unless that is nullptr; waits for both.
    /// Errors: timed_out, and what the commit gives.
    Status show(const Buffer& picture, const Buffer* written, Deadline deadline);

private:
    Screen(drm::CommitQueue queue, const drm::DisplayPlane& plane, const Layout& picture, std::uint32_t crtc_index);
    void put_back();
    Status commit(drm::Commit commit, Deadline deadline, bool shows);

    drm::CommitQueue queue_;
    const drm::DisplayPlane* plane_; ///< of the display
    std::uint32_t crtc_index_;
    std::uint32_t shown_width_;
    std::uint32_t shown_height_;
    std::vector<std::byte> mode_before_; ///< what the CRTC had; empty for none
    bool lit_ = false;
    Deadline settled_ = Deadline::min(); ///< when the driver is done with the last writeback
};

} // namespace commonbuf::content
