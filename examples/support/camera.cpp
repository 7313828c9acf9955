// SPDX-License-Identifier: MIT
#include "camera.hpp"

#include <linux/videodev2.h>
#include <sys/ioctl.h>

void set_rate(const commonbuf::v4l2::Device& camera, std::uint32_t rate)
{
    v4l2_streamparm parameters{};
    parameters.type = camera.info().multiplanar ? V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE : V4L2_BUF_TYPE_VIDEO_CAPTURE;
    parameters.parm.capture.timeperframe = {1, rate};
    ::ioctl(camera.fd(), VIDIOC_S_PARM, &parameters);
}
