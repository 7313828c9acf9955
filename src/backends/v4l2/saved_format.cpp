// SPDX-License-Identifier: MIT
#include "backends/v4l2/saved_format.hpp"

#include "backends/v4l2/format.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

namespace commonbuf::v4l2 {

Status SavedFormat::save()
{
    const auto format = current_format(*node_, role_);
    if (!format)
        return format.error();
    // A new format may reset the rectangles.
    for (std::size_t i = 0; i < targets.size(); ++i) {
        v4l2_selection selection{};
        selection.type = selection_type();
        selection.target = targets[i];
        if (node_->ioctl(VIDIOC_G_SELECTION, &selection) == 0)
            selections_[i] = selection;
    }
    format_ = *format;
    return {};
}

void SavedFormat::outlive(const v4l2_format& next, std::span<const os::Ioctl> first)
{
    if (!format_ || guardian_ || node_->info().memory_to_memory)
        return;
    // Whether anything changes shows in what the driver would make of it.
    v4l2_format made = next;
    if (first.empty() && !selects_a_part() && node_->ioctl(VIDIOC_TRY_FMT, &made) == 0 &&
        std::memcmp(made.fmt.raw_data, format_->fmt.raw_data, sizeof made.fmt.raw_data) == 0)
        return;
    v4l2_requestbuffers none{};
    none.type = node_->type(role_);
    none.memory = V4L2_MEMORY_DMABUF;
    std::vector<os::Ioctl> calls(first.begin(), first.end());
    calls.push_back({VIDIOC_REQBUFS, &none});
    calls.push_back({VIDIOC_S_FMT, &*format_});
    for (auto& selection : selections_) {
        if (selection)
            calls.push_back({VIDIOC_S_SELECTION, &*selection});
    }
    guardian_ = os::Guardian::start(node_->fd(), calls);
}

bool SavedFormat::selects_a_part() const
{
    return std::any_of(selections_.begin(), selections_.end(), [this](const auto& saved) {
        if (!saved)
            return false;
        v4l2_selection whole{};
        whole.type = saved->type;
        whole.target = saved->target == V4L2_SEL_TGT_CROP ? V4L2_SEL_TGT_CROP_DEFAULT : V4L2_SEL_TGT_COMPOSE_DEFAULT;
        return node_->ioctl(VIDIOC_G_SELECTION, &whole) != 0 || std::memcmp(&whole.r, &saved->r, sizeof whole.r) != 0;
    });
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
