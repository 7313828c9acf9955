// SPDX-License-Identifier: MIT
//
// sync_files have copy transference: an import is temporary, and an export takes the signal away
// ("Importing Semaphore Payloads", tables of handle types).
#include "backends/vulkan/context.hpp"
#include "backends/vulkan/outstanding.hpp"
#include "base/text.hpp"

#include <commonbuf/vulkan/sync.hpp>

#include <array>
#include <utility>

namespace commonbuf::vulkan {
namespace {

constexpr auto semaphore_type = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT;
constexpr auto fence_type = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT;

bool semaphores_have(const Context& context, VkExternalSemaphoreFeatureFlags feature)
{
    return (context.sync_files().semaphores & feature) != 0;
}

bool fences_have(const Context& context, VkExternalFenceFeatureFlags feature)
{
    return (context.sync_files().fences & feature) != 0;
}

Status require_semaphores(const Context& context, VkExternalSemaphoreFeatureFlags feature, const char* call)
{
    if (Status made = context.require({Need::external_semaphore_fd}, context.where(call)); !made)
        return made;
    if (!semaphores_have(context, feature))
        return Error::unsupported(
            context.where(call),
            text::format("the device's semaphores do not {} sync_files",
                         feature == VK_EXTERNAL_SEMAPHORE_FEATURE_IMPORTABLE_BIT ? "import" : "export"),
            "wait for the fence on the CPU, and submit after that");
    return {};
}

Status require_fences(const Context& context, VkExternalFenceFeatureFlags feature, const char* call)
{
    if (Status made = context.require({Need::external_fence_fd}, context.where(call)); !made)
        return made;
    if (!fences_have(context, feature))
        return Error::unsupported(
            context.where(call),
            text::format("the device's fences do not {} sync_files",
                         feature == VK_EXTERNAL_FENCE_FEATURE_IMPORTABLE_BIT ? "import" : "export"));
    return {};
}

/// Makes a fence of the sync_file that Vulkan gave. A driver may give -1 for work that is over.
Result<Fence> fence_of(const Device& device, int fd, const Fence& waited)
{
    auto exported = Fence::from_fd(UniqueFd(fd));
    if (!exported)
        return exported;
    device.context()->outstanding().add(*exported);
    const std::array both{*exported, waited};
    return Fence::merge(both);
}

} // namespace

SyncSupport sync_support(const Device& device) noexcept
{
    const Context& context = *device.context();
    SyncSupport support;
    if (context.has(Need::external_semaphore_fd)) {
        support.semaphore_import = semaphores_have(context, VK_EXTERNAL_SEMAPHORE_FEATURE_IMPORTABLE_BIT);
        support.semaphore_export = semaphores_have(context, VK_EXTERNAL_SEMAPHORE_FEATURE_EXPORTABLE_BIT);
    }
    if (context.has(Need::external_fence_fd)) {
        support.fence_import = fences_have(context, VK_EXTERNAL_FENCE_FEATURE_IMPORTABLE_BIT);
        support.fence_export = fences_have(context, VK_EXTERNAL_FENCE_FEATURE_EXPORTABLE_BIT);
    }
    return support;
}

Result<Semaphore> Semaphore::create(const Device& device)
{
    constexpr const char* call = "vkCreateSemaphore";
    const Context& context = *device.context();
    if (const Status can = require_semaphores(context, VK_EXTERNAL_SEMAPHORE_FEATURE_EXPORTABLE_BIT, call); !can)
        return can.error();
    VkExportSemaphoreCreateInfo exportable{};
    exportable.sType = VK_STRUCTURE_TYPE_EXPORT_SEMAPHORE_CREATE_INFO;
    exportable.handleTypes = semaphore_type;
    VkSemaphoreCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO;
    info.pNext = &exportable;
    VkSemaphore handle = VK_NULL_HANDLE;
    if (const VkResult result = context.vk().CreateSemaphore(context.device(), &info, nullptr, &handle);
        result != VK_SUCCESS)
        return call_failed(device, result, call);
    return Semaphore(device, handle);
}

Semaphore& Semaphore::operator=(Semaphore&& other) noexcept
{
    std::swap(device_, other.device_);
    std::swap(handle_, other.handle_);
    return *this;
}

Semaphore::~Semaphore()
{
    if (handle_ != VK_NULL_HANDLE)
        device_.context()->vk().DestroySemaphore(device_.handle(), handle_, nullptr);
}

Status import_semaphore(const Device& device, VkSemaphore semaphore, const Fence& fence)
{
    constexpr const char* call = "vkImportSemaphoreFdKHR";
    const Context& context = *device.context();
    if (Status can = require_semaphores(context, VK_EXTERNAL_SEMAPHORE_FEATURE_IMPORTABLE_BIT, call); !can)
        return can;
    auto sync_file = fence.export_fd();
    if (!sync_file)
        return sync_file.error();
    VkImportSemaphoreFdInfoKHR info{};
    info.sType = VK_STRUCTURE_TYPE_IMPORT_SEMAPHORE_FD_INFO_KHR;
    info.semaphore = semaphore;
    info.flags = VK_SEMAPHORE_IMPORT_TEMPORARY_BIT;
    info.handleType = semaphore_type;
    info.fd = sync_file->get();
    if (const VkResult result = context.vk().ImportSemaphoreFdKHR(context.device(), &info); result != VK_SUCCESS)
        return call_failed(device, result, call);
    // The driver owns it now.
    static_cast<void>(sync_file->release());
    return {};
}

Result<Fence> export_semaphore(const Device& device, VkSemaphore semaphore, const Fence& waited)
{
    constexpr const char* call = "vkGetSemaphoreFdKHR";
    const Context& context = *device.context();
    if (const Status can = require_semaphores(context, VK_EXTERNAL_SEMAPHORE_FEATURE_EXPORTABLE_BIT, call); !can)
        return can.error();
    VkSemaphoreGetFdInfoKHR info{};
    info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_GET_FD_INFO_KHR;
    info.semaphore = semaphore;
    info.handleType = semaphore_type;
    int fd = -1;
    if (const VkResult result = context.vk().GetSemaphoreFdKHR(context.device(), &info, &fd); result != VK_SUCCESS)
        return call_failed(device, result, call);
    return fence_of(device, fd, waited);
}

Status import_fence(const Device& device, VkFence vk_fence, const Fence& fence)
{
    constexpr const char* call = "vkImportFenceFdKHR";
    const Context& context = *device.context();
    if (Status can = require_fences(context, VK_EXTERNAL_FENCE_FEATURE_IMPORTABLE_BIT, call); !can)
        return can;
    auto sync_file = fence.export_fd();
    if (!sync_file)
        return sync_file.error();
    VkImportFenceFdInfoKHR info{};
    info.sType = VK_STRUCTURE_TYPE_IMPORT_FENCE_FD_INFO_KHR;
    info.fence = vk_fence;
    info.flags = VK_FENCE_IMPORT_TEMPORARY_BIT;
    info.handleType = fence_type;
    info.fd = sync_file->get();
    if (const VkResult result = context.vk().ImportFenceFdKHR(context.device(), &info); result != VK_SUCCESS)
        return call_failed(device, result, call);
    static_cast<void>(sync_file->release());
    return {};
}

Result<Fence> export_fence(const Device& device, VkFence vk_fence, const Fence& waited)
{
    constexpr const char* call = "vkGetFenceFdKHR";
    const Context& context = *device.context();
    if (const Status can = require_fences(context, VK_EXTERNAL_FENCE_FEATURE_EXPORTABLE_BIT, call); !can)
        return can.error();
    VkFenceGetFdInfoKHR info{};
    info.sType = VK_STRUCTURE_TYPE_FENCE_GET_FD_INFO_KHR;
    info.fence = vk_fence;
    info.handleType = fence_type;
    int fd = -1;
    if (const VkResult result = context.vk().GetFenceFdKHR(context.device(), &info, &fd); result != VK_SUCCESS)
        return call_failed(device, result, call);
    return fence_of(device, fd, waited);
}

void fail_outstanding(const Device& device, Error error)
{
    if (error == Error{})
        error = failure(VK_ERROR_DEVICE_LOST, "work on " + device.name(), "unfinished work has no result");
    device.context()->outstanding().fail(error);
}

} // namespace commonbuf::vulkan
