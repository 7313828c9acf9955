// SPDX-License-Identifier: MIT
#include "backends/vulkan/outstanding.hpp"

#include "backends/vulkan/context.hpp"
#include "sync/fence_set.hpp"

#include <commonbuf/vulkan/sync.hpp>

#include <algorithm>
#include <utility>

namespace commonbuf::vulkan {

void Outstanding::add(const Fence& fence)
{
    const std::lock_guard lock(mutex_);
    // Drop fences that nobody holds or that are over, so that the list is as long as the work in flight.
    const auto over = [](const std::weak_ptr<FencePoint>& each) {
        const auto point = each.lock();
        return point == nullptr || point->known() != FenceState::pending;
    };
    std::erase_if(points_, over);
    std::ranges::copy(points_of(fence), std::back_inserter(points_));
}

void Outstanding::fail(const Error& error)
{
    std::vector<std::weak_ptr<FencePoint>> points;
    {
        const std::lock_guard lock(mutex_);
        points.swap(points_);
    }
    for (const auto& each : points) {
        // A fence that is over says so itself.
        if (const auto point = each.lock();
            point != nullptr && point->ask().value_or(FenceState::pending) == FenceState::pending)
            point->give_up(error);
    }
}

Error call_failed(const Device& device, VkResult result, const char* call)
{
    Error error = device.context()->failed(call, result);
    if (result == VK_ERROR_DEVICE_LOST)
        fail_outstanding(device, error);
    return error;
}

} // namespace commonbuf::vulkan
