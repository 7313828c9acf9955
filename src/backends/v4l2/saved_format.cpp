// SPDX-License-Identifier: MIT
#include "backends/v4l2/saved_format.hpp"

namespace commonbuf::v4l2 {

Status SavedFormat::save()
{
    v4l2_format format{};
    format.type = node_->type(role_);
    if (const int error = node_->ioctl(VIDIOC_G_FMT, &format); error != 0)
        return fail(format_failure(*node_, error, "VIDIOC_G_FMT"));
    // A new format may reset what is cropped and composed.
    for (std::size_t i = 0; i < targets.size(); ++i) {
        v4l2_selection selection{};
        selection.type = selection_type();
        selection.target = targets[i];
        if (node_->ioctl(VIDIOC_G_SELECTION, &selection) == 0)
            selections_[i] = selection;
    }
    format_ = format;
    return {};
}

SavedFormat::~SavedFormat()
{
    if (!format_)
        return;
    node_->ioctl(VIDIOC_S_FMT, &*format_);
    for (auto& selection : selections_) {
        if (selection)
            node_->ioctl(VIDIOC_S_SELECTION, &*selection);
    }
}

} // namespace commonbuf::v4l2
