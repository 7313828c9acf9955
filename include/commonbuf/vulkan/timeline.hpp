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

/// Converts timeline semaphores to and from fences (the Vulkan specification, "Semaphores"; Vulkan
/// 1.2 or VK_KHR_timeline_semaphore). A timeline semaphore has no sync_file: a submission without
/// work converts between it and a binary semaphore.
namespace commonbuf::vulkan {

class TimelineBridgeState; // the library's own

/// Converts between timeline semaphores and fences without waiting. It keeps the binary semaphores
/// that it needs, and reuses each when the submission that uses it is over. There are as many as
/// submissions in flight.
///
/// Move-only. Thread-compatible; the caller synchronises the VkQueue of each call externally
/// (vkQueueSubmit). Destroy it before the VkDevice, when its queues are done with what it submitted
/// (VUID-vkDestroySemaphore-semaphore-05149).
class COMMONBUF_API TimelineBridge {
public:
    /// Makes a bridge. Errors: unsupported (no timeline semaphores; no import or export of
    /// sync_files), out_of_memory.
    static Result<TimelineBridge> create(const Device& device);

    TimelineBridge(TimelineBridge&& other) noexcept;
    TimelineBridge& operator=(TimelineBridge&& other) noexcept;
    TimelineBridge(const TimelineBridge&) = delete;
    TimelineBridge& operator=(const TimelineBridge&) = delete;
    ~TimelineBridge();

    /// Returns a fence that signals when a timeline semaphore reaches a value. It submits a wait for
    /// the value to `queue` and exports the fence of that submission.
    ///
    /// The signal of the value must have been submitted before
    /// (VUID-VkSemaphoreGetFdInfoKHR-handleType-03254), or come from the host. Work that is submitted
    /// to this queue later may have to wait behind it. `waited` is as for export_semaphore().
    ///
    /// Errors: out_of_memory, device_gone (VK_ERROR_DEVICE_LOST).
    Result<Fence> fence(VkQueue queue, VkSemaphore timeline, std::uint64_t value, const Fence& waited = {});

    /// Makes a timeline semaphore reach a value when a fence signals. It submits a wait for the fence
    /// to `queue`.
    ///
    /// The value must be above all that were signalled or submitted
    /// (VUID-VkSubmitInfo-pSignalSemaphores-03242).
    ///
    /// Errors: those of import_semaphore(). If the fence is known to have failed, nothing is
    /// submitted, and the value is not signalled from here.
    Status signal(VkQueue queue, VkSemaphore timeline, std::uint64_t value, const Fence& fence);

    /// Returns the number of binary semaphores, to see that they are reused.
    std::size_t semaphores() const noexcept;

private:
    explicit TimelineBridge(std::unique_ptr<TimelineBridgeState> state) noexcept;

    std::unique_ptr<TimelineBridgeState> state_;
};

/// Returns the last value that a timeline semaphore has reached.
///
/// Errors: unsupported (no timeline semaphores), device_gone (VK_ERROR_DEVICE_LOST).
COMMONBUF_API Result<std::uint64_t> timeline_value(const Device& device, VkSemaphore timeline);

/// Waits on the CPU until a timeline semaphore has reached a value (vkWaitSemaphores). For programs
/// without a queue to submit to; not for a hot path.
///
/// Errors: unsupported (no timeline semaphores), timed_out, device_gone (VK_ERROR_DEVICE_LOST),
/// out_of_memory.
COMMONBUF_API Status wait_timeline(const Device& device, VkSemaphore timeline, std::uint64_t value, Deadline deadline);

/// Waits on the CPU for a fence and then signals a value (vkSignalSemaphore). The value must be above
/// all that were signalled or submitted. A failed fence signals nothing.
///
/// Errors: those of Fence::wait() and wait_timeline().
COMMONBUF_API Status signal_timeline(const Device& device, VkSemaphore timeline, std::uint64_t value,
                                     const Fence& fence, Deadline deadline);

/// Returns the DRM syncobj behind a timeline semaphore. Both are then the same timeline, with nothing
/// in between.
///
/// The semaphore must have been created for export as
/// VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_OPAQUE_FD_BIT. What such a descriptor holds is up to the driver;
/// Mesa's drivers use a syncobj if the kernel has timelines. This function does not guess: it asks
/// the kernel, on a borrowed DRM descriptor.
///
/// Errors: unsupported (no VK_KHR_external_semaphore_fd; the descriptor is not a syncobj: use a
/// TimelineBridge), out_of_memory, device_gone (VK_ERROR_DEVICE_LOST); those of Timeline::import().
COMMONBUF_API Result<Timeline> export_timeline(const Device& device, VkSemaphore timeline, int drm_fd);

} // namespace commonbuf::vulkan
