// SPDX-License-Identifier: MIT
#pragma once

#include "os/guardian.hpp"
#include "os/node_lock.hpp"

#include <commonbuf/result.hpp>

#include <linux/videodev2.h>

#include <array>
#include <optional>
#include <span>
#include <string>

/// What the V4L2 backend and proof by content both need: to leave a queue as they found it.
namespace commonbuf::os {

/// The format of a V4L2 queue as it was found, and what of it was cropped and composed. The
/// destructor puts them back; by then the queue must have no slots. From save() on, no other program
/// that uses this library sets formats there.
class SavedFormat {
public:
    /// `fd` is borrowed. `shared` says whether other files see the format too: not on
    /// memory-to-memory nodes, where it goes with the file.
    SavedFormat(int fd, v4l2_buf_type type, bool shared) noexcept : fd_(fd), type_(type), shared_(shared) {}
    SavedFormat(const SavedFormat&) = delete;
    SavedFormat& operator=(const SavedFormat&) = delete;
    ~SavedFormat();

    /// Reads what is set. `path` is for the error. Errors: busy (another program tries formats and
    /// does not end), and those of VIDIOC_G_FMT.
    Status save(const std::string& path);

    /// Notes that what is set now was set for this trial. If it is something else in the end,
    /// somebody else has set it since, and it stays.
    void note_change();

    /// Has the format put back and the slots freed even when the program is killed. Call it after
    /// save() and before `next` is set. Does nothing if `next` is what is set already.
    void outlive(const v4l2_format& next);

    /// The same whatever is set next, after the calls in `first`, on the same file.
    void outlive(std::span<const Ioctl> first);

private:
    static constexpr std::array<std::uint32_t, 2> targets{V4L2_SEL_TGT_CROP, V4L2_SEL_TGT_COMPOSE};

    template <typename F>
    void restore(F call);
    bool selects_a_part() const;
    std::optional<v4l2_format> current() const;

    int fd_;
    v4l2_buf_type type_;
    bool shared_;
    std::optional<v4l2_format> format_;
    std::optional<v4l2_format> ours_; ///< what the trial has set
    std::array<std::optional<v4l2_selection>, targets.size()> selections_;
    NodeLock lock_;
    Guardian guardian_; ///< goes before the lock
};

} // namespace commonbuf::os
