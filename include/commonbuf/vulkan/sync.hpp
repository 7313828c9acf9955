// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>
#include <commonbuf/fence.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/vulkan/device.hpp>

#include <memory>
#include <utility>
#include <vulkan/vulkan_core.h>

/// Converts Vulkan's semaphores and fences to and from sync_files (the Vulkan specification,
/// chapter "Synchronization and Cache Control", sections "Importing Semaphore Payloads", "Exporting
/// Semaphore Payloads" and the same for fences; VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
/// VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT).
///
/// The library does not wait here, but a driver may: if the CPU does the GPU's work (Mesa's
/// lavapipe), vkGetSemaphoreFdKHR and vkGetFenceFdKHR return only when everything that the work
/// waits for has signalled. With such a driver, an event loop submits the work after that.
///
/// **Several sync_files in one Fence become one descriptor** (Fence::export_fd()) and so one
/// semaphore. The fence asks each of them after merging, so no failure up to then goes unseen, and
/// a submission has only one semaphore to wait for.
///
/// **An error stays an error for those who hold the Fence.** A GPU does not check how the work that
/// it waits for has ended; it goes on. So importing a fence that is known to have failed is refused.
/// For later failures, pass the fence to export_semaphore() or export_fence(): what they return
/// fails if the fence does.
///
/// These functions are as thread-safe as Vulkan: the caller synchronises the semaphore or fence
/// externally; nothing else is touched.
namespace commonbuf::vulkan {

/// What a device can do with sync_files, by the extensions that it was made with and by
/// vkGetPhysicalDeviceExternalSemaphoreProperties and ...FenceProperties.
struct SyncSupport {
    bool semaphore_import = false;
    bool semaphore_export = false;
    bool fence_import = false;
    bool fence_export = false;
};

/// Asks what a device can do with sync_files.
COMMONBUF_API SyncSupport sync_support(const Device& device) noexcept;

/// A binary VkSemaphore that export_semaphore() can export. Move-only. Destroy it while no queue
/// uses it (VUID-vkDestroySemaphore-semaphore-05149) and the VkDevice still exists.
class COMMONBUF_API Semaphore {
public:
    /// Makes a semaphore for export as a sync_file (VkExportSemaphoreCreateInfo).
    ///
    /// Errors: unsupported (no VK_KHR_external_semaphore_fd; the device does not export sync_files),
    /// out_of_memory, device_gone (VK_ERROR_DEVICE_LOST).
    static Result<Semaphore> create(const Device& device);

    Semaphore(Semaphore&& other) noexcept
        : device_(other.device_),
          handle_(std::exchange(other.handle_, VK_NULL_HANDLE))
    {}
    Semaphore& operator=(Semaphore&& other) noexcept;
    Semaphore(const Semaphore&) = delete;
    Semaphore& operator=(const Semaphore&) = delete;
    ~Semaphore();

    VkSemaphore handle() const noexcept { return handle_; }

private:
    Semaphore(const Device& device, VkSemaphore handle) noexcept : device_(device), handle_(handle) {}

    Device device_;
    VkSemaphore handle_;
};

/// Makes the next wait for a binary semaphore wait for this fence (vkImportSemaphoreFdKHR with
/// VK_SEMAPHORE_IMPORT_TEMPORARY_BIT).
///
/// After that wait the semaphore has its own payload again. If there is nothing to wait for, Vulkan
/// gets -1, which counts as signalled. Any binary semaphore will do that no queue uses at this time
/// (VUID-vkImportSemaphoreFdKHR-semaphore-01142). If two fences are imported, the last one counts.
///
/// Errors: unsupported (as for create(), for import); work_failed (the fence is known to have failed,
/// and nothing is imported); device_gone (VK_ERROR_DEVICE_LOST); out_of_memory; those of
/// Fence::sync_file_fd().
COMMONBUF_API Status import_semaphore(const Device& device, VkSemaphore semaphore, const Fence& fence);

/// Returns a fence that signals when a binary semaphore does (vkGetSemaphoreFdKHR).
///
/// The signal and everything that it depends on must have been submitted
/// (VUID-VkSemaphoreGetFdInfoKHR-handleType-03254), and the semaphore must have been created for
/// export (Semaphore). The fence takes the signal over, as a wait would: to export twice, signal
/// twice. `waited` is what the work waits for, if its failures are to count here too.
///
/// Errors: unsupported (as for create()), out_of_memory, device_gone (VK_ERROR_DEVICE_LOST).
COMMONBUF_API Result<Fence> export_semaphore(const Device& device, VkSemaphore semaphore, const Fence& waited = {});

/// Makes a VkFence signal when this fence does (vkImportFenceFdKHR with
/// VK_FENCE_IMPORT_TEMPORARY_BIT). vkResetFences restores its own payload. No queue may use the
/// VkFence (VUID-vkImportFenceFdKHR-fence-01463).
///
/// Errors: those of import_semaphore().
COMMONBUF_API Status import_fence(const Device& device, VkFence vk_fence, const Fence& fence);

/// Returns a fence that signals when a VkFence does (vkGetFenceFdKHR). The export resets the VkFence
/// as vkResetFences does.
///
/// The VkFence must have signalled or be submitted (VUID-VkFenceGetFdInfoKHR-handleType-01454), and
/// must have been created with VkExportFenceCreateInfo for VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT.
///
/// Errors: those of export_semaphore().
COMMONBUF_API Result<Fence> export_fence(const Device& device, VkFence vk_fence, const Fence& waited = {});

/// Makes every pending fence that was exported from a lost VkDevice fail with this error (as
/// work_failed).
///
/// The functions here call it when Vulkan answers VK_ERROR_DEVICE_LOST. Call it if a call of your
/// own (vkQueueSubmit) has that answer. A wait that is under way reports the failure when the kernel
/// signals the fence, or at its deadline. A default-constructed error stands for
/// VK_ERROR_DEVICE_LOST. Thread-safe.
COMMONBUF_API void fail_outstanding(const Device& device, Error error = {});

} // namespace commonbuf::vulkan
