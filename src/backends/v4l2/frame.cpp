// SPDX-License-Identifier: MIT
#include <commonbuf/v4l2/frame.hpp>

#include <linux/videodev2.h>

namespace commonbuf::v4l2 {

bool Frame::last() const noexcept { return (flags & V4L2_BUF_FLAG_LAST) != 0; }
bool Frame::damaged() const noexcept { return (flags & V4L2_BUF_FLAG_ERROR) != 0; }
Coding Frame::coding() const noexcept
{
    if ((flags & V4L2_BUF_FLAG_KEYFRAME) != 0)
        return Coding::key;
    if ((flags & V4L2_BUF_FLAG_PFRAME) != 0)
        return Coding::predicted;
    return (flags & V4L2_BUF_FLAG_BFRAME) != 0 ? Coding::bidirectional : Coding::unknown;
}

} // namespace commonbuf::v4l2
