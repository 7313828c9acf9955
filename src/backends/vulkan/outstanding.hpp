// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/fence.hpp>
#include <commonbuf/vulkan/device.hpp>

#include <memory>
#include <mutex>
#include <vector>

namespace commonbuf::vulkan {

/// The fences of a VkDevice's pending work. They fail if the device is lost. Thread-safe.
class Outstanding {
public:
    void add(const Fence& fence);

    /// Makes pending fences fail.
    void fail(const Error& error);

private:
    std::mutex mutex_;
    std::vector<std::weak_ptr<FencePoint>> points_;
};

/// Makes the error of a call that failed. If the device is lost, its outstanding fences fail with
/// that error.
Error call_failed(const Device& device, VkResult result, const char* call);

} // namespace commonbuf::vulkan
