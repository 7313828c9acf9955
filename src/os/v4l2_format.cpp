// SPDX-License-Identifier: MIT
#include "os/v4l2_format.hpp"

#include "os/os.hpp"
#include "os/v4l2_failure.hpp"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

namespace commonbuf::os {
namespace {

/// Selections have the single-planar types with either API.
std::uint32_t selection_type(v4l2_buf_type type)
{
    switch (type) {
    case V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE: return V4L2_BUF_TYPE_VIDEO_CAPTURE;
    case V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE: return V4L2_BUF_TYPE_VIDEO_OUTPUT;
    default: return type;
    }
}

} // namespace

/// Gives `call` what puts back what was saved, in order.
template <typename F>
void SavedFormat::restore(F call)
{
    if (format_)
        call(Ioctl{VIDIOC_S_FMT, &*format_});
    for (auto& selection : selections_) {
        if (selection)
            call(Ioctl{VIDIOC_S_SELECTION, &*selection});
    }
}

Status SavedFormat::save(const std::string& path)
{
    if (shared_) {
        auto lock = NodeLock::acquire(fd_, path);
        if (!lock)
            return lock.error();
        lock_ = std::move(*lock);
    }
    v4l2_format format{};
    format.type = type_;
    if (const int error = os::ioctl(fd_, VIDIOC_G_FMT, &format); error != 0)
        return v4l2_failure(error, {"VIDIOC_G_FMT", path});
    // A new format may reset what is cropped and composed.
    for (std::size_t i = 0; i < targets.size(); ++i) {
        v4l2_selection selection{};
        selection.type = selection_type(type_);
        selection.target = targets[i];
        if (os::ioctl(fd_, VIDIOC_G_SELECTION, &selection) == 0)
            selections_[i] = selection;
    }
    format_ = format;
    return {};
}

void SavedFormat::outlive(const v4l2_format& next)
{
    if (!format_)
        return;
    // What the driver would make of it tells whether anything changes.
    v4l2_format made = next;
    const bool same = os::ioctl(fd_, VIDIOC_TRY_FMT, &made) == 0 &&
                      std::memcmp(made.fmt.raw_data, format_->fmt.raw_data, sizeof made.fmt.raw_data) == 0;
    if (!same || selects_a_part())
        outlive(std::span<const Ioctl>{});
}

void SavedFormat::outlive(std::span<const Ioctl> first)
{
    if (!format_ || !shared_ || guardian_)
        return;
    v4l2_requestbuffers none{};
    none.type = type_;
    none.memory = V4L2_MEMORY_DMABUF;
    std::vector<Ioctl> calls(first.begin(), first.end());
    calls.push_back({VIDIOC_REQBUFS, &none});
    restore([&calls](const Ioctl& call) { calls.push_back(call); });
    guardian_ = Guardian::start(fd_, calls);
}

/// Whether something is cropped or composed in another way than by default: setting even the same
/// format may reset that.
bool SavedFormat::selects_a_part() const
{
    return std::any_of(selections_.begin(), selections_.end(), [this](const auto& saved) {
        if (!saved)
            return false;
        v4l2_selection whole{};
        whole.type = saved->type;
        whole.target = saved->target == V4L2_SEL_TGT_CROP ? V4L2_SEL_TGT_CROP_DEFAULT : V4L2_SEL_TGT_COMPOSE_DEFAULT;
        return os::ioctl(fd_, VIDIOC_G_SELECTION, &whole) != 0 || std::memcmp(&whole.r, &saved->r, sizeof whole.r) != 0;
    });
}

std::optional<v4l2_format> SavedFormat::current() const
{
    v4l2_format format{};
    format.type = type_;
    return os::ioctl(fd_, VIDIOC_G_FMT, &format) == 0 ? std::optional(format) : std::nullopt;
}

void SavedFormat::note_change()
{
    if (shared_)
        ours_ = current();
}

SavedFormat::~SavedFormat()
{
    const auto now = ours_ ? current() : std::nullopt;
    if (now && std::memcmp(now->fmt.raw_data, ours_->fmt.raw_data, sizeof now->fmt.raw_data) != 0)
        return;
    restore([this](const Ioctl& call) { os::ioctl(fd_, call.request, call.argument); });
}

} // namespace commonbuf::os
