// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/fence.hpp>
#include <commonbuf/result.hpp>

#include <poll.h>

#include <vector>

/// Lets a poll() wait for a fence too. Returns false if the work is over already, even if it failed: no
/// event will come, and a loop that waits nevertheless may wait forever.
inline commonbuf::Result<bool> wait_for(const commonbuf::Fence& fence, std::vector<pollfd>& events)
{
    const auto fd = fence.sync_file_fd();
    if (!fd && fd.error().category == commonbuf::Category::work_failed)
        return false;
    if (!fd)
        return fd.error();
    if (*fd >= 0)
        events.push_back({*fd, POLLIN, 0});
    return *fd >= 0;
}
