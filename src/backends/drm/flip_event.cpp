// SPDX-License-Identifier: MIT
#include <commonbuf/drm/flip_event.hpp>

#include "backends/drm/file.hpp"

#include <drm.h>
#include <poll.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace commonbuf::drm {

Result<std::vector<FlipEvent>> read_flip_events(const Device& device)
{
    const File& file = *device.file();
    // A read could block: somebody else may have opened the descriptor without O_NONBLOCK.
    const auto some = os::wait(file.fd(), POLLIN, Deadline{}, file.info().path);
    if (!some)
        return some.error();
    if (!*some)
        return std::vector<FlipEvent>{};
    std::array<std::byte, 4096> room{};
    ssize_t size = 0;
    do {
        size = os::kernel().read(file.fd(), room.data(), room.size());
    } while (size < 0 && errno == EINTR);
    if (size < 0 && errno != EAGAIN)
        return Error::from_errno(errno, file.where("read"));
    std::vector<FlipEvent> events;
    std::size_t left = size > 0 ? static_cast<std::size_t>(size) : 0;
    for (const std::byte* at = room.data(); left >= sizeof(drm_event);) {
        drm_event head{};
        std::memcpy(&head, at, sizeof head);
        if (head.length < sizeof head || head.length > left)
            break;
        if (drm_event_vblank flip{}; head.type == DRM_EVENT_FLIP_COMPLETE && head.length >= sizeof flip) {
            std::memcpy(&flip, at, sizeof flip);
            events.push_back({flip.user_data, flip.crtc_id, flip.sequence,
                              std::chrono::seconds(flip.tv_sec) + std::chrono::microseconds(flip.tv_usec)});
        }
        at += head.length;
        left -= head.length;
    }
    return events;
}

} // namespace commonbuf::drm
