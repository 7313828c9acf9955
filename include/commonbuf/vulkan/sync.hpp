// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>
#include <commonbuf/fence.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/vulkan/device.hpp>

#include <memory>
#include <utility>
#include <vulkan/vulkan_core.h>

/// Vulkan's semaphores and fences from and to sync_files (the Vulkan specification, chapter
/// "Synchronization and Cache Control", sections "Importing Semaphore Payloads", "Exporting
/// Semaphore Payloads" and the same of fences; VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
/// VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT). Nothing here waits, but for the driver: where
/// the CPU does the GPU's work (Mesa's lavapipe), vkGetSemaphoreFdKHR and vkGetFenceFdKHR come
/// back when what the work waits for has signalled, and an event loop submits it then.
///
/// **Several sync_files in one Fence become one descriptor** (Fence::export_fd()), and so one
/// semaphore: the fence asks each of them after merging, so that nothing that has failed by
/// then goes unseen, and a submission has one semaphore to wait for, whatever there was before.
///
/// **An error stays an error, where somebody holds the Fence.** A GPU does not look at how
/// what it waits for has ended, and goes on. A fence that is known to have failed is
/// therefore refused at import; for what fails later, give the fence to export_semaphore() or
/// export_fence(): what comes out fails where it did.
///
/// Each of these functions is as thread-safe as Vulkan is: the semaphore or fence is externally
/// synchronised by the caller, everything else is not touched.
namespace commonbuf::vulkan {

/// What can be done with sync_files: by the extensions that the device was made with, and as
/// vkGetPhysicalDeviceExternalSemaphoreProperties and ...FenceProperties say.
struct SyncSupport {
    bool semaphore_import = false;
    bool semaphore_export = false;
    bool fence_import = false;
    bool fence_export = false;
};

COMMONBUF_API SyncSupport sync_support(const Device& device) noexcept;

/// A binary VkSemaphore that export_semaphore() takes. Move-only; destroyed with its owner,
/// who sees to it that no queue has it any more (VUID-vkDestroySemaphore-semaphore-05149) and
/// that the VkDevice is still there.
class COMMONBUF_API Semaphore {
public:
    /// Made with VkExportSemaphoreCreateInfo for sync_files. Errors: unsupported (no
    /// VK_KHR_external_semaphore_fd; the device does not export sync_files), exhausted,
    /// device_lost.
    static Result<Semaphore> create(const Device& device);

    Semaphore(Semaphore&& other) noexcept
        : device_(std::move(other.device_)),
          handle_(std::exchange(other.handle_, VK_NULL_HANDLE))
    {}
    Semaphore& operator=(Semaphore&& other) noexcept;
    Semaphore(const Semaphore&) = delete;
    Semaphore& operator=(const Semaphore&) = delete;
    ~Semaphore();

    VkSemaphore handle() const noexcept { return handle_; }

private:
    Semaphore(Device device, VkSemaphore handle) noexcept : device_(std::move(device)), handle_(handle) {}

    Device device_;
    VkSemaphore handle_;
};

/// Makes the next wait for a binary semaphore wait for this fence: vkImportSemaphoreFdKHR with
/// VK_SEMAPHORE_IMPORT_TEMPORARY_BIT. After that wait the semaphore has its own payload again.
/// Where there is nothing to wait for, Vulkan is given -1, which has signalled. The semaphore
/// may be any binary one; no queue may have it at this time
/// (VUID-vkImportSemaphoreFdKHR-semaphore-01142). Imported twice, the last one counts.
///
/// Errors: unsupported (as create(), for import); device_lost (the fence is known to have
/// failed, and nothing is imported; or the VkDevice is lost); exhausted; those of Fence::fd().
COMMONBUF_API Status import_semaphore(const Device& device, VkSemaphore semaphore, const Fence& fence);

/// When the signal of a binary semaphore will have come: vkGetSemaphoreFdKHR. Its signal
/// has been submitted, and all that it depends on (VUID-VkSemaphoreGetFdInfoKHR-handleType-03254);
/// the semaphore was created for export (Semaphore). The signal goes over to the fence, as if the
/// semaphore had been waited for: exporting twice needs two signals.
///
/// `waited` is what the work waits for, if its failures are to count here too.
/// Errors: unsupported (as create()), exhausted, device_lost.
COMMONBUF_API Result<Fence> export_semaphore(const Device& device, VkSemaphore semaphore, const Fence& waited = {});

/// The same for a VkFence: vkImportFenceFdKHR with VK_FENCE_IMPORT_TEMPORARY_BIT. vkResetFences
/// brings its own payload back. The VkFence is in no queue (VUID-vkImportFenceFdKHR-fence-01463).
///
/// Errors: those of import_semaphore().
COMMONBUF_API Status import_fence(const Device& device, VkFence vk_fence, const Fence& fence);

/// The same for a VkFence: vkGetFenceFdKHR. It has signalled, or is submitted
/// (VUID-VkFenceGetFdInfoKHR-handleType-01454), and was created with VkExportFenceCreateInfo for
/// VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT. The export resets it, as vkResetFences does.
///
/// Errors: those of export_semaphore().
COMMONBUF_API Result<Fence> export_fence(const Device& device, VkFence vk_fence, const Fence& waited = {});

/// Says that a VkDevice is lost: every fence that was exported from it and is pending has
/// failed, with this error. The functions here do it themselves when Vulkan answers
/// VK_ERROR_DEVICE_LOST; a caller does whose own call (vkQueueSubmit) has that answer. Who
/// waits for such a fence at this time is told when the kernel signals it, or at the deadline.
///
/// An empty error stands for VK_ERROR_DEVICE_LOST. Thread-safe.
COMMONBUF_API void fail_outstanding(const Device& device, Error error = {});

} // namespace commonbuf::vulkan
