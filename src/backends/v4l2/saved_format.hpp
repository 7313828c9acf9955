// SPDX-License-Identifier: MIT
#pragma once

#include "backends/v4l2/node.hpp"
#include "os/guardian.hpp"

#include <array>
#include <memory>
#include <optional>
#include <span>

namespace commonbuf::v4l2 {

/// The queue's format as it was found; put back when this is destroyed. By then the queue
/// must have no slots.
class SavedFormat {
public:
    SavedFormat(std::shared_ptr<Node> node, Role role) : node_(std::move(node)), role_(role) {}
    SavedFormat(const SavedFormat&) = delete;
    SavedFormat& operator=(const SavedFormat&) = delete;
    SavedFormat(SavedFormat&&) = delete;
    SavedFormat& operator=(SavedFormat&&) = delete;
    ~SavedFormat();

    Status save();

    /// Makes sure that the format is put back and the slots are freed even if the program is
    /// killed. Call it after save() and before `next` is set. Does nothing if `next` is what is
    /// set already, nor on memory-to-memory nodes, whose formats go with the file.
    ///
    /// `first` are calls to make on the same node before that: more to put back than the format.
    void outlive(const v4l2_format& next, std::span<const os::Ioctl> first = {});

private:
    static constexpr std::array<std::uint32_t, 2> targets{V4L2_SEL_TGT_CROP, V4L2_SEL_TGT_COMPOSE};

    // Selections use the single-planar types with either API.
    std::uint32_t selection_type() const
    {
        return role_ == Role::capture ? V4L2_BUF_TYPE_VIDEO_CAPTURE : V4L2_BUF_TYPE_VIDEO_OUTPUT;
    }

    /// Whether a rectangle is not the default one: setting even the same format may reset it.
    bool selects_a_part() const;

    std::shared_ptr<Node> node_;
    Role role_;
    std::optional<v4l2_format> format_;
    std::array<std::optional<v4l2_selection>, targets.size()> selections_;
    os::Guardian guardian_;
};

} // namespace commonbuf::v4l2
