// SPDX-License-Identifier: MIT
#include "os/v4l2_failure.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

namespace commonbuf::os {
namespace {

// What an errno means in V4L2, if it means more than elsewhere. The sources are the kernel's
// Documentation/userspace-api/media/v4l/vidioc-*.rst, and videobuf2 for EIO: after
// vb2_queue_error() every call on a queue answers EIO until the queue is stopped.
struct Meaning {
    std::string_view call; ///< empty for every call
    int error;
    Category category;
    const char* detail;
    const char* advice;
};

constexpr const char* restart = "the signal is gone or changed: stop, queue the buffers again, start";
constexpr const char* signal = "connect a source, let it send a mode that the device has, and set that mode "
                               "(v4l2-ctl --query-dv-timings, --set-dv-bt-timings query)";
constexpr const char* smaller = "for a USB camera, take a smaller picture, a lower rate, a compressed format, a port "
                                "on another controller, or fewer cameras";

constexpr std::array meanings{
    Meaning{"VIDIOC_STREAMON", EPIPE, Category::invalid_state, "the media pipeline is not configured like the queue",
            "give its pads the queue's format and size, and enable its links (media-ctl --print-topology shows both)"},
    Meaning{"VIDIOC_STREAMON", ENOLINK, Category::invalid_state,
            "a link of the media pipeline is not enabled, or there is no signal",
            "enable the links up to this node (media-ctl --print-topology shows them), and connect the source"},
    Meaning{"VIDIOC_STREAMON", ENOLCK, Category::device_failed, "the device cannot lock to the signal", signal},
    Meaning{"VIDIOC_STREAMON", ENOSPC, Category::no_bandwidth, "the bus cannot carry this stream beside the others",
            smaller},
    Meaning{"VIDIOC_S_FMT", ENOSPC, Category::no_bandwidth, "the bus cannot carry this format", smaller},
    Meaning{"VIDIOC_STREAMON", EINVAL, Category::invalid_state, "the driver wants more buffers before it starts",
            "queue buffers first, or open the queue with more slots"},
    Meaning{"VIDIOC_STREAMON", EIO, Category::device_failed, "the device or its signal failed", restart},
    Meaning{"VIDIOC_QBUF", EIO, Category::device_failed, "the device or its signal failed, or it cannot map the memory",
            restart},
    Meaning{"VIDIOC_DQBUF", EIO, Category::device_failed, "the device or its signal failed", restart},
    Meaning{"VIDIOC_DQBUF", EPIPE, Category::end_of_stream, "the last frame has come",
            "stop and start the queue, or let the codec resume"},
    Meaning{"VIDIOC_DQBUF", EINVAL, Category::invalid_state, "the queue is not streaming", "call start() first"},
    Meaning{"", EBUSY, Category::busy, "another program, or another part of this one, owns the queue",
            "stop it, or plan with another node"},
    Meaning{"", ENODEV, Category::device_gone, "the device is gone", "close it, and open it again when it is back"},
};

} // namespace

Error v4l2_failure(int error, Call call)
{
    const auto* known = std::ranges::find_if(meanings, [&](const Meaning& meaning) {
        return meaning.error == error && (meaning.call.empty() || meaning.call == call.name);
    });
    Error result = Error::from_errno(error, std::move(call));
    if (known != meanings.end()) {
        result.category = known->category;
        result.detail = known->detail;
        result.advice = known->advice;
    }
    return result;
}

} // namespace commonbuf::os
