// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/fence.hpp>
#include <commonbuf/vulkan/device.hpp>

#include <memory>
#include <mutex>
#include <vector>

namespace commonbuf::vulkan {

/// The fences of a VkDevice's work that is not over: a device that is lost fails them.
/// Thread-safe.
class Outstanding {
public:
    void add(const Fence& fence);

    /// Fails what is pending.
    void fail(const Error& error);

private:
    std::mutex mutex_;
    std::vector<std::weak_ptr<FencePoint>> points_;
};

/// The error of a call that failed. A device that is lost fails what is outstanding with it.
Error call_failed(const Device& device, VkResult result, const char* call);

} // namespace commonbuf::vulkan
