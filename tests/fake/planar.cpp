// SPDX-License-Identifier: MIT
//
// A node with the multi-planar API and formats of two memories: what planning asks of it, and no frames.
#include "fake/machine.hpp"

#include <linux/videodev2.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace fake {
namespace {

int failed(int error)
{
    errno = error;
    return -1;
}

class PlanarFile final : public File {
public:
    explicit PlanarFile(PlanarModel& model) : model_(model) {}

    int ioctl(Machine& machine, unsigned long request, void* argument) override
    {
        switch (request) {
        case VIDIOC_QUERYCAP: {
            auto& answer = *static_cast<v4l2_capability*>(argument);
            answer = {};
            std::strcpy(reinterpret_cast<char*>(answer.driver), "fake");
            answer.capabilities = V4L2_CAP_DEVICE_CAPS;
            answer.device_caps =
                V4L2_CAP_STREAMING | (model_.output ? V4L2_CAP_VIDEO_OUTPUT_MPLANE : V4L2_CAP_VIDEO_CAPTURE_MPLANE);
            return 0;
        }
        case VIDIOC_ENUM_FMT: {
            auto& entry = *static_cast<v4l2_fmtdesc*>(argument);
            if (entry.index >= model_.formats.size())
                return failed(EINVAL);
            entry.pixelformat = model_.formats[entry.index];
            return 0;
        }
        case VIDIOC_G_FMT: {
            auto& pix = static_cast<v4l2_format*>(argument)->fmt.pix_mp;
            pix = {};
            pix.width = model_.width;
            pix.height = model_.height;
            pix.pixelformat = model_.fourcc;
            adjust(pix);
            return 0;
        }
        case VIDIOC_TRY_FMT: adjust(static_cast<v4l2_format*>(argument)->fmt.pix_mp); return 0;
        case VIDIOC_S_FMT: {
            auto& pix = static_cast<v4l2_format*>(argument)->fmt.pix_mp;
            if (model_.slots != 0)
                return failed(EBUSY);
            adjust(pix);
            model_.width = pix.width;
            model_.height = pix.height;
            model_.fourcc = pix.pixelformat;
            model_.crop_height = 0;
            return 0;
        }
        case VIDIOC_S_SELECTION: model_.crop_height = static_cast<const v4l2_selection*>(argument)->r.height; return 0;
        case VIDIOC_REQBUFS: model_.slots = static_cast<v4l2_requestbuffers*>(argument)->count; return 0;
        case VIDIOC_QUERYBUF:
            return static_cast<const v4l2_buffer*>(argument)->index < model_.slots ? 0 : failed(EINVAL);
        case VIDIOC_PREPARE_BUF: return prepare(machine, *static_cast<v4l2_buffer*>(argument));
        case VIDIOC_STREAMOFF: return 0;
        default: return failed(ENOTTY);
        }
    }

    void closed(Machine&) override { model_.slots = 0; }

private:
    void adjust(v4l2_pix_format_mplane& pix) const
    {
        if (std::find(model_.formats.begin(), model_.formats.end(), pix.pixelformat) == model_.formats.end())
            pix.pixelformat = model_.formats.front();
        pix.height = (pix.height + model_.row_step - 1) / model_.row_step * model_.row_step;
        pix.field = V4L2_FIELD_NONE;
        pix.num_planes = static_cast<__u8>(model_.memories);
        for (std::uint32_t i = 0; i < model_.memories; ++i) {
            pix.plane_fmt[i].bytesperline = pix.width;
            pix.plane_fmt[i].sizeimage = pix.width * pix.height / (i + 1);
        }
    }

    int prepare(Machine& machine, const v4l2_buffer& buffer) const
    {
        if (buffer.index >= model_.slots || buffer.length != model_.memories)
            return failed(EINVAL);
        for (std::uint32_t i = 0; i < buffer.length; ++i) {
            const auto file = machine.file(buffer.m.planes[i].m.fd);
            const auto* memory = dynamic_cast<const DmaBuf*>(file.get());
            if (memory == nullptr || memory->size() < std::int64_t{model_.width} * model_.height / (i + 1))
                return failed(EINVAL);
        }
        return 0;
    }

    PlanarModel& model_;
};

} // namespace

std::shared_ptr<File> open_planar(PlanarModel& model) { return std::make_shared<PlanarFile>(model); }

} // namespace fake
