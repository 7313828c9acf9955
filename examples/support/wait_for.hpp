// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/fence.hpp>
#include <commonbuf/result.hpp>

#include <poll.h>

#include <vector>

/// Lets a poll() wait for a fence too. False where it is over already, well or not: then nothing
/// will come of it, and a loop that waits all the same may wait for good.
inline commonbuf::Result<bool> wait_for(const commonbuf::Fence& fence, std::vector<pollfd>& events)
{
    const auto fd = fence.fd();
    if (!fd && fd.error().category == commonbuf::Category::device_gone)
        return false;
    if (!fd)
        return fd.error();
    if (*fd >= 0)
        events.push_back({*fd, POLLIN, 0});
    return *fd >= 0;
}
