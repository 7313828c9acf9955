// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/deadline.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/fence.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/timeline.hpp>
#include <commonbuf/vulkan/device.hpp>

#include <cstdint>
#include <memory>
#include <vulkan/vulkan_core.h>

/// Timeline semaphores (the Vulkan specification, "Semaphores"; Vulkan 1.2 or
/// VK_KHR_timeline_semaphore) from and to fences. A timeline semaphore has no sync_file: a
/// submission without work in between makes a binary one of it, and back.
namespace commonbuf::vulkan {

class TimelineBridgeState; // the library's own

/// Goes over between timeline semaphores and fences without waiting. It keeps the semaphores
/// that it needs for that, and uses them again when the submissions that have them are over:
/// as many as are in flight.
///
/// Move-only. Thread-compatible; the VkQueue of each call is externally synchronised by the
/// caller (vkQueueSubmit). It is destroyed when its queues are done with what it submitted
/// (VUID-vkDestroySemaphore-semaphore-05149), before the VkDevice.
class COMMONBUF_API TimelineBridge {
public:
    /// Errors: unsupported (no timelines; no import or export of sync_files), exhausted.
    static Result<TimelineBridge> create(const Device& device);

    TimelineBridge(TimelineBridge&& other) noexcept;
    TimelineBridge& operator=(TimelineBridge&& other) noexcept;
    TimelineBridge(const TimelineBridge&) = delete;
    TimelineBridge& operator=(const TimelineBridge&) = delete;
    ~TimelineBridge();

    /// When a timeline semaphore will have reached a value: submits to `queue` that it is waited
    /// for, and exports the fence of that. The signal of that value has to be submitted
    /// before (VUID-VkSemaphoreGetFdInfoKHR-handleType-03254), or come from the host; work that
    /// is submitted to this queue later may have to wait behind it.
    ///
    /// `waited` as for export_semaphore(). Errors: exhausted, device_lost.
    Result<Fence> fence(VkQueue queue, VkSemaphore timeline, std::uint64_t value, const Fence& waited = {});

    /// Signals a value of a timeline semaphore when a fence has signalled: submits to `queue`
    /// that the fence is waited for. The value is above all that were signalled or submitted
    /// (VUID-VkSubmitInfo-pSignalSemaphores-03242).
    ///
    /// Errors: device_lost (the fence is known to have failed: nothing is submitted, and the
    /// value will not come from here); those of import_semaphore().
    Status signal(VkQueue queue, VkSemaphore timeline, std::uint64_t value, const Fence& fence);

    /// How many semaphores there are, for who wants to see that they are used again.
    std::size_t semaphores() const noexcept;

private:
    explicit TimelineBridge(std::unique_ptr<TimelineBridgeState> state) noexcept;

    std::unique_ptr<TimelineBridgeState> state_;
};

/// The last value that a timeline semaphore has reached. Errors: unsupported, device_lost.
COMMONBUF_API Result<std::uint64_t> timeline_value(const Device& device, VkSemaphore timeline);

/// Waits on the CPU until a timeline semaphore has reached a value (vkWaitSemaphores): where
/// there is no queue to submit to. Not for a hot path.
///
/// Errors: unsupported (no timelines), timed_out, device_lost, exhausted.
COMMONBUF_API Status wait_timeline(const Device& device, VkSemaphore timeline, std::uint64_t value, Deadline deadline);

/// Waits on the CPU for a fence, and signals a value then (vkSignalSemaphore): the same, the
/// other way. The value is above all that were signalled or submitted.
///
/// Errors: those of Fence::wait(): a fence that failed signals nothing; those of
/// wait_timeline().
COMMONBUF_API Status signal_timeline(const Device& device, VkSemaphore timeline, std::uint64_t value,
                                     const Fence& fence, Deadline deadline);

/// The DRM syncobj behind a timeline semaphore that was created for export as
/// VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_OPAQUE_FD_BIT. What is in such a descriptor is the
/// driver's own business: Mesa's drivers for kernels with timelines put a syncobj there. So
/// this asks the kernel, on a borrowed DRM descriptor, and never guesses. Both are then the
/// same timeline, with nothing in between.
///
/// Errors: unsupported (no VK_KHR_external_semaphore_fd; it is no syncobj: use a
/// TimelineBridge), exhausted, device_lost; those of Timeline::import().
COMMONBUF_API Result<Timeline> export_timeline(const Device& device, VkSemaphore timeline, int drm_fd);

} // namespace commonbuf::vulkan
